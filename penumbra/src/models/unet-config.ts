import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();
const perLevel = z.union([count, z.array(count).nonempty()]);

const Schema = z.object({
  sample_size: z
    .union([count, z.array(count)])
    .nullable()
    .default(null),
  in_channels: count.default(4),
  out_channels: count.default(4),
  down_block_types: z
    .array(
      z.enum(["CrossAttnDownBlock2D", "DownBlock2D"], {
        error: "only CrossAttnDownBlock2D and DownBlock2D are supported",
      }),
    )
    .nonempty()
    .default(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
  up_block_types: z
    .array(
      z.enum(["CrossAttnUpBlock2D", "UpBlock2D"], {
        error: "only CrossAttnUpBlock2D and UpBlock2D are supported",
      }),
    )
    .nonempty()
    .default(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
  mid_block_type: only("UNetMidBlock2DCrossAttn"),
  block_out_channels: z.array(count).nonempty().default([320, 640, 1280, 1280]),
  layers_per_block: perLevel.default(2),
  transformer_layers_per_block: perLevel.default(1),
  cross_attention_dim: perLevel.default(1280),
  attention_head_dim: perLevel.default(8),
  num_attention_heads: perLevel.nullable().default(null),
  norm_num_groups: count.default(32),
  norm_eps: z.number().positive().default(1e-5),
  flip_sin_to_cos: z.boolean().default(true),
  freq_shift: z.number().default(0),
  time_embedding_dim: count.nullable().default(null),
  use_linear_projection: z.boolean().default(false),
  downsample_padding: z.int().nonnegative().default(1),
  conv_in_kernel: count.default(3),
  conv_out_kernel: count.default(3),
  dropout: z.number().min(0).max(1).default(0),
  act_fn: only("silu", "swish"),
  // Scores are accumulated in float32 by every kernel of scaledDotProductAttention, whatever this says.
  upcast_attention: z.boolean().default(false),
  // Of these the published Stable Diffusion models use one value each.
  attention_type: only("default"),
  center_input_sample: only(false),
  class_embed_type: only(null),
  class_embeddings_concat: only(false),
  cross_attention_norm: only(null),
  dual_cross_attention: only(false),
  encoder_hid_dim: only(null),
  encoder_hid_dim_type: only(null),
  addition_embed_type: only(null),
  addition_embed_type_num_heads: z.number().optional(),
  addition_time_embed_dim: only(null),
  mid_block_only_cross_attention: only(null, false),
  mid_block_scale_factor: only(1),
  num_class_embeds: only(null),
  only_cross_attention: only(false),
  projection_class_embeddings_input_dim: only(null),
  resnet_out_scale_factor: only(1),
  resnet_skip_time_act: only(false),
  resnet_time_scale_shift: only("default"),
  reverse_transformer_layers_per_block: only(null),
  time_cond_proj_dim: only(null),
  time_embedding_act_fn: only(null),
  time_embedding_type: only("positional"),
  timestep_post_act: only(null),
});

/** The complete configuration of a {@link UNet2DConditionModel}, by diffusers' names. */
export type UNetConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get diffusers' defaults. */
export type UNetConfigInput = z.input<typeof Schema>;

/** One level of the UNet: everything that its blocks are built from. */
export interface UNetLevel {
  readonly channels: number;
  readonly hasAttention: boolean;
  readonly layers: number;
  readonly transformerLayers: number;
  readonly heads: number;
  readonly contextSize: number;
}

/** @throws ModelError naming the place and every field that is wrong or not supported */
export function parseUNetConfig(raw: RawConfig, where = "UNet2DConditionModel"): UNetConfig {
  const config = parseConfig(Schema, raw, where, { known: Object.keys(Schema.shape) });
  const levels = config.block_out_channels.length;
  const lists = [
    "down_block_types",
    "up_block_types",
    "layers_per_block",
    "transformer_layers_per_block",
    "cross_attention_dim",
    "attention_head_dim",
    "num_attention_heads",
  ] as const;
  for (const field of lists) {
    const value = config[field];
    if (Array.isArray(value) && value.length !== levels) {
      throw new ModelError(
        `${where}: field "${field}" has ${value.length} entries, but "block_out_channels" has ${levels}. Give one a level.`,
      );
    }
  }
  for (const { channels, heads } of unetLevels(config)) {
    for (const [field, divisor] of [
      ["norm_num_groups", config.norm_num_groups],
      ["attention_head_dim", heads],
    ] as const) {
      if (channels % divisor === 0) continue;
      const problem = `field "${field}" is ${divisor}, which does not divide ${channels} of "block_out_channels"`;
      throw new ModelError(`${where}: ${problem}. Choose a divisor.`);
    }
  }
  return config;
}

/**
 * The levels from the largest image to the smallest.
 *
 * diffusers' `attention_head_dim` is, in spite of its name, the NUMBER of heads where `num_attention_heads` is null:
 * the name was wrong when Stable Diffusion was published, and the published files keep it.
 */
export function unetLevels(config: UNetConfig): UNetLevel[] {
  const at = (value: number | readonly number[], level: number) =>
    typeof value === "number" ? value : (value[level] as number);
  return config.block_out_channels.map((channels, level) => ({
    channels,
    hasAttention: config.down_block_types[level] === "CrossAttnDownBlock2D",
    layers: at(config.layers_per_block, level),
    transformerLayers: at(config.transformer_layers_per_block, level),
    heads: at(config.num_attention_heads ?? config.attention_head_dim, level),
    contextSize: at(config.cross_attention_dim, level),
  }));
}
