import { cat, full, nn, scope, type Tensor } from "@penumbra/torch";
import type { RawConfig } from "./model-config.ts";
import { findNetwork, loadWeights } from "./network-folder.ts";
import { PixelAttention } from "./pixel-attention.ts";
import { ownAttentionKey } from "./published-names.ts";
import { Downsample, Upsample } from "./resample.ts";
import { ResidualBlock } from "./residual-block.ts";
import { sinusoid, TimestepEmbedding } from "./timestep-embedding.ts";
import { parseUNet2DConfig, type UNet2DConfig, type UNet2DConfigInput } from "./unet-2d-config.ts";

function residual(
  config: UNet2DConfig,
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

function attention(config: UNet2DConfig, channels: number): PixelAttention {
  const { norm_num_groups: groups, norm_eps: eps, attention_head_dim: size } = config;
  return new PixelAttention({ channels, groups, eps, heads: size === null ? 1 : channels / size });
}

/** A level on the way down (DownBlock2D, AttnDownBlock2D, ResnetDownsampleBlock2D), then halving. */
class Down extends nn.Module<[Tensor, Tensor], Tensor[]> {
  readonly resnets: readonly ResidualBlock[];
  readonly attentions: readonly PixelAttention[];
  readonly downsamplers: readonly (Downsample | ResidualBlock)[];

  constructor(config: UNet2DConfig, timeChannels: number, level: number) {
    super();
    const { block_out_channels: sizes, layers_per_block: layers } = config;
    const channels = sizes[level]!;
    this.resnets = Array.from({ length: layers }, (_, i) =>
      residual(config, timeChannels, i === 0 ? (sizes[level - 1] ?? channels) : channels, channels),
    );
    const hasAttention = config.down_block_types[level] === "AttnDownBlock2D";
    this.attentions = hasAttention ? this.resnets.map(() => attention(config, channels)) : [];
    const halving = () =>
      config.down_block_types[level] === "ResnetDownsampleBlock2D"
        ? residual(config, timeChannels, channels, channels, "down")
        : new Downsample(channels, config.downsample_padding);
    this.downsamplers = level === sizes.length - 1 ? [] : [halving()];
  }

  /** @returns every intermediate image, for the way up; the last one is the block's output */
  forward(x: Tensor, time: Tensor): Tensor[] {
    return scope(() => {
      const images: Tensor[] = [];
      let h = x;
      this.resnets.forEach((resnet, i) => {
        h = resnet.forward(h, time);
        h = this.attentions[i]?.forward(h) ?? h;
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

/** Residual block, attention, residual block. */
class Mid extends nn.Module<[Tensor, Tensor]> {
  readonly resnets: readonly [ResidualBlock, ResidualBlock];
  readonly attentions: readonly PixelAttention[];

  constructor(config: UNet2DConfig, timeChannels: number) {
    super();
    const channels = config.block_out_channels.at(-1)!;
    const block = () => residual(config, timeChannels, channels, channels);
    this.resnets = [block(), block()];
    this.attentions = config.add_attention ? [attention(config, channels)] : [];
  }

  forward(x: Tensor, time: Tensor): Tensor {
    const first = this.resnets[0].forward(x, time);
    const attended = this.attentions.reduce((h, layer) => layer.forward(h), first);
    return this.resnets[1].forward(attended, time);
  }
}

/** A level on the way up (UpBlock2D, AttnUpBlock2D, ResnetUpsampleBlock2D): each residual block also gets what the way down left. */
class Up extends nn.Module<[Tensor, readonly Tensor[], Tensor, (readonly number[])?]> {
  readonly resnets: readonly ResidualBlock[];
  readonly attentions: readonly PixelAttention[];
  readonly upsamplers: readonly (Upsample | ResidualBlock)[];

  constructor(
    config: UNet2DConfig,
    timeChannels: number,
    options: {
      readonly inChannels: number;
      readonly channels: number;
      readonly skips: readonly number[];
      readonly type: UNet2DConfig["up_block_types"][number];
      readonly isLast: boolean;
    },
  ) {
    super();
    const { inChannels, channels, skips, type, isLast } = options;
    this.resnets = skips.map((skip, i) =>
      residual(config, timeChannels, (i === 0 ? inChannels : channels) + skip, channels),
    );
    this.attentions = type === "AttnUpBlock2D" ? skips.map(() => attention(config, channels)) : [];
    const doubling = () =>
      type === "ResnetUpsampleBlock2D"
        ? residual(config, timeChannels, channels, channels, "up")
        : new Upsample(channels);
    this.upsamplers = isLast ? [] : [doubling()];
  }

  forward(x: Tensor, skips: readonly Tensor[], time: Tensor, size?: readonly number[]): Tensor {
    return scope(() => {
      let h = x;
      this.resnets.forEach((resnet, i) => {
        h = resnet.forward(cat([h, skips[i]!], { dim: 1 }), time);
        h = this.attentions[i]?.forward(h) ?? h;
      });
      for (const upsample of this.upsamplers) {
        const isResidual = upsample instanceof ResidualBlock;
        h = isResidual ? upsample.forward(h, time, size) : upsample.forward(h, size);
      }
      return h;
    });
  }
}

/**
 * The denoiser of diffusion in pixels (Ho et al. 2020), diffusers' UNet2DModel with its parameter names; told a class
 * where the configuration has `num_class_embeds`.
 *
 * @example
 * const unet = new UNet2DModel({ block_out_channels: [32, 64], … });
 * const noise = unet.forward(images, 481);
 */
export class UNet2DModel extends nn.Module<[Tensor, number | Tensor, (Tensor | null)?]> {
  readonly convIn: nn.Conv2d;
  readonly timeEmbedding: TimestepEmbedding;
  readonly classEmbedding: nn.Embedding | null;
  readonly downBlocks: readonly Down[];
  readonly midBlock: Mid;
  readonly upBlocks: readonly Up[];
  readonly convNormOut: nn.GroupNorm;
  readonly convOut: nn.Conv2d;
  readonly config: UNet2DConfig;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(input: UNet2DConfigInput | RawConfig = {}, where?: string) {
    super();
    const config = parseUNet2DConfig(input, where);
    this.config = config;
    const { block_out_channels: sizes, layers_per_block: layers, num_class_embeds: classes } = config;
    const first = sizes[0]!;
    const last = sizes.at(-1)!;
    const timeChannels = config.time_embedding_dim ?? 4 * first;
    this.convIn = new nn.Conv2d(config.in_channels, first, 3, { padding: 1 });
    this.timeEmbedding = new TimestepEmbedding(first, timeChannels);
    this.classEmbedding = classes === null ? null : new nn.Embedding(classes, timeChannels);
    const skips = [first]; // channels of every image that the way down leaves
    this.downBlocks = sizes.map((channels, level) => {
      skips.push(...Array<number>(layers + (level === sizes.length - 1 ? 0 : 1)).fill(channels));
      return new Down(config, timeChannels, level);
    });
    this.midBlock = new Mid(config, timeChannels);
    this.upBlocks = [...sizes].reverse().map((channels, i, reversed) => {
      const used = skips.splice(-(layers + 1)).reverse();
      return new Up(config, timeChannels, {
        inChannels: reversed[i - 1] ?? last,
        channels,
        skips: used,
        type: config.up_block_types[i]!,
        isLast: i === sizes.length - 1,
      });
    });
    this.convNormOut = new nn.GroupNorm(config.norm_num_groups, first, { eps: config.norm_eps });
    this.convOut = new nn.Conv2d(first, config.out_channels, 3, { padding: 1 });
  }

  /**
   * Reads a folder with config.json and weights, as diffusers writes it.
   * @throws ModelError naming the file and what is wrong
   */
  static load(folder: string): UNet2DModel {
    const { config, configFile, weightsFile } = findNetwork(folder);
    const unet = new UNet2DModel(config, configFile);
    loadWeights(unet, weightsFile, ownAttentionKey);
    return unet;
  }

  /**
   * @param sample noisy images [B, in_channels, H, W]
   * @param timesteps one number for all, or a tensor [B]
   * @param labels int64 [B]; needed where it is told classes, and not looked at otherwise
   * @returns [B, out_channels, H, W]: noise, velocity or image, by what the model was trained to predict
   */
  forward(sample: Tensor, timesteps: number | Tensor, labels: Tensor | null = null): Tensor {
    return scope(() => {
      const batch = sample.shape[0]!;
      const steps =
        typeof timesteps === "number" ? full([batch], timesteps, { device: sample.device }) : timesteps;
      const { freq_shift: freqShift, flip_sin_to_cos: flipSinToCos } = this.config;
      const waves = sinusoid(steps, this.convIn.outChannels, { freqShift, flipSinToCos }).to(sample.dtype);
      let embedded = this.timeEmbedding.forward(waves);
      if (this.classEmbedding) {
        if (!labels) throw new TypeError("UNet2DModel: a model with num_class_embeds needs labels.");
        embedded = embedded.add(this.classEmbedding.forward(labels));
      }
      const time = embedded.silu(); // [B, T]
      let h = this.convIn.forward(sample);
      const skips = [h];
      for (const block of this.downBlocks) {
        skips.push(...block.forward(h, time));
        h = skips.at(-1)!;
      }
      h = this.midBlock.forward(h, time);
      for (const block of this.upBlocks) {
        const used = skips.splice(-block.resnets.length).reverse();
        h = block.forward(h, used, time, skips.at(-1)?.shape.slice(2));
      }
      return this.convOut.forward(this.convNormOut.forward(h).silu());
    });
  }
}
