import { cat, nn, scope, type Tensor } from "@penumbra/torch";
import { Downsample, Upsample } from "./resample.ts";
import { ResidualBlock } from "./residual-block.ts";
import { ImageTransformer } from "./transformer.ts";
import type { UNetConfig, UNetLevel } from "./unet-config.ts";

// Each block of diffusers with and without attention (CrossAttnDownBlock2D, DownBlock2D, …) is one class here:
// without it the list of attentions is empty.

/** What every block gets besides the image. */
export interface Conditioning {
  /** [B, T]: silu of the time embedding. */
  readonly time: Tensor;
  /** [B, L, contextSize] */
  readonly context: Tensor;
}

function residual(
  config: UNetConfig,
  timeChannels: number,
  inChannels: number,
  outChannels: number,
): ResidualBlock {
  const { norm_num_groups: groups, norm_eps: eps, dropout } = config;
  return new ResidualBlock({ inChannels, outChannels, groups, eps, timeChannels, dropout });
}

function transformer(config: UNetConfig, level: UNetLevel): ImageTransformer {
  return new ImageTransformer({
    channels: level.channels,
    heads: level.heads,
    layers: level.transformerLayers,
    contextSize: level.contextSize,
    groups: config.norm_num_groups,
    useLinearProjection: config.use_linear_projection,
  });
}

/** A level on the way down: residual blocks, each with its transformer where the level has attention, then halving. */
export class DownBlock extends nn.Module<[Tensor, Conditioning], Tensor[]> {
  readonly attentions: readonly ImageTransformer[];
  readonly resnets: readonly ResidualBlock[];
  readonly downsamplers: readonly Downsample[];

  constructor(
    config: UNetConfig,
    timeChannels: number,
    inChannels: number,
    level: UNetLevel,
    isLast: boolean,
  ) {
    super();
    const { channels, layers, hasAttention } = level;
    this.attentions = Array.from({ length: hasAttention ? layers : 0 }, () => transformer(config, level));
    this.resnets = Array.from({ length: layers }, (_, i) =>
      residual(config, timeChannels, i === 0 ? inChannels : channels, channels),
    );
    this.downsamplers = isLast ? [] : [new Downsample(channels, config.downsample_padding)];
  }

  /** @returns every intermediate image, for the way up; the last one is the block's output */
  forward(x: Tensor, { time, context }: Conditioning): Tensor[] {
    return scope(() => {
      const images: Tensor[] = [];
      let h = x;
      this.resnets.forEach((resnet, i) => {
        h = resnet.forward(h, time);
        h = this.attentions[i]?.forward(h, context) ?? h;
        images.push(h);
      });
      for (const downsample of this.downsamplers) images.push(downsample.forward(h));
      return images;
    });
  }
}

/** diffusers' UNetMidBlock2DCrossAttn: residual block, transformer, residual block. */
export class MidBlock extends nn.Module<[Tensor, Conditioning]> {
  readonly attentions: readonly [ImageTransformer];
  readonly resnets: readonly [ResidualBlock, ResidualBlock];

  constructor(config: UNetConfig, timeChannels: number, level: UNetLevel) {
    super();
    const { channels } = level;
    this.attentions = [transformer(config, level)];
    this.resnets = [
      residual(config, timeChannels, channels, channels),
      residual(config, timeChannels, channels, channels),
    ];
  }

  forward(x: Tensor, { time, context }: Conditioning): Tensor {
    const attended = this.attentions[0].forward(this.resnets[0].forward(x, time), context);
    return this.resnets[1].forward(attended, time);
  }
}

/** A level on the way up: each residual block also gets the image that the way down left; then doubling. */
export class UpBlock extends nn.Module<[Tensor, readonly Tensor[], Conditioning, (readonly number[])?]> {
  readonly attentions: readonly ImageTransformer[];
  readonly resnets: readonly ResidualBlock[];
  readonly upsamplers: readonly Upsample[];

  /**
   * @param inChannels of the block below
   * @param skipChannels of the images that the way down left, in the order in which they are used
   */
  constructor(
    config: UNetConfig,
    timeChannels: number,
    inChannels: number,
    skipChannels: readonly number[],
    level: UNetLevel,
    isLast: boolean,
  ) {
    super();
    const { channels, hasAttention } = level;
    this.attentions = hasAttention ? skipChannels.map(() => transformer(config, level)) : [];
    this.resnets = skipChannels.map((skip, i) =>
      residual(config, timeChannels, (i === 0 ? inChannels : channels) + skip, channels),
    );
    this.upsamplers = isLast ? [] : [new Upsample(channels)];
  }

  /**
   * @param skips one image for each residual block, in the order in which they are used
   * @param size [H, W] of the next level
   */
  forward(
    x: Tensor,
    skips: readonly Tensor[],
    { time, context }: Conditioning,
    size?: readonly number[],
  ): Tensor {
    return scope(() => {
      let h = x;
      this.resnets.forEach((resnet, i) => {
        h = resnet.forward(cat([h, skips[i] as Tensor], { dim: 1 }), time);
        h = this.attentions[i]?.forward(h, context) ?? h;
      });
      for (const upsample of this.upsamplers) h = upsample.forward(h, size);
      return h;
    });
  }
}
