/** transformers before 5.0 writes CLIP's text encoder as a part of a larger model. */
const TEXT_PREFIX = "text_model.";

/** The key of {@link CLIPTextModel} for a published one; null for what is no weight. */
export function ownTextKey(published: string): string | null {
  const key = published.startsWith(TEXT_PREFIX) ? published.slice(TEXT_PREFIX.length) : published;
  // Old versions saved the numbers 0 … 76 as a buffer.
  return key === "embeddings.position_ids" ? null : key;
}

/** The key that every version of transformers reads. */
export function publishedTextKey(own: string): string {
  return TEXT_PREFIX + own;
}

const OLD_ATTENTION: Readonly<Record<string, string>> = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0",
};

/** The key of {@link AutoencoderKL} or {@link UNet2DModel} for a published one: early ones have diffusers' old names of attention. */
export function ownAttentionKey(published: string): string {
  return published.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)\./,
    (_, path: string, name: string) => `${path}${OLD_ATTENTION[name]}.`,
  );
}
