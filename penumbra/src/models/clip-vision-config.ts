import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

const Schema = z.object({
  image_size: count.default(224),
  patch_size: count.default(32),
  num_channels: count.default(3),
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  num_hidden_layers: count.default(12),
  num_attention_heads: count.default(12),
  hidden_act: only("quick_gelu", "gelu"),
  layer_norm_eps: z.number().positive().default(1e-5),
  attention_dropout: only(0),
  projection_dim: count.default(512),
});

/** The complete configuration of a {@link CLIPVisionModelWithProjection}, by transformers' names. */
export type ClipVisionConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get transformers' defaults. */
export type ClipVisionConfigInput = z.input<typeof Schema>;

/**
 * As with the text encoder, fields of other uses of a model are neither checked nor used.
 * @throws ModelError naming the place and every field that is wrong or not supported
 */
export function parseClipVisionConfig(
  raw: RawConfig,
  where = "CLIPVisionModelWithProjection",
): ClipVisionConfig {
  const config = parseConfig(Schema, raw, where, { strict: false });
  for (const [field, divisor, of] of [
    ["num_attention_heads", config.num_attention_heads, "hidden_size"],
    ["patch_size", config.patch_size, "image_size"],
  ] as const) {
    if (config[of] % divisor === 0) continue;
    throw new ModelError(
      `${where}: field "${field}" is ${divisor}, which does not divide "${of}" ${config[of]}. Choose a divisor.`,
    );
  }
  return config;
}
