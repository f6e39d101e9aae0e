import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import {
  type EncoderNetworkName,
  type EncoderWeights,
  encoderNetworkNames,
  encoderNetworks,
  type ImageEncoder,
  loadPublishedEncoder,
  type NetworkSizes,
  type Normalisation,
  recogniseEncoder,
} from "../../models/index.ts";
import { ContrastError } from "../errors.ts";

export const NETWORKS = encoderNetworkNames;

/** A network by its name, its sizes as the table of networks has them, and what pixels become. */
export interface EncoderConfig extends Partial<Normalisation> {
  /** Default "resnet10". */
  readonly network?: EncoderNetworkName;
  /** ResNets only. Default "imagenet", which works on a quarter of the side; "cifar" keeps the details of small images. */
  readonly stem?: "cifar" | "imagenet";
  /** ResNets only: channels of the first stage, a multiple of 8. Default 32; 64 is the published network. */
  readonly width?: number;
  /** Vision transformers only: side of a patch in pixels. Default 16. */
  readonly patchSize?: number;
  /** Vision transformers only: side of the images that the position embeddings are for. Default 224. */
  readonly imageSize?: number;
  /** Vision transformers only. Default 0. */
  readonly registers?: number;
  /** Vision transformers only. Default false. */
  readonly hasLayerScale?: boolean;
  /** Vision transformers only: whether class token and registers have position embeddings. Default true. */
  readonly embedsPrefix?: boolean;
}

/** A configuration with the defaults filled in: what {@link Encoder} can be made of again. */
export type ResolvedEncoderConfig = NetworkSizes & Normalisation & { readonly network: EncoderNetworkName };

/** A network with the normalisation of pixels that it was trained with. */
export class Encoder extends nn.Module {
  readonly network: ImageEncoder;
  readonly config: ResolvedEncoderConfig;

  /**
   * Weights are drawn from the default generator.
   * @throws ContrastError for a network that does not exist, or sizes that it does not have
   */
  constructor(config: EncoderConfig | ResolvedEncoderConfig = {}, network?: ImageEncoder) {
    super();
    this.config = resolve(config);
    const { network: name, mean: _, std: __, ...sizes } = this.config;
    this.network = network ?? encoderNetworks[name].make(sizes);
  }

  /**
   * A network with published weights, of the sizes that their shapes tell.
   * @throws ModelError for weights of another network, with all names that do not fit
   */
  static published(name: EncoderNetworkName, weights: EncoderWeights): Encoder {
    const { network, sizes, normalisation } = loadPublishedEncoder(name, weights);
    return new Encoder({ network: name, ...sizes, ...normalisation }, network);
  }

  /**
   * As {@link published}, of the network that the weights fit.
   * @throws ModelError when they fit none
   */
  static recognised(weights: EncoderWeights): Encoder {
    const { name, network, sizes, normalisation } = recogniseEncoder(weights);
    return new Encoder({ network: name, ...sizes, ...normalisation }, network);
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

const HALF = [0.5, 0.5, 0.5] as const;

function resolve({ network = "resnet10", mean = HALF, std = HALF, ...sizes }: EncoderConfig) {
  const entry = Object.hasOwn(encoderNetworks, network) ? encoderNetworks[network] : undefined;
  if (!entry) {
    throw new ContrastError(`There is no encoder "${network}". Choose ${encoderNetworkNames.join(" or ")}.`);
  }
  const parsed = entry.sizes.safeParse(sizes);
  if (parsed.success)
    return { network, ...(parsed.data as NetworkSizes), mean, std } as ResolvedEncoderConfig;
  throw new ContrastError(
    `The encoder ${network} cannot be made: ${z.prettifyError(parsed.error)}. Correct or leave out the setting.`,
  );
}

/** Three numbers, ready to broadcast over images: [1, 3, 1, 1]. */
function perChannel(values: readonly number[], like: Tensor): Tensor {
  return torch.fromTyped(Float32Array.from(values), [1, 3, 1, 1]).to(like.device);
}
