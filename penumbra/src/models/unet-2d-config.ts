import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

const Schema = z.object({
  sample_size: z
    .union([count, z.array(count)])
    .nullable()
    .default(null),
  in_channels: count.default(3),
  out_channels: count.default(3),
  down_block_types: z
    .array(
      z.enum(["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"], {
        error: "only DownBlock2D, AttnDownBlock2D and ResnetDownsampleBlock2D are supported",
      }),
    )
    .nonempty()
    .default(["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
  up_block_types: z
    .array(
      z.enum(["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"], {
        error: "only UpBlock2D, AttnUpBlock2D and ResnetUpsampleBlock2D are supported",
      }),
    )
    .nonempty()
    .default(["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
  mid_block_type: only("UNetMidBlock2D"),
  block_out_channels: z.array(count).nonempty().default([224, 448, 672, 896]),
  layers_per_block: count.default(2),
  /** Channels of one head; null: one head. */
  attention_head_dim: count.nullable().default(8),
  norm_num_groups: count.default(32),
  norm_eps: z.number().positive().default(1e-5),
  attn_norm_num_groups: only(null),
  flip_sin_to_cos: z.boolean().default(true),
  freq_shift: z.number().default(0),
  time_embedding_dim: count.nullable().default(null),
  downsample_padding: z.int().nonnegative().default(1),
  dropout: z.number().min(0).max(1).default(0),
  add_attention: z.boolean().default(true),
  /** Classes that it is told; null: none. */
  num_class_embeds: count.nullable().default(null),
  act_fn: only("silu", "swish"),
  class_embed_type: only(null),
  center_input_sample: only(false),
  downsample_type: only("conv"),
  upsample_type: only("conv"),
  mid_block_scale_factor: only(1),
  num_train_timesteps: count.nullable().default(null),
  resnet_time_scale_shift: z
    .enum(["default", "scale_shift"], { error: 'only "default" and "scale_shift" are supported' })
    .default("default"),
  time_embedding_type: only("positional"),
});

/** The complete configuration of a {@link UNet2DModel}, by diffusers' names. */
export type UNet2DConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get diffusers' defaults. */
export type UNet2DConfigInput = z.input<typeof Schema>;

/** @throws ModelError naming the place and every field that is wrong or not supported */
export function parseUNet2DConfig(raw: RawConfig, where = "UNet2DModel"): UNet2DConfig {
  const config = parseConfig(Schema, raw, where, { known: Object.keys(Schema.shape) });
  const levels = config.block_out_channels.length;
  for (const field of ["down_block_types", "up_block_types"] as const) {
    if (config[field].length === levels) continue;
    throw new ModelError(
      `${where}: field "${field}" has ${config[field].length} entries, but "block_out_channels" has ${levels}. Give one a level.`,
    );
  }
  if (config.resnet_time_scale_shift === "scale_shift" && config.add_attention)
    throw new ModelError(
      `${where}: field "add_attention" is true beside "resnet_time_scale_shift" "scale_shift", which is not supported. Set "add_attention" to false or use another model.`,
    );
  for (const [level, channels] of config.block_out_channels.entries()) {
    for (const field of ["norm_num_groups", "attention_head_dim"] as const) {
      const divisor = config[field];
      if (field === "attention_head_dim" && !hasAttention(config, level)) continue;
      if (divisor === null || channels % divisor === 0) continue;
      throw new ModelError(
        `${where}: field "${field}" is ${divisor}, which does not divide ${channels} of "block_out_channels". Choose a divisor.`,
      );
    }
  }
  return config;
}

/** Whether anything at a level attends: on the way down or up, or between them at the last one. */
function hasAttention(config: UNet2DConfig, level: number): boolean {
  const last = config.block_out_channels.length - 1;
  if (level === last && config.add_attention) return true;
  const [down, up] = [config.down_block_types[level], config.up_block_types[last - level]];
  return down === "AttnDownBlock2D" || up === "AttnUpBlock2D";
}
