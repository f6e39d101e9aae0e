import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { ResNet } from "../../models/index.ts";
import { ContrastError } from "../errors.ts";

const DEPTHS = { resnet10: 10, resnet18: 18 } as const;

export const NETWORKS = ["resnet10", "resnet18"] as const;
export const STEMS = ["cifar", "imagenet"] as const;

export interface EncoderConfig {
  /** Default "resnet10". */
  readonly network?: (typeof NETWORKS)[number];
  /** Default "imagenet", which works on a quarter of the side; "cifar" keeps the details of small images. */
  readonly stem?: (typeof STEMS)[number];
  /** Channels of the first stage, a multiple of 8. Default 32; 64 is the published network. */
  readonly width?: number;
  /** Means of red, green and blue, of pixels 0..1. Default 0.5 each. */
  readonly mean?: readonly [number, number, number];
  /** Their standard deviations. Default 0.5 each. */
  readonly std?: readonly [number, number, number];
}

/** A network with the normalisation of pixels that it was trained with. */
export class Encoder extends nn.Module {
  readonly network: ResNet;
  readonly config: Required<EncoderConfig>;

  /**
   * Weights are drawn from the default generator.
   * @throws ContrastError for a network that does not exist
   * @throws ModelError for a width that the kernels do not bear
   */
  constructor(config: EncoderConfig = {}) {
    super();
    const { network = "resnet10", stem = "imagenet", width = 32, mean = HALF, std = HALF } = config;
    const depth = DEPTHS[network];
    if (!depth) {
      throw new ContrastError(
        `There is no encoder "${network}". Choose ${Object.keys(DEPTHS).join(" or ")}.`,
      );
    }
    this.config = { network, stem, width, mean, std };
    this.network = new ResNet({ depth, stem, width });
  }

  /** D, the number of features of an image. */
  get dimensions(): number {
    return this.network.dimensions;
  }

  /** D_s of every stage of the network; the last is D. */
  get stageDimensions(): readonly number[] {
    return this.network.stageDimensions;
  }

  /**
   * The features before any head.
   * @param pixels01 [B, 3, H, W] in 0..1
   * @returns [B, D]
   */
  override forward(pixels01: Tensor): Tensor {
    return this.network.features(this.#normalised(pixels01));
  }

  /**
   * The pooled features of every stage of the network.
   * @param pixels01 [B, 3, H, W] in 0..1
   * @returns for each stage [B, D_s]; the last equals `forward(pixels01)`
   */
  stages(pixels01: Tensor): Tensor[] {
    return this.network.stages(this.#normalised(pixels01));
  }

  #normalised(pixels01: Tensor): Tensor {
    const { mean, std } = this.config;
    const normalised = pixels01.sub(perChannel(mean, pixels01)).div(perChannel(std, pixels01));
    return normalised.to({ memoryFormat: "channelsLast" });
  }
}

/** Three numbers, ready to broadcast over images: [1, 3, 1, 1]. */
function perChannel(values: readonly number[], like: Tensor): Tensor {
  return torch.fromTyped(Float32Array.from(values), [1, 3, 1, 1]).to(like.device);
}

const HALF = [0.5, 0.5, 0.5] as const;
