import { cat, nn, scope, type Tensor } from "@penumbra/torch";
import { AddedAttention } from "./added-attention.ts";
import { Downsample, Upsample } from "./resample.ts";
import { ResidualBlock } from "./residual-block.ts";
import { ImageTransformer } from "./transformer.ts";
import type { UNetConfig, UNetLevel } from "./unet-config.ts";

// The blocks of diffusers (CrossAttnDownBlock2D, DownBlock2D, SimpleCrossAttnDownBlock2D, …) are one class here: the
// level says which attention they have, without one the list is empty, and what halves or doubles the image.

/** What every block gets besides the image. */
export interface Conditioning {
  /** [B, T]: silu of the time embedding. */
  readonly time: Tensor;
  /** [B, L, contextSize] */
  readonly context: Tensor;
  /** [B, L]: added to the scores of the context's tokens; for attention that is "added". Default: nothing. */
  readonly bias?: Tensor | null;
}

type BlockAttention = ImageTransformer | AddedAttention;

function attend(attention: BlockAttention, x: Tensor, { context, bias }: Conditioning): Tensor {
  return attention instanceof AddedAttention
    ? attention.forward(x, context, bias)
    : attention.forward(x, context);
}

function residual(
  config: UNetConfig,
  timeChannels: number,
  inChannels: number,
  outChannels: number,
  resample: "down" | "up" | null = null,
): ResidualBlock {
  const { norm_num_groups: groups, norm_eps: eps, dropout } = config;
  const timeScalesAndShifts = config.resnet_time_scale_shift === "scale_shift";
  return new ResidualBlock({
    ...{ inChannels, outChannels, groups, eps, timeChannels, dropout },
    ...{ timeScalesAndShifts, resample },
  });
}

/** So many layers of the attention that a level has. */
function attentionsOf(config: UNetConfig, level: UNetLevel, count: number): BlockAttention[] {
  const { channels, heads, contextSize } = level;
  const { norm_num_groups: groups, use_linear_projection: useLinearProjection } = config;
  switch (level.attention) {
    case null:
      return [];
    case "added":
      return Array.from(
        { length: count },
        () => new AddedAttention({ channels, heads, contextSize, groups }),
      );
    case "transformer":
      return Array.from(
        { length: count },
        () =>
          new ImageTransformer({
            ...{ channels, heads, contextSize, groups, useLinearProjection },
            layers: level.transformerLayers,
          }),
      );
  }
}

/** A level on the way down: residual blocks, each with its transformer where the level has attention, then halving. */
export class DownBlock extends nn.Module<[Tensor, Conditioning], Tensor[]> {
  readonly attentions: readonly BlockAttention[];
  readonly resnets: readonly ResidualBlock[];
  readonly downsamplers: readonly (Downsample | ResidualBlock)[];

  constructor(
    config: UNetConfig,
    timeChannels: number,
    inChannels: number,
    level: UNetLevel,
    isLast: boolean,
  ) {
    super();
    const { channels, layers, resample } = level;
    this.attentions = attentionsOf(config, level, layers);
    this.resnets = Array.from({ length: layers }, (_, i) =>
      residual(config, timeChannels, i === 0 ? inChannels : channels, channels),
    );
    const halving = () =>
      resample === "residual"
        ? residual(config, timeChannels, channels, channels, "down")
        : new Downsample(channels, config.downsample_padding);
    this.downsamplers = isLast ? [] : [halving()];
  }

  /** @returns every intermediate image, for the way up; the last one is the block's output */
  forward(x: Tensor, conditioning: Conditioning): Tensor[] {
    return scope(() => {
      const { time } = conditioning;
      const images: Tensor[] = [];
      let h = x;
      this.resnets.forEach((resnet, i) => {
        const attention = this.attentions[i];
        h = resnet.forward(h, time);
        if (attention) h = attend(attention, h, conditioning);
        images.push(h);
      });
      for (const downsample of this.downsamplers) {
        const isResidual = downsample instanceof ResidualBlock;
        images.push(isResidual ? downsample.forward(h, time) : downsample.forward(h));
      }
      return images;
    });
  }
}

/** diffusers' UNetMidBlock2DCrossAttn and UNetMidBlock2DSimpleCrossAttn: residual block, attention, residual block. */
export class MidBlock extends nn.Module<[Tensor, Conditioning]> {
  readonly attentions: readonly BlockAttention[];
  readonly resnets: readonly [ResidualBlock, ResidualBlock];

  constructor(config: UNetConfig, timeChannels: number, level: UNetLevel) {
    super();
    const { channels } = level;
    this.attentions = attentionsOf(config, level, 1);
    this.resnets = [
      residual(config, timeChannels, channels, channels),
      residual(config, timeChannels, channels, channels),
    ];
  }

  forward(x: Tensor, conditioning: Conditioning): Tensor {
    const first = this.resnets[0].forward(x, conditioning.time);
    const attended = this.attentions.reduce((h, attention) => attend(attention, h, conditioning), first);
    return this.resnets[1].forward(attended, conditioning.time);
  }
}

/** A level on the way up: each residual block also gets the image that the way down left; then doubling. */
export class UpBlock extends nn.Module<[Tensor, readonly Tensor[], Conditioning, (readonly number[])?]> {
  readonly attentions: readonly BlockAttention[];
  readonly resnets: readonly ResidualBlock[];
  readonly upsamplers: readonly (Upsample | ResidualBlock)[];

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
    const { channels, resample } = level;
    this.attentions = attentionsOf(config, level, skipChannels.length);
    this.resnets = skipChannels.map((skip, i) =>
      residual(config, timeChannels, (i === 0 ? inChannels : channels) + skip, channels),
    );
    const doubling = () =>
      resample === "residual"
        ? residual(config, timeChannels, channels, channels, "up")
        : new Upsample(channels);
    this.upsamplers = isLast ? [] : [doubling()];
  }

  /**
   * @param skips one image for each residual block, in the order in which they are used
   * @param size [H, W] of the next level
   */
  forward(x: Tensor, skips: readonly Tensor[], conditioning: Conditioning, size?: readonly number[]): Tensor {
    return scope(() => {
      const { time } = conditioning;
      let h = x;
      this.resnets.forEach((resnet, i) => {
        const attention = this.attentions[i];
        h = resnet.forward(cat([h, skips[i] as Tensor], { dim: 1 }), time);
        if (attention) h = attend(attention, h, conditioning);
      });
      for (const upsample of this.upsamplers) {
        const isResidual = upsample instanceof ResidualBlock;
        h = isResidual ? upsample.forward(h, time, size) : upsample.forward(h, size);
      }
      return h;
    });
  }
}
