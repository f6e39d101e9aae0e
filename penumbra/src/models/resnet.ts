import { nn, scope, type Tensor } from "@penumbra/torch";
import { requireChannels } from "./channels.ts";
import type { ImageEncoder } from "./image-encoder.ts";

/** Blocks in each of the four stages. */
const BLOCKS = { 10: [1, 1, 1, 1], 18: [2, 2, 2, 2] } as const;

export interface ResNetOptions {
  /** 10 = one block a stage, 18 = two (torchvision's resnet18). Default 18. */
  readonly depth?: keyof typeof BLOCKS;
  /**
   * "imagenet": 7x7 convolution of stride 2 and a max-pool, 1/4 of the side, as torchvision; "cifar": 3x3 convolution
   * of stride 1 and no pool, as SupContrast, for images up to some 96 pixels. Default "imagenet".
   */
  readonly stem?: "cifar" | "imagenet";
  /** Channels of the first stage, a multiple of 8; the features have 8 times as many. Default 64, as published. */
  readonly width?: number;
  /** Adds the linear layer `fc` to this many classes. Default: none, `forward` gives features. */
  readonly classes?: number;
}

/**
 * Residual network of basic blocks (He et al. 2016), with torchvision's parameter names.
 *
 * ResNet-10 and ResNet-18 differ in the number of blocks. Convolutions start from N(0, 2 / fan out), batch norms from
 * weight 1 and bias 0, as in torchvision; make the network under `torch.manualSeed`.
 *
 * @example
 * const encoder = new ResNet({ depth: 10, stem: "cifar", width: 32 });
 * const features = encoder.features(images); // [B, 3, 64, 64] -> [B, 256]
 */
export class ResNet extends nn.Module implements ImageEncoder {
  readonly dimensions: number;
  readonly stageDimensions: readonly number[];
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear | null;
  readonly #pools: boolean;

  /** @throws ModelError for a width that the kernels do not bear */
  constructor({ depth = 18, stem = "imagenet", width = 64, classes }: ResNetOptions = {}) {
    super();
    requireChannels(width, "A ResNet's width");
    const isCifar = stem === "cifar";
    this.#pools = !isCifar;
    this.dimensions = 8 * width;
    this.stageDimensions = [width, 2 * width, 4 * width, 8 * width];
    this.conv1 = isCifar
      ? new nn.Conv2d(3, width, 3, { padding: 1, bias: false })
      : new nn.Conv2d(3, width, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(width);
    const [first, second, third, fourth] = BLOCKS[depth];
    this.layer1 = stage(width, width, first, 1);
    this.layer2 = stage(width, 2 * width, second, 2);
    this.layer3 = stage(2 * width, 4 * width, third, 2);
    this.layer4 = stage(4 * width, 8 * width, fourth, 2);
    this.fc = classes === undefined ? null : new nn.Linear(this.dimensions, classes);
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) {
        nn.init.kaimingNormal_(module.weight, { mode: "fanOut", nonlinearity: "relu" });
      }
    }
  }

  /**
   * The features before any head: means over the positions of the last stage.
   * @param images [B, 3, H, W], normalised
   * @returns [B, D]
   */
  features(images: Tensor): Tensor {
    let x = this.#stem(images);
    for (const layer of this.#layers) x = layer.forward(x);
    return pooled(x);
  }

  /**
   * Means over the positions of each of the four stages.
   * @param images [B, 3, H, W], normalised
   * @returns [B, width], [B, 2 width], [B, 4 width] and the features [B, D]
   */
  stages(images: Tensor): Tensor[] {
    let x = this.#stem(images);
    return this.#layers.map((layer) => {
      x = layer.forward(x);
      return pooled(x);
    });
  }

  /** [B, width, h, w], each stage but the first halves the sides. */
  get #layers(): readonly nn.Sequential[] {
    return [this.layer1, this.layer2, this.layer3, this.layer4];
  }

  #stem(images: Tensor): Tensor {
    // Scopes leave what backward needs to the graph alone, which frees it layer by layer.
    return scope(() => {
      const stem = this.bn1.forward(this.conv1.forward(images)).relu_();
      return this.#pools ? stem.maxPool2d(3, { stride: 2, padding: 1 }) : stem;
    });
  }

  /** Class logits [B, classes] where the network has `fc`, else the features [B, D]. */
  override forward(images: Tensor): Tensor {
    const features = this.features(images);
    return this.fc ? this.fc.forward(features) : features;
  }
}

/** [B, C, h, w] -> [B, C]. */
function pooled(x: Tensor): Tensor {
  return x.mean([2, 3]);
}

/** Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where sizes change. */
class BasicBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(channels);
    const keepsSize = stride === 1 && inChannels === channels;
    this.downsample = keepsSize
      ? null
      : new nn.Sequential(
          new nn.Conv2d(inChannels, channels, 1, { stride, bias: false }),
          new nn.BatchNorm2d(channels),
        );
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      let out = this.bn1.forward(this.conv1.forward(x)).relu_();
      out = this.bn2.forward(this.conv2.forward(out));
      return out.add_(this.downsample ? this.downsample.forward(x) : x).relu_();
    });
  }
}

function stage(inChannels: number, channels: number, blocks: number, stride: number): nn.Sequential {
  return new nn.Sequential(
    ...Array.from({ length: blocks }, (_, i) =>
      i === 0 ? new BasicBlock(inChannels, channels, stride) : new BasicBlock(channels, channels, 1),
    ),
  );
}

/**
 * The head that a contrastive loss sees the features through: Linear, ReLU, Linear, without batch norm (SupContrast's
 * "mlp"). It is left out after training: features are taken before it.
 */
export class ProjectionHead extends nn.Sequential {
  /**
   * @param dimensions D of the features; the hidden layer is as wide
   * @param projection dimensions of the output; 128 in SupContrast
   */
  constructor(dimensions: number, projection = 128) {
    super(new nn.Linear(dimensions, dimensions), new nn.ReLU(), new nn.Linear(dimensions, projection));
  }
}
