import { checkpoint, full, isGradEnabled, nn, scope, type Tensor } from "@penumbra/torch";
import type { RawConfig } from "./model-config.ts";
import { sinusoid, TimestepEmbedding } from "./timestep-embedding.ts";
import { DownBlock, MidBlock, UpBlock } from "./unet-blocks.ts";
import {
  levelMid,
  levelUp,
  parseUNetConfig,
  type UNetConfig,
  type UNetConfigInput,
  type UNetLevel,
  unetLevels,
} from "./unet-config.ts";

/** What a denoiser may be told besides the context. */
export interface UNetConditions {
  /**
   * Vectors that are added to the timestep's embedding, for a model with `class_embed_type`: [B, T] where that is
   * "identity", [B, projection_class_embeddings_input_dim] where it is "projection".
   */
  readonly classLabels?: Tensor | null;
  /** [B, L], 1 where the context has a token and 0 where not; only for attention that sees image and context at once. */
  readonly contextMask?: Tensor | null;
}

/** What is added to the score of a token that may not be looked at, as in diffusers. */
const HIDDEN = -10_000;

/**
 * The denoiser of Stable Diffusion 1.x and 2.x (Rombach et al. 2022) and of unCLIP (Ramesh et al. 2022), diffusers'
 * UNet2DConditionModel with its parameter names.
 *
 * @example
 * const unet = new UNet2DConditionModel({ block_out_channels: [128, 192], … });
 * const noise = unet.forward(latents, 481, context);
 */
export class UNet2DConditionModel extends nn.Module<[Tensor, number | Tensor, Tensor, UNetConditions?]> {
  readonly convIn: nn.Conv2d;
  readonly timeEmbedding: TimestepEmbedding;
  readonly classEmbedding: TimestepEmbedding | null;
  readonly downBlocks: readonly DownBlock[];
  readonly upBlocks: readonly UpBlock[];
  readonly midBlock: MidBlock;
  readonly convNormOut: nn.GroupNorm;
  readonly convOut: nn.Conv2d;
  readonly config: UNetConfig;
  /** Whether blocks compute their intermediate results again in backward: less memory, a third more time. */
  recomputes = false;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(input: UNetConfigInput | RawConfig = {}, where?: string) {
    super();
    const config = parseUNetConfig(input, where);
    this.config = config;
    const levels = unetLevels(config);
    const first = levels[0] as UNetLevel;
    const last = levels.at(-1) as UNetLevel;
    const timeChannels = config.time_embedding_dim ?? 4 * first.channels;

    const skips = [first.channels]; // channels of every image that the way down leaves
    this.convIn = new nn.Conv2d(config.in_channels, first.channels, config.conv_in_kernel, {
      padding: (config.conv_in_kernel - 1) / 2,
    });
    this.timeEmbedding = new TimestepEmbedding(first.channels, timeChannels);
    const { projection_class_embeddings_input_dim: labelSize } = config;
    this.classEmbedding = labelSize === null ? null : new TimestepEmbedding(labelSize, timeChannels);
    this.downBlocks = levels.map((level, i) => {
      const isLast = i === levels.length - 1;
      skips.push(...Array<number>(level.layers + (isLast ? 0 : 1)).fill(level.channels));
      return new DownBlock(config, timeChannels, levels[i - 1]?.channels ?? first.channels, level, isLast);
    });
    this.midBlock = new MidBlock(config, timeChannels, levelMid(config, last));
    this.upBlocks = [...levels].reverse().map((level, i, reversed) => {
      const isLast = i === levels.length - 1;
      const used = skips.splice(-(level.layers + 1)).reverse();
      const below = (reversed[i - 1] ?? last).channels;
      return new UpBlock(config, timeChannels, below, used, levelUp(config, level, i), isLast);
    });
    this.convNormOut = new nn.GroupNorm(config.norm_num_groups, first.channels, { eps: config.norm_eps });
    this.convOut = new nn.Conv2d(first.channels, config.out_channels, config.conv_out_kernel, {
      padding: (config.conv_out_kernel - 1) / 2,
    });
  }

  /**
   * @param sample noisy latents [B, in_channels, h, w]
   * @param timesteps one number for all, or a tensor [B]
   * @param context [B, L, cross_attention_dim]
   * @returns [B, out_channels, h, w]: noise, velocity or image, by what the model was trained to predict
   * @throws TypeError where a model with `class_embed_type` gets no class labels
   */
  forward(
    sample: Tensor,
    timesteps: number | Tensor,
    context: Tensor,
    { classLabels = null, contextMask = null }: UNetConditions = {},
  ): Tensor {
    return scope(() => {
      const batch = sample.shape[0] as number;
      const steps =
        typeof timesteps === "number" ? full([batch], timesteps, { device: sample.device }) : timesteps;
      const { freq_shift: freqShift, flip_sin_to_cos: flipSinToCos } = this.config;
      const waves = sinusoid(steps, this.convIn.outChannels, { freqShift, flipSinToCos }).to(sample.dtype);
      const time = this.#labelled(this.timeEmbedding.forward(waves), classLabels).silu(); // [B, T]
      const bias = contextMask?.to("float32").neg().add(1).mul(HIDDEN);

      let h = this.convIn.forward(sample);
      const skips = [h];
      for (const block of this.downBlocks) {
        skips.push(
          ...this.#run(
            (x, time, context) => block.forward(x!, { time: time!, context: context!, bias }),
            h,
            time,
            context,
          ),
        );
        h = skips.at(-1) as Tensor;
      }
      h = this.#run(
        (x, time, context) => this.midBlock.forward(x!, { time: time!, context: context!, bias }),
        ...[h, time, context],
      );
      for (const block of this.upBlocks) {
        const used = skips.splice(-block.resnets.length).reverse();
        const size = skips.at(-1)?.shape.slice(2);
        h = this.#run(
          (x, time, context, ...used) =>
            block.forward(x!, used, { time: time!, context: context!, bias }, size),
          ...[h, time, context, ...used],
        );
      }
      return this.convOut.forward(this.convNormOut.forward(h).silu());
    });
  }

  /** Adds to the timestep's embedding what is told of the image. */
  #labelled(time: Tensor, labels: Tensor | null): Tensor {
    if (this.config.class_embed_type === null) return time;
    if (!labels)
      throw new TypeError("UNet2DConditionModel: a model with class_embed_type needs classLabels.");
    return time.add(this.classEmbedding ? this.classEmbedding.forward(labels) : labels);
  }

  /** Runs a block, with gradient checkpointing (Chen et al. 2016) where {@link recomputes} says so. */
  #run<Output extends Tensor | Tensor[]>(
    block: (...inputs: readonly Tensor[]) => Output,
    ...inputs: readonly Tensor[]
  ): Output {
    if (!this.recomputes || !isGradEnabled()) return block(...inputs);
    return checkpoint(block, ...inputs) as Output;
  }
}
