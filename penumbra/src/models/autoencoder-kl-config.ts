import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

const Schema = z.object({
  in_channels: count.default(3),
  out_channels: count.default(3),
  latent_channels: count.default(4),
  block_out_channels: z.array(count).nonempty().default([64]),
  down_block_types: z.array(only("DownEncoderBlock2D")).nonempty().optional(),
  up_block_types: z.array(only("UpDecoderBlock2D")).nonempty().optional(),
  layers_per_block: count.default(1),
  norm_num_groups: count.default(32),
  act_fn: only("silu", "swish"),
  sample_size: z
    .union([count, z.array(count)])
    .nullable()
    .default(32),
  scaling_factor: z.number().default(0.18215),
  shift_factor: z.number().nullable().default(null),
  latents_mean: only(null),
  latents_std: only(null),
  // Half precision overflows in the published weights; the pipelines here run the autoencoder in float32 anyway.
  force_upcast: z.boolean().default(true),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
});

/** The complete configuration of an {@link AutoencoderKL}, by diffusers' names. */
export type AutoencoderKLConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get diffusers' defaults. */
export type AutoencoderKLConfigInput = z.input<typeof Schema>;

/** @throws ModelError naming the place and every field that is wrong or not supported */
export function parseAutoencoderKLConfig(raw: RawConfig, where = "AutoencoderKL"): AutoencoderKLConfig {
  const config = parseConfig(Schema, raw, where, { known: Object.keys(Schema.shape) });
  const levels = config.block_out_channels.length;
  for (const field of ["down_block_types", "up_block_types"] as const) {
    const given = config[field]?.length ?? levels;
    if (given !== levels) {
      throw new ModelError(
        `${where}: field "${field}" has ${given} entries, but "block_out_channels" has ${levels}. Give one block type a level.`,
      );
    }
  }
  // Written out, because diffusers takes a missing list for one level.
  const types = { down_block_types: "DownEncoderBlock2D", up_block_types: "UpDecoderBlock2D" } as const;
  return {
    ...config,
    down_block_types: config.block_out_channels.map(() => types.down_block_types),
    up_block_types: config.block_out_channels.map(() => types.up_block_types),
  };
}
