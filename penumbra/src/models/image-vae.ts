import { cat, nn, scope, type Tensor } from "@penumbra/torch";
import type { Posterior } from "./autoencoder-kl.ts";
import { ClassEmbedding } from "./class-embedding.ts";

export interface ImageVaeConfig {
  /** Edge of the images in pixels. */
  readonly imageSize: number;
  readonly classes: number;
  readonly latentSize: number;
  /** Channels at the largest size; they double with every halving, up to eight times as many. A multiple of 8. */
  readonly width: number;
}

/** An autoencoder with one vector of latents an image: what `VaeTrainee` trains, of images or of anything else. */
export interface LatentAutoencoder extends nn.AnyModule {
  readonly latentSize: number;
  /** @param x [B, ...] @param labels int64 [B], or float [B, classes]: shares @returns each [B, latentSize] */
  encode(x: Tensor, labels: Tensor): Posterior;
  /** @param z [B, latentSize] @returns [B, ...] */
  decode(z: Tensor, labels: Tensor): Tensor;
}

const GROUPS = 8;

/** Sizes and channels from the image to the smallest map: halved while it is even and above 4. */
export function pyramidOf(imageSize: number, width: number): { size: number; channels: number }[] {
  const levels = [{ size: imageSize, channels: width }];
  for (let size = imageSize; size > 4 && size % 2 === 0; ) {
    size /= 2;
    levels.push({ size, channels: Math.min(8 * width, levels.at(-1)!.channels * 2) });
  }
  return levels;
}

/** Convolution, group norm, SiLU; strides of 2 halve. */
class Encode extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly norm: nn.GroupNorm;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.conv = new nn.Conv2d(inChannels, outChannels, 3, { stride, padding: 1 });
    this.norm = new nn.GroupNorm(GROUPS, outChannels);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.norm.forward(this.conv.forward(x)).silu());
  }
}

/** Doubled by repetition, then convolution, group norm, SiLU. */
class Decode extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly norm: nn.GroupNorm;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.conv = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.norm = new nn.GroupNorm(GROUPS, outChannels);
  }

  forward(x: Tensor): Tensor {
    const [height, width] = x.shape.slice(2) as [number, number];
    return scope(() =>
      this.norm.forward(this.conv.forward(x.upsampleNearest2d([2 * height, 2 * width]))).silu(),
    );
  }
}

/**
 * A convolutional variational autoencoder with one latent vector an image (Kingma and Welling 2014), told the class
 * on both sides (Sohn et al. 2015): a learned vector of the class joins the features and the latents.
 */
export class ImageVae extends nn.Module<[Tensor, Tensor]> implements LatentAutoencoder {
  readonly encoder: readonly Encode[];
  readonly moments: nn.Linear;
  readonly classEmbedding: ClassEmbedding;
  readonly decoderIn: nn.Linear;
  readonly decoder: readonly Decode[];
  readonly convOut: nn.Conv2d;
  readonly config: ImageVaeConfig;
  readonly #smallest: { readonly size: number; readonly channels: number };

  constructor(config: ImageVaeConfig) {
    super();
    const { imageSize, classes, latentSize, width } = config;
    this.config = config;
    const levels = pyramidOf(imageSize, width);
    const smallest = levels.at(-1)!;
    this.#smallest = smallest;
    const features = smallest.channels * smallest.size ** 2;
    this.encoder = levels.map(({ channels }, i) =>
      i === 0 ? new Encode(3, channels, 1) : new Encode(levels[i - 1]!.channels, channels, 2),
    );
    this.classEmbedding = new ClassEmbedding(classes, latentSize);
    this.moments = new nn.Linear(features + latentSize, 2 * latentSize);
    this.decoderIn = new nn.Linear(2 * latentSize, features);
    const upwards = [...levels].reverse();
    this.decoder = upwards.slice(1).map(({ channels }, i) => new Decode(upwards[i]!.channels, channels));
    this.convOut = new nn.Conv2d(width, 3, 3, { padding: 1 });
  }

  get latentSize(): number {
    return this.config.latentSize;
  }

  /** @param images [B, 3, S, S] in -1..1 */
  encode(images: Tensor, labels: Tensor): Posterior {
    return scope(() => {
      const features = this.encoder.reduce((h, level) => level.forward(h), images).flatten({ startDim: 1 });
      const joined = cat([features, this.classEmbedding.forward(labels)], { dim: 1 });
      const [mean, logvar] = this.moments.forward(joined).chunk(2, { dim: 1 }) as [Tensor, Tensor];
      return { mean, logvar: logvar.clamp({ min: -30, max: 20 }) };
    });
  }

  /** @returns [B, 3, S, S]: the mean of the pixels' distribution in -1..1, or logits, by the likelihood */
  decode(z: Tensor, labels: Tensor): Tensor {
    const { size, channels } = this.#smallest;
    return scope(() => {
      const joined = cat([z, this.classEmbedding.forward(labels)], { dim: 1 });
      const first = this.decoderIn.forward(joined).silu().view([-1, channels, size, size]);
      return this.convOut.forward(this.decoder.reduce((h, level) => level.forward(h), first));
    });
  }

  /** The round trip through the means. */
  forward(images: Tensor, labels: Tensor): Tensor {
    return scope(() => this.decode(this.encode(images, labels).mean, labels));
  }
}
