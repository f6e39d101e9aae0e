import { cat, nn, scope, type Tensor } from "@penumbra/torch";
import { ClassEmbedding } from "./class-embedding.ts";
import { pyramidOf } from "./image-vae.ts";

/** How the two networks are built: plain convolutions as in DCGAN, or residual blocks. */
export const GAN_ARCHITECTURES = ["dcgan", "residual"] as const;

export interface ImageGanConfig {
  readonly architecture: (typeof GAN_ARCHITECTURES)[number];
  /** Edge of the images in pixels. */
  readonly imageSize: number;
  readonly classes: number;
  readonly latentSize: number;
  /** Channels at the largest size; they double with every halving, up to eight times as many. A multiple of 8. */
  readonly width: number;
}

/** What draws in an adversarial training, of images or of anything else. */
export interface AdversarialGenerator extends nn.AnyModule {
  readonly latentSize: number;
  /** @param z [B, latentSize] @param labels int64 [B], or float [B, classes]: shares @returns [B, ...] */
  forward(z: Tensor, labels: Tensor): Tensor;
}

/** What tells real from drawn. */
export interface Discriminator extends nn.AnyModule {
  /** @param x [B, ...] @returns logits [B]: above 0 for real */
  forward(x: Tensor, labels: Tensor): Tensor;
}

const GROUPS = 8;
const LEAKY = { negativeSlope: 0.2 };

const doubled = (x: Tensor) => {
  const [height, width] = x.shape.slice(2) as [number, number];
  return x.upsampleNearest2d([2 * height, 2 * width]);
};

/** Doubles by a transposed convolution; norm, ReLU (Radford et al. 2016). */
class PlainUp extends nn.Module {
  readonly conv: nn.ConvTranspose2d;
  readonly norm: nn.GroupNorm;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.conv = new nn.ConvTranspose2d(inChannels, outChannels, 4, { stride: 2, padding: 1 });
    this.norm = new nn.GroupNorm(GROUPS, outChannels);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.norm.forward(this.conv.forward(x)).relu());
  }
}

/** Doubles by repetition around two convolutions, added to a 1x1 one (Gulrajani et al. 2017, appendix F). */
class ResidualUp extends nn.Module {
  readonly norm1: nn.GroupNorm;
  readonly conv1: nn.Conv2d;
  readonly norm2: nn.GroupNorm;
  readonly conv2: nn.Conv2d;
  readonly shortcut: nn.Conv2d;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.norm1 = new nn.GroupNorm(GROUPS, inChannels);
    this.conv1 = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.norm2 = new nn.GroupNorm(GROUPS, outChannels);
    this.conv2 = new nn.Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.shortcut = new nn.Conv2d(inChannels, outChannels, 1);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const h = this.conv1.forward(doubled(this.norm1.forward(x).relu()));
      return this.conv2.forward(this.norm2.forward(h).relu()).add(doubled(this.shortcut.forward(x)));
    });
  }
}

/** Halves by a convolution; leaky ReLU. */
class PlainDown extends nn.Module {
  readonly conv: nn.Conv2d;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.conv = new nn.Conv2d(inChannels, outChannels, 4, { stride: 2, padding: 1 });
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.conv.forward(x).leakyRelu(LEAKY));
  }
}

/** Two convolutions and a mean over 2 x 2, added to a 1x1 convolution of the mean. */
class ResidualDown extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly conv2: nn.Conv2d;
  readonly shortcut: nn.Conv2d;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.conv2 = new nn.Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.shortcut = new nn.Conv2d(inChannels, outChannels, 1);
  }

  forward(x: Tensor): Tensor {
    const halved = (image: Tensor) => image.avgPool2d([2, 2], { stride: [2, 2] });
    return scope(() => {
      const h = this.conv2.forward(this.conv1.forward(x.leakyRelu(LEAKY)).leakyRelu(LEAKY));
      return halved(h).add(this.shortcut.forward(halved(x)));
    });
  }
}

/**
 * Images from latents and classes: the size of DCGAN's generator, or residual. The norms are over groups instead of
 * batches, so that what an image looks like does not depend on its neighbours.
 */
export class GanGenerator extends nn.Module<[Tensor, Tensor]> implements AdversarialGenerator {
  readonly classEmbedding: ClassEmbedding;
  readonly linearIn: nn.Linear;
  readonly normIn: nn.GroupNorm;
  readonly blocks: readonly (PlainUp | ResidualUp)[];
  readonly normOut: nn.GroupNorm;
  readonly convOut: nn.Conv2d;
  readonly config: ImageGanConfig;
  readonly #smallest: { readonly size: number; readonly channels: number };

  constructor(config: ImageGanConfig) {
    super();
    this.config = config;
    const { architecture, imageSize, classes, latentSize, width } = config;
    const levels = pyramidOf(imageSize, width).reverse();
    this.#smallest = levels[0]!;
    const { size, channels } = this.#smallest;
    const Block = architecture === "dcgan" ? PlainUp : ResidualUp;
    this.classEmbedding = new ClassEmbedding(classes, latentSize);
    this.linearIn = new nn.Linear(2 * latentSize, channels * size ** 2);
    this.normIn = new nn.GroupNorm(GROUPS, channels);
    this.blocks = levels.slice(1).map((level, i) => new Block(levels[i]!.channels, level.channels));
    this.normOut = new nn.GroupNorm(GROUPS, width);
    this.convOut = new nn.Conv2d(width, 3, 3, { padding: 1 });
  }

  get latentSize(): number {
    return this.config.latentSize;
  }

  /** @returns [B, 3, S, S] in -1..1 */
  forward(z: Tensor, labels: Tensor): Tensor {
    const { size, channels } = this.#smallest;
    return scope(() => {
      const joined = cat([z, this.classEmbedding.forward(labels)], { dim: 1 });
      const first = this.normIn
        .forward(this.linearIn.forward(joined).view([-1, channels, size, size]))
        .relu();
      const h = this.blocks.reduce((x, block) => block.forward(x), first);
      return this.convOut.forward(this.normOut.forward(h).relu()).tanh();
    });
  }
}

/**
 * Logits of images being real, given their class: a linear layer on the pooled features plus their product with the
 * class's vector (Miyato and Koyama 2018, "cGANs with projection discriminator", eq. 5). No norms: penalties of the
 * gradient are of single images.
 */
export class GanDiscriminator extends nn.Module<[Tensor, Tensor]> implements Discriminator {
  readonly convIn: nn.Conv2d;
  readonly blocks: readonly (PlainDown | ResidualDown)[];
  readonly linearOut: nn.Linear;
  readonly classEmbedding: ClassEmbedding;

  constructor({ architecture, imageSize, classes, width }: ImageGanConfig) {
    super();
    const levels = pyramidOf(imageSize, width);
    const { channels } = levels.at(-1)!;
    const Block = architecture === "dcgan" ? PlainDown : ResidualDown;
    this.convIn = new nn.Conv2d(3, width, 3, { padding: 1 });
    this.blocks = levels.slice(1).map((level, i) => new Block(levels[i]!.channels, level.channels));
    this.linearOut = new nn.Linear(channels, 1);
    this.classEmbedding = new ClassEmbedding(classes, channels);
  }

  forward(x: Tensor, labels: Tensor): Tensor {
    return scope(() => {
      const first = this.convIn.forward(x).leakyRelu(LEAKY);
      const h = this.blocks.reduce((image, block) => block.forward(image), first);
      const pooled = h.leakyRelu(LEAKY).mean([2, 3]); // [B, C]
      const own = this.linearOut.forward(pooled).squeeze(1);
      const embedded = this.classEmbedding.forward(labels);
      return own.add(embedded.mul(pooled).mean([1]));
    });
  }
}
