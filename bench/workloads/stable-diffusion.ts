import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { nn } from "@penumbra/torch";
import { ClipTokenizer, StableDiffusion } from "../../penumbra/src/diffusion/index.ts";

/** The diffusion measures' model: penumbra-mini, or the folder in the diffusers layout that the variable names. */
export const MODEL = resolve(
  process.env.PENUMBRA_BENCH_MODEL ?? join(import.meta.dirname, "../../penumbra/mini"),
);

/** Why the diffusion measures cannot run; undefined where they can. */
export function withoutModel(): string | undefined {
  const isThere = existsSync(join(MODEL, "unet", "config.json"));
  return isThere
    ? undefined
    : `there is no diffusion model in ${MODEL}; PENUMBRA_BENCH_MODEL names another folder`;
}

/** The same weights as the peer's, in float32. */
export const loadModel = (): StableDiffusion => StableDiffusion.load(MODEL);

/** Prompts as the peer takes them, [B][77]. */
export function idsOf(prompts: readonly string[], words: readonly string[] = []): number[][] {
  const tokenizer = ClipTokenizer.load(join(MODEL, "tokenizer")).withTokens(words);
  return prompts.map((prompt) => tokenizer.encode(prompt));
}

/** The number of parameters of all parts. */
export function parametersOf({ textEncoder, unet, vae }: StableDiffusion): number {
  const parts: nn.AnyModule[] = [textEncoder, unet, vae];
  return parts.flatMap((part) => part.parameters()).reduce((sum, { numel }) => sum + numel, 0);
}
