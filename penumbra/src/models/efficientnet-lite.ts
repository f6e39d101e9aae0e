import { nn, scope, type Tensor } from "@penumbra/torch";
import { ImageEncoder, type Layer } from "./image-encoder.ts";

/** One stage: blocks of the same kind, of which the first has the stride and changes the channels. */
export interface EfficientNetStage {
  readonly blocks: number;
  readonly kernel: number;
  readonly stride: number;
  /** Inner channels for each that comes in; 1 = no expansion, a depthwise separable block. */
  readonly expansion: number;
  readonly channels: number;
}

export interface EfficientNetDesign {
  readonly stemChannels: number;
  readonly stages: readonly EfficientNetStage[];
  /** Channels of the last convolution: D. */
  readonly headChannels: number;
}

/** EfficientNet-Lite0 (B0 of Tan and Le 2019, table 1, without squeeze-and-excite, with relu6). */
const LITE0: EfficientNetDesign = {
  stemChannels: 32,
  stages: [
    { blocks: 1, kernel: 3, stride: 1, expansion: 1, channels: 16 },
    { blocks: 2, kernel: 3, stride: 2, expansion: 6, channels: 24 },
    { blocks: 2, kernel: 5, stride: 2, expansion: 6, channels: 40 },
    { blocks: 3, kernel: 3, stride: 2, expansion: 6, channels: 80 },
    { blocks: 3, kernel: 5, stride: 1, expansion: 6, channels: 112 },
    { blocks: 4, kernel: 5, stride: 2, expansion: 6, channels: 192 },
    { blocks: 1, kernel: 3, stride: 1, expansion: 6, channels: 320 },
  ],
  headChannels: 1280,
};

/** As TensorFlow's weights were trained. */
const NORM = { eps: 1e-3 } as const;

export interface EfficientNetLiteOptions {
  /** Default: Lite0. */
  readonly design?: EfficientNetDesign;
  /** Adds the linear layer `classifier` to this many classes. Default: none, `forward` gives features. */
  readonly classes?: number;
}

/**
 * EfficientNet-Lite, with the parameter names of timm's `tf_efficientnet_lite0`: small, and made for the edge.
 *
 * Convolutions pad as TensorFlow's "same" does, one pixel more at the end where the sum is odd. They start from
 * N(0, 2 / fan out), as in timm; make the network under `torch.manualSeed`.
 */
export class EfficientNetLite extends ImageEncoder {
  readonly dimensions: number;
  readonly stageDimensions: readonly number[];
  readonly convStem: SameConv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly blocks: readonly nn.Sequential[];
  readonly convHead: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly classifier: nn.Linear | null;

  constructor({ design = LITE0, classes }: EfficientNetLiteOptions = {}) {
    super();
    const { stemChannels, stages, headChannels } = design;
    this.dimensions = headChannels;
    this.stageDimensions = [...stages.map(({ channels }) => channels), headChannels];
    this.convStem = new SameConv2d(3, stemChannels, 3, { stride: 2 });
    this.bn1 = new nn.BatchNorm2d(stemChannels, NORM);
    let inChannels = stemChannels;
    this.blocks = stages.map((stage) => {
      const blocks = makeStage(inChannels, stage);
      inChannels = stage.channels;
      return blocks;
    });
    this.convHead = new nn.Conv2d(inChannels, headChannels, 1, { bias: false });
    this.bn2 = new nn.BatchNorm2d(headChannels, NORM);
    this.classifier = classes === undefined ? null : new nn.Linear(headChannels, classes);
    for (const module of this.modules()) {
      if (module instanceof nn.Conv2d) drawKernel(module);
    }
  }

  /**
   * The features before the classifier: means over the positions of the last convolution.
   * @param images [B, 3, H, W], normalised
   * @returns [B, D], D = 1,280
   */
  features(images: Tensor): Tensor {
    return this.#head(this.blocks.reduce((x, stage) => this.#runStage(stage, x), this.#stem(images)));
  }

  /**
   * Means over the positions of each of the seven stages and of the last convolution.
   * @param images [B, 3, H, W], normalised
   * @returns eight of [B, D_s]; the last are the features
   */
  stages(images: Tensor): Tensor[] {
    let x = this.#stem(images);
    const pooled = this.blocks.map((stage) => {
      x = this.#runStage(stage, x);
      return x.mean([2, 3]);
    });
    return [...pooled, this.#head(x)];
  }

  layers(): readonly Layer[] {
    const blocks = this.blocks.flatMap((stage) => [...stage].map((block) => [block]));
    const { convStem, bn1, convHead, bn2, classifier } = this;
    return [[convStem, bn1], ...blocks, [convHead, bn2, ...(classifier ? [classifier] : [])]];
  }

  /** Class logits [B, classes] where the network has a classifier, else the features [B, D]. */
  override forward(images: Tensor): Tensor {
    const features = this.features(images);
    return this.classifier ? this.classifier.forward(features) : features;
  }

  #stem(images: Tensor): Tensor {
    return scope(() => this.bn1.forward(this.convStem.forward(images)).relu6());
  }

  #runStage(stage: nn.Sequential, x: Tensor): Tensor {
    return [...stage].reduce((input, block) => this.run(block, input), x);
  }

  #head(x: Tensor): Tensor {
    return scope(() => this.bn2.forward(this.convHead.forward(x)).relu6().mean([2, 3]));
  }
}

function makeStage(inChannels: number, { blocks, stride, ...stage }: EfficientNetStage): nn.Sequential {
  const make = (own: number, ownStride: number) =>
    stage.expansion === 1
      ? new DepthwiseSeparable(own, { ...stage, stride: ownStride })
      : new InvertedResidual(own, { ...stage, stride: ownStride });
  return new nn.Sequential(
    ...Array.from({ length: blocks }, (_, i) =>
      i === 0 ? make(inChannels, stride) : make(stage.channels, 1),
    ),
  );
}

type BlockOptions = Omit<EfficientNetStage, "blocks">;

/** A depthwise and a 1x1 convolution, added to the input where sizes stay (timm's DepthwiseSeparableConv). */
export class DepthwiseSeparable extends nn.Module {
  readonly convDw: SameConv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly convPw: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  /** Whether the input is added. */
  readonly keepsSize: boolean;

  constructor(inChannels: number, { kernel, stride, channels }: BlockOptions) {
    super();
    this.convDw = new SameConv2d(inChannels, inChannels, kernel, { stride, groups: inChannels });
    this.bn1 = new nn.BatchNorm2d(inChannels, NORM);
    this.convPw = new nn.Conv2d(inChannels, channels, 1, { bias: false });
    this.bn2 = new nn.BatchNorm2d(channels, NORM);
    this.keepsSize = stride === 1 && inChannels === channels;
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      const inner = this.bn1.forward(this.convDw.forward(x)).relu6();
      const out = this.bn2.forward(this.convPw.forward(inner));
      return this.keepsSize ? out.add(x) : out;
    });
  }
}

/** Expansion, depthwise convolution and projection, added to the input where sizes stay (Sandler et al. 2018). */
export class InvertedResidual extends nn.Module {
  readonly convPw: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly convDw: SameConv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly convPwl: nn.Conv2d;
  readonly bn3: nn.BatchNorm2d;
  /** Whether the input is added. */
  readonly keepsSize: boolean;

  constructor(inChannels: number, { kernel, stride, expansion, channels }: BlockOptions) {
    super();
    const inner = expansion * inChannels;
    this.convPw = new nn.Conv2d(inChannels, inner, 1, { bias: false });
    this.bn1 = new nn.BatchNorm2d(inner, NORM);
    this.convDw = new SameConv2d(inner, inner, kernel, { stride, groups: inner });
    this.bn2 = new nn.BatchNorm2d(inner, NORM);
    this.convPwl = new nn.Conv2d(inner, channels, 1, { bias: false });
    this.bn3 = new nn.BatchNorm2d(channels, NORM);
    this.keepsSize = stride === 1 && inChannels === channels;
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      let out = this.bn1.forward(this.convPw.forward(x)).relu6();
      out = this.bn2.forward(this.convDw.forward(out)).relu6();
      out = this.bn3.forward(this.convPwl.forward(out));
      return this.keepsSize ? out.add(x) : out;
    });
  }
}

/** A convolution without bias whose output has ceil(size / stride) positions, as TensorFlow's padding "same" has it. */
export class SameConv2d extends nn.Conv2d {
  readonly #kernel: number;
  readonly #stride: number;

  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number,
    { stride, groups = 1 }: { readonly stride: number; readonly groups?: number },
  ) {
    // At stride 1 it is the same zeros at both ends.
    super(inChannels, outChannels, kernel, {
      ...{ stride, groups, bias: false },
      padding: stride === 1 ? (kernel - 1) / 2 : 0,
    });
    this.#kernel = kernel;
    this.#stride = stride;
  }

  override forward(x: Tensor): Tensor {
    if (this.#stride === 1) return super.forward(x);
    const [top, bottom] = this.paddingOf(x.shape[2] as number);
    const [left, right] = this.paddingOf(x.shape[3] as number);
    return super.forward(x.constantPadNd([left, right, top, bottom]));
  }

  /** Zeros before and after an axis of so many positions, where the stride is above 1. */
  paddingOf(size: number): [before: number, after: number] {
    const missing = (Math.ceil(size / this.#stride) - 1) * this.#stride + this.#kernel - size;
    const total = Math.max(0, missing);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  }
}

/** N(0, 2 / fan out), fan out = kernel positions x channels out / groups. */
function drawKernel({ weight, outChannels, inChannels }: nn.Conv2d): void {
  const [, perGroup, height, width] = weight.shape as [number, number, number, number];
  const groups = inChannels / perGroup;
  nn.init.normal_(weight, 0, Math.sqrt((2 * groups) / (height * width * outChannels)));
}
