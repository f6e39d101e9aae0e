import { createHash, type Hash } from "node:crypto";
import { scope, type Tensor } from "@penumbra/torch";
import { canonicalJson, type Json } from "../../files/index.ts";
import type { RawConfig } from "../../models/index.ts";

/** One network: its configuration and its weights by their own keys. */
export interface HashedPart {
  readonly name: string;
  readonly config: RawConfig;
  readonly weights: () => Readonly<Record<string, Tensor>>;
}

/**
 * SHA-256, in hex, of everything that decides about a model's results: configurations, weights (names, dtypes,
 * shapes, elements) and the tokenizer. The order of keys and the layout of the files do not matter.
 */
export function hashModel(parts: readonly HashedPart[], texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) feed(hash, text);
  for (const { name, config, weights } of parts) {
    feed(hash, name);
    feed(hash, canonicalJson(config as Json)); // as read from JSON
    scope(() => {
      for (const [key, tensor] of Object.entries(weights()).sort(([a], [b]) => (a < b ? -1 : 1))) {
        feed(hash, `${key} ${tensor.dtype} [${tensor.shape}]`);
        scope(() => {
          const plain = tensor.detach().to("cpu").contiguous();
          if (plain.numel > 0) hash.update(plain.toTyped());
        });
      }
    });
  }
  return hash.digest("hex");
}

/** The length goes first, so that two texts are never taken for another two. */
function feed(hash: Hash, text: string): void {
  const bytes = Buffer.from(text, "utf8");
  hash.update(`${bytes.length}:`).update(bytes);
}
