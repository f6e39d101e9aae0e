import { z } from "zod";
import { ModelError } from "./errors.ts";
import { only, parseConfig, type RawConfig } from "./model-config.ts";

const count = z.int().positive();

const Schema = z.object({
  num_attention_heads: count.default(32),
  attention_head_dim: count.default(64),
  num_layers: count.default(20),
  embedding_dim: count.default(768),
  num_embeddings: count.default(77),
  additional_embeddings: only(4),
  dropout: only(0),
  // Of these the published unCLIP and Kandinsky priors use one value each.
  added_emb_type: only("prd"),
  encoder_hid_proj_type: only("linear"),
  time_embed_act_fn: only("silu"),
  clip_embed_dim: only(null),
  embedding_proj_dim: only(null),
  embedding_proj_norm_type: only(null),
  norm_in_type: only(null),
  time_embed_dim: only(null),
});

/** The complete configuration of a {@link PriorTransformer}, by diffusers' names. */
export type PriorTransformerConfig = z.output<typeof Schema>;
/** What must be given: nothing; missing fields get diffusers' defaults. */
export type PriorTransformerConfigInput = z.input<typeof Schema>;

/** @throws ModelError naming the place and every field that is wrong or not supported */
export function parsePriorConfig(raw: RawConfig, where = "PriorTransformer"): PriorTransformerConfig {
  for (const field of ["added_emb_type", "encoder_hid_proj_type"]) {
    // Elsewhere a null may be a converter's; here it takes a part of the network away.
    if (raw[field] === null)
      throw new ModelError(
        `${where}: field "${field}" is null: a prior without that part is not supported. Use an unCLIP or Kandinsky prior.`,
      );
  }
  return parseConfig(Schema, raw, where, { known: Object.keys(Schema.shape) });
}
