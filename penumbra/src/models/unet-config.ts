import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

/** What a block of a level holds besides residual blocks. */
interface BlockKind {
  /** A transformer over positions and context; attention to both at once (unCLIP); or none. */
  readonly attention: "transformer" | "added" | null;
  /** What halves or doubles the image: a convolution, or a residual block. */
  readonly resample: "convolution" | "residual";
}

const DOWN_BLOCKS = {
  CrossAttnDownBlock2D: { attention: "transformer", resample: "convolution" },
  DownBlock2D: { attention: null, resample: "convolution" },
  SimpleCrossAttnDownBlock2D: { attention: "added", resample: "residual" },
  ResnetDownsampleBlock2D: { attention: null, resample: "residual" },
} as const satisfies Readonly<Record<string, BlockKind>>;

const UP_BLOCKS = {
  CrossAttnUpBlock2D: { attention: "transformer", resample: "convolution" },
  UpBlock2D: { attention: null, resample: "convolution" },
  SimpleCrossAttnUpBlock2D: { attention: "added", resample: "residual" },
  ResnetUpsampleBlock2D: { attention: null, resample: "residual" },
} as const satisfies Readonly<Record<string, BlockKind>>;

const MID_BLOCKS = {
  UNetMidBlock2DCrossAttn: "transformer",
  UNetMidBlock2DSimpleCrossAttn: "added",
} as const satisfies Readonly<Record<string, BlockKind["attention"]>>;

/** The names of a table as choices. */
function among<Name extends string>(table: Readonly<Record<Name, unknown>>) {
  const names = Object.keys(table) as [Name, ...Name[]];
  return z.enum(names, { error: `only ${names.join(", ")} are supported` });
}
const perLevel = z.union([count, z.array(count).nonempty()]);

const Schema = z.object({
  sample_size: z
    .union([count, z.array(count)])
    .nullable()
    .default(null),
  in_channels: count.default(4),
  out_channels: count.default(4),
  down_block_types: z
    .array(among(DOWN_BLOCKS))
    .nonempty()
    .default(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
  up_block_types: z
    .array(among(UP_BLOCKS))
    .nonempty()
    .default(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
  mid_block_type: among(MID_BLOCKS).default("UNetMidBlock2DCrossAttn"),
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
  // "identity" takes vectors of the time embedding's size, "projection" takes others through two linear layers.
  class_embed_type: z
    .enum(["identity", "projection"], { error: 'only null, "identity" and "projection" are supported' })
    .nullable()
    .default(null),
  projection_class_embeddings_input_dim: count.nullable().default(null),
  resnet_time_scale_shift: z
    .enum(["default", "scale_shift"], { error: 'only "default" and "scale_shift" are supported' })
    .default("default"),
  // Of these the published Stable Diffusion and unCLIP models use one value each.
  attention_type: only("default"),
  center_input_sample: only(false),
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
  resnet_out_scale_factor: only(1),
  resnet_skip_time_act: only(false),
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
  readonly attention: BlockKind["attention"];
  readonly resample: BlockKind["resample"];
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
  checkAddedAttention(config, where);
  for (const { channels, heads } of unetLevels(config)) {
    for (const [field, divisor] of [
      ["norm_num_groups", config.norm_num_groups],
      ["attention_head_dim", Number.isInteger(heads) ? heads : channels / heads],
    ] as const) {
      if (channels % divisor === 0) continue;
      const problem = `field "${field}" is ${divisor}, which does not divide ${channels} of "block_out_channels"`;
      throw new ModelError(`${where}: ${problem}. Choose a divisor.`);
    }
  }
  return config;
}

/** @throws ModelError for what diffusers reads otherwise than it looks, and for an input size that is not told */
function checkAddedAttention(config: UNetConfig, where: string): void {
  const isAdded = config.mid_block_type === "UNetMidBlock2DSimpleCrossAttn";
  if (isAdded && typeof config.attention_head_dim !== "number")
    throw new ModelError(
      `${where}: field "attention_head_dim" is a list, which blocks with "Simple" in their names take in the wrong order on the way up. Give one number.`,
    );
  const kinds = [...config.down_block_types.map(downKind), ...config.up_block_types.map(upKind)];
  if (kinds.some(({ attention }) => attention === (isAdded ? "transformer" : "added")))
    throw new ModelError(
      `${where}: field "mid_block_type" is "${config.mid_block_type}", but a level has attention of the other kind. Only one kind in all blocks is supported.`,
    );
  const needsSize = config.class_embed_type === "projection";
  if (needsSize !== (config.projection_class_embeddings_input_dim !== null))
    throw new ModelError(
      `${where}: fields "class_embed_type" and "projection_class_embeddings_input_dim" do not fit: "projection" needs the size of what it projects, and nothing else has one. Correct one of them.`,
    );
}

const downKind = (name: keyof typeof DOWN_BLOCKS): BlockKind => DOWN_BLOCKS[name];
const upKind = (name: keyof typeof UP_BLOCKS): BlockKind => UP_BLOCKS[name];

/** The level of the block that is n-th on the way up. */
export function levelUp(config: UNetConfig, level: UNetLevel, n: number): UNetLevel {
  return { ...level, ...upKind(config.up_block_types[n]!) };
}

/** The level of the block in the middle. */
export function levelMid(config: UNetConfig, level: UNetLevel): UNetLevel {
  return { ...level, attention: MID_BLOCKS[config.mid_block_type] };
}

/**
 * The levels from the largest image to the smallest, as on the way down.
 *
 * diffusers' `attention_head_dim` is, in spite of its name, the NUMBER of heads where `num_attention_heads` is null:
 * the name was wrong when Stable Diffusion was published, and the published files keep it. In blocks with "Simple" in
 * their names (unCLIP) it is the size of a head.
 */
export function unetLevels(config: UNetConfig): UNetLevel[] {
  const at = (value: number | readonly number[], level: number) =>
    typeof value === "number" ? value : (value[level] as number);
  const isAdded = config.mid_block_type === "UNetMidBlock2DSimpleCrossAttn";
  return config.block_out_channels.map((channels, level) => ({
    channels,
    ...downKind(config.down_block_types[level]!),
    layers: at(config.layers_per_block, level),
    transformerLayers: at(config.transformer_layers_per_block, level),
    heads: isAdded
      ? channels / at(config.attention_head_dim, level)
      : at(config.num_attention_heads ?? config.attention_head_dim, level),
    contextSize: at(config.cross_attention_dim, level),
  }));
}
