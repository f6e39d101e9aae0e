import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

const Schema = z.object({
  vocab_size: count.default(49_408),
  hidden_size: count.default(512),
  intermediate_size: count.default(2048),
  num_hidden_layers: count.default(12),
  num_attention_heads: count.default(8),
  max_position_embeddings: count.default(77),
  hidden_act: only("quick_gelu", "gelu"),
  layer_norm_eps: z.number().positive().default(1e-5),
  attention_dropout: only(0),
  // Not used here, but kept for other readers of the file.
  bos_token_id: z.int().nullable().default(49_406),
  eos_token_id: z.int().nullable().default(49_407),
  pad_token_id: z.int().nullable().default(1),
  projection_dim: count.default(512),
});

/** The complete configuration of a {@link CLIPTextModel}, by transformers' names. */
export type ClipTextConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get transformers' defaults. */
export type ClipTextConfigInput = z.input<typeof Schema>;

/**
 * transformers writes dozens of fields that concern other uses of a model (generation, pooling, initialisation);
 * those are kept in the file, but neither checked nor used.
 *
 * @throws ModelError naming the place and every field that is wrong or not supported
 */
export function parseClipTextConfig(raw: RawConfig, where = "CLIPTextModel"): ClipTextConfig {
  const config = parseConfig(Schema, raw, where, { strict: false });
  const { hidden_size: size, num_attention_heads: heads } = config;
  if (size % heads !== 0) {
    throw new ModelError(
      `${where}: field "num_attention_heads" is ${heads}, which does not divide "hidden_size" ${size}. Choose a divisor.`,
    );
  }
  return config;
}
