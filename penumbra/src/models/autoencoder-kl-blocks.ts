import { nn, scope, type Tensor } from "@penumbra/torch";
import type { AutoencoderKLConfig } from "./autoencoder-kl-config.ts";
import { PixelAttention } from "./pixel-attention.ts";
import { Downsample, Upsample } from "./resample.ts";
import { ResidualBlock } from "./residual-block.ts";
import { through } from "./through.ts";

// The autoencoder's norms have a fixed epsilon in diffusers, whatever the configuration says.
const EPS = 1e-6;

class MidBlock extends nn.Module {
  readonly attentions: readonly PixelAttention[];
  readonly resnets: readonly [ResidualBlock, ResidualBlock];

  constructor(channels: number, config: AutoencoderKLConfig) {
    super();
    const groups = config.norm_num_groups;
    const block = () => new ResidualBlock({ inChannels: channels, outChannels: channels, groups, eps: EPS });
    this.attentions = config.mid_block_add_attention
      ? [new PixelAttention({ channels, groups, eps: EPS })]
      : [];
    this.resnets = [block(), block()];
  }

  forward(x: Tensor): Tensor {
    return through(x, [this.resnets[0], ...this.attentions, this.resnets[1]]);
  }
}

/** One level: residual blocks, and unless it is the last a change of size. */
class Level extends nn.Module {
  readonly resnets: readonly ResidualBlock[];
  readonly downsamplers: readonly Downsample[];
  readonly upsamplers: readonly Upsample[];

  constructor(
    inChannels: number,
    outChannels: number,
    blocks: number,
    groups: number,
    resample: "down" | "up" | "none",
  ) {
    super();
    this.resnets = Array.from(
      { length: blocks },
      (_, i) =>
        new ResidualBlock({ inChannels: i === 0 ? inChannels : outChannels, outChannels, groups, eps: EPS }),
    );
    this.downsamplers = resample === "down" ? [new Downsample(outChannels, 0)] : [];
    this.upsamplers = resample === "up" ? [new Upsample(outChannels)] : [];
  }

  forward(x: Tensor): Tensor {
    return through(x, [...this.resnets, ...this.downsamplers, ...this.upsamplers]);
  }
}

/** [B, in, H, W] -> [B, 2 latent, H / factor, W / factor]: mean and log-variance, before the quant convolution. */
export class Encoder extends nn.Module {
  readonly convIn: nn.Conv2d;
  readonly downBlocks: readonly Level[];
  readonly midBlock: MidBlock;
  readonly convNormOut: nn.GroupNorm;
  readonly convOut: nn.Conv2d;

  constructor(config: AutoencoderKLConfig) {
    super();
    const { block_out_channels: channels, norm_num_groups: groups } = config;
    const last = channels.length - 1;
    this.convIn = new nn.Conv2d(config.in_channels, channels[0] as number, 3, { padding: 1 });
    this.downBlocks = channels.map(
      (out, i) =>
        new Level(channels[i - 1] ?? out, out, config.layers_per_block, groups, i < last ? "down" : "none"),
    );
    const innermost = channels[last] as number;
    this.midBlock = new MidBlock(innermost, config);
    this.convNormOut = new nn.GroupNorm(groups, innermost, { eps: EPS });
    this.convOut = new nn.Conv2d(innermost, 2 * config.latent_channels, 3, { padding: 1 });
  }

  forward(images: Tensor): Tensor {
    return scope(() => {
      const h = through(images, [this.convIn, ...this.downBlocks, this.midBlock, this.convNormOut]);
      return this.convOut.forward(h.silu());
    });
  }
}

/** [B, latent, h, w] -> [B, out, factor h, factor w]. */
export class Decoder extends nn.Module {
  readonly convIn: nn.Conv2d;
  readonly midBlock: MidBlock;
  readonly upBlocks: readonly Level[];
  readonly convNormOut: nn.GroupNorm;
  readonly convOut: nn.Conv2d;

  constructor(config: AutoencoderKLConfig) {
    super();
    const { norm_num_groups: groups } = config;
    const channels = [...config.block_out_channels].reverse();
    const last = channels.length - 1;
    const innermost = channels[0] as number;
    const outermost = channels[last] as number;
    this.convIn = new nn.Conv2d(config.latent_channels, innermost, 3, { padding: 1 });
    this.midBlock = new MidBlock(innermost, config);
    this.upBlocks = channels.map(
      (out, i) =>
        new Level(channels[i - 1] ?? out, out, config.layers_per_block + 1, groups, i < last ? "up" : "none"),
    );
    this.convNormOut = new nn.GroupNorm(groups, outermost, { eps: EPS });
    this.convOut = new nn.Conv2d(outermost, config.out_channels, 3, { padding: 1 });
  }

  forward(latents: Tensor): Tensor {
    return scope(() => {
      const h = through(latents, [this.convIn, this.midBlock, ...this.upBlocks, this.convNormOut]);
      return this.convOut.forward(h.silu());
    });
  }
}
