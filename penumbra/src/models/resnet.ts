import { nn, scope, type Tensor } from "@penumbra/torch";
import { requireChannels } from "./channels.ts";
import { ImageEncoder, type Layer } from "./image-encoder.ts";
import { RESIDUAL_BLOCKS } from "./resnet-blocks.ts";

type FourStages<T> = readonly [T, T, T, T];

/** What the depth says: kind of block, and how many blocks each of the four stages has (He et al. 2016, table 1). */
const DEPTHS = {
  10: { block: "basic", blocks: [1, 1, 1, 1] },
  18: { block: "basic", blocks: [2, 2, 2, 2] },
  34: { block: "basic", blocks: [3, 4, 6, 3] },
  50: { block: "bottleneck", blocks: [3, 4, 6, 3] },
  101: { block: "bottleneck", blocks: [3, 4, 23, 3] },
} as const satisfies Readonly<Record<number, Pick<ResNetDesign, "block" | "blocks">>>;

/** A residual network in all its sizes. */
export interface ResNetDesign {
  readonly block: keyof typeof RESIDUAL_BLOCKS;
  /** Blocks of each stage. */
  readonly blocks: FourStages<number>;
  /** Channels after the first convolution. */
  readonly stemChannels: number;
  /** Channels of each stage's convolutions; a bottleneck's output has 4 times as many. */
  readonly channels: FourStages<number>;
}

export interface ResNetOptions {
  /** 10 = one basic block a stage; 18, 34, 50 and 101 as torchvision and timm have them. Default 18. */
  readonly depth?: keyof typeof DEPTHS;
  /**
   * "imagenet": 7x7 convolution of stride 2 and a max-pool, 1/4 of the side, as torchvision; "cifar": 3x3 convolution
   * of stride 1 and no pool, as SupContrast, for images up to some 96 pixels. Default "imagenet".
   */
  readonly stem?: "cifar" | "imagenet";
  /** Channels of the first stage, a multiple of 8; the last has 8 times as many. Default 64, as published. */
  readonly width?: number;
  /** Other sizes than `depth` and `width` say. What is trained needs multiples of 8 for all channels. */
  readonly design?: ResNetDesign;
  /** Adds the linear layer `fc` to this many classes. Default: none, `forward` gives features. */
  readonly classes?: number;
}

/**
 * Residual network (He et al. 2016), with torchvision's and timm's parameter names.
 *
 * Convolutions start from N(0, 2 / fan out), batch norms from weight 1 and bias 0, as in torchvision; make the network
 * under `torch.manualSeed`.
 *
 * @example
 * const encoder = new ResNet({ depth: 10, stem: "cifar", width: 32 });
 * const features = encoder.features(images); // [B, 3, 64, 64] -> [B, 256]
 */
export class ResNet extends ImageEncoder {
  readonly dimensions: number;
  readonly stageDimensions: readonly number[];
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear | null;
  /** Whether the stem ends with a max-pool. */
  readonly pools: boolean;

  /** @throws ModelError for a width that the kernels do not bear */
  constructor({
    depth = 18,
    stem = "imagenet",
    width = 64,
    design = designOf(depth, width),
    classes,
  }: ResNetOptions = {}) {
    super();
    const { block, blocks, stemChannels, channels } = design;
    const isCifar = stem === "cifar";
    this.pools = !isCifar;
    this.conv1 = isCifar
      ? new nn.Conv2d(3, stemChannels, 3, { padding: 1, bias: false })
      : new nn.Conv2d(3, stemChannels, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(stemChannels);
    const { expansion, make } = RESIDUAL_BLOCKS[block];
    const [first, second, third, fourth] = channels.map((own) => expansion * own) as [
      number,
      number,
      number,
      number,
    ];
    const stage = (inChannels: number, own: number, count: number, stride: number) =>
      new nn.Sequential(
        ...Array.from({ length: count }, (_, i) =>
          i === 0 ? make(inChannels, own, stride) : make(expansion * own, own, 1),
        ),
      );
    this.layer1 = stage(stemChannels, channels[0], blocks[0], 1);
    this.layer2 = stage(first, channels[1], blocks[1], 2);
    this.layer3 = stage(second, channels[2], blocks[2], 2);
    this.layer4 = stage(third, channels[3], blocks[3], 2);
    this.stageDimensions = [first, second, third, fourth];
    this.dimensions = fourth;
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
    for (const stage of this.stageBlocks) x = this.#runStage(stage, x);
    return pooled(x);
  }

  /**
   * Means over the positions of each of the four stages.
   * @param images [B, 3, H, W], normalised
   * @returns four of [B, D_s]; the last are the features
   */
  stages(images: Tensor): Tensor[] {
    let x = this.#stem(images);
    return this.stageBlocks.map((stage) => {
      x = this.#runStage(stage, x);
      return pooled(x);
    });
  }

  layers(): readonly Layer[] {
    const blocks = this.stageBlocks.flatMap((stage) => [...stage].map((block) => [block]));
    return [[this.conv1, this.bn1], ...blocks, this.fc ? [this.fc] : []];
  }

  /** Class logits [B, classes] where the network has `fc`, else the features [B, D]. */
  override forward(images: Tensor): Tensor {
    const features = this.features(images);
    return this.fc ? this.fc.forward(features) : features;
  }

  /** The stages' blocks; each stage but the first halves the sides. */
  get stageBlocks(): readonly nn.Sequential[] {
    return [this.layer1, this.layer2, this.layer3, this.layer4];
  }

  #runStage(stage: nn.Sequential, x: Tensor): Tensor {
    return [...stage].reduce((input, block) => this.run(block, input), x);
  }

  #stem(images: Tensor): Tensor {
    // Scopes leave what backward needs to the graph alone, which frees it layer by layer.
    return scope(() => {
      const stem = this.bn1.forward(this.conv1.forward(images)).relu_();
      return this.pools ? stem.maxPool2d(3, { stride: 2, padding: 1 }) : stem;
    });
  }
}

/** The published sizes at another width. */
function designOf(depth: keyof typeof DEPTHS, width: number): ResNetDesign {
  requireChannels(width, "A ResNet's width");
  return { ...DEPTHS[depth], stemChannels: width, channels: [width, 2 * width, 4 * width, 8 * width] };
}

/** [B, C, h, w] -> [B, C]. */
function pooled(x: Tensor): Tensor {
  return x.mean([2, 3]);
}
