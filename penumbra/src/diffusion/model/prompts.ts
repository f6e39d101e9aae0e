import { cat, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import { DiffusionError } from "./errors.ts";
import type { StableDiffusion } from "./stable-diffusion.ts";

/** A word of one's own, made by textual inversion. */
export interface WordVector {
  /** How it is written in prompts, for example "<bolt>". */
  readonly token: string;
  /** [D], or [n, D] where the word is n tokens long: places in the text encoder's embedding table. */
  readonly vector: Tensor;
}

/** Most vectors that a word can have. */
export const MOST_VECTORS = 8;

/** How many vectors a word has. */
export function vectorsOf({ vector }: Pick<WordVector, "vector">): number {
  return vector.ndim === 1 ? 1 : (vector.shape[0] as number);
}

/** The tokens that a word becomes, a vector each, by diffusers' naming: `<bolt>`, `<bolt>_1`, … */
export function wordTokens(token: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? token : `${token}_${i}`));
}

/** A prompt with every word of several vectors written out as its tokens. */
export function expandWords(prompt: string, words: readonly WordVector[]): string {
  return words.reduce((text, word) => {
    const tokens = wordTokens(word.token, vectorsOf(word)).join(" ");
    if (vectorsOf(word) === 1) return text;
    const spelling = word.token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    return text.replace(new RegExp(`${spelling}(?!_\\d)`, "giu"), () => tokens);
  }, prompt);
}

export interface EncodePromptsOptions {
  /** Words that the prompts may hold besides those of the vocabulary. */
  words?: readonly WordVector[];
}

/**
 * The context vectors of prompts, without gradients; each distinct prompt is encoded once.
 *
 * @returns [prompts.length, 77, D] on the model's device
 * @throws DiffusionError for a word whose vector does not fit the text encoder, or a word in angle brackets that is
 *   not among `words`: it would be spelt out letter by letter, and mean nothing
 * @example encodePrompts(sd, ["a photo of a <bolt>"], { words })
 */
export function encodePrompts(
  sd: StableDiffusion,
  prompts: readonly string[],
  { words = [] }: EncodePromptsOptions = {},
): Tensor {
  const { textEncoder, device } = sd;
  const { vocab_size: vocabSize, hidden_size: size } = textEncoder.config;
  for (const { token, vector } of words) {
    if (vector.shape.at(-1) === size && (vector.ndim === 1 || vector.ndim === 2)) continue;
    throw new DiffusionError(
      `The vector of the word "${token}" has the shape [${vector.shape}], but this text encoder needs [${size}] or [n, ${size}]. Learn the words with the model that they are used with.`,
    );
  }
  const tokenizer = sd.tokenizer.withTokens(
    words.flatMap((word) => wordTokens(word.token, vectorsOf(word))),
    vocabSize,
  );
  const distinct = [...new Set(prompts)];
  for (const prompt of distinct) checkKnown(prompt, words);
  const rows = new Map(distinct.map((prompt, row) => [prompt, row]));
  const texts = distinct.map((prompt) => expandWords(prompt, words));
  return noGrad(() =>
    scope(() => {
      const vectors =
        words.length > 0 ? cat(words.map(({ vector }) => vector.to(device).reshape([-1, size]))) : null; // [K, D]
      const context = textEncoder.forward(tokenizer.encodeBatch(texts).to(device), { words: vectors });
      if (distinct.length === prompts.length) return context;
      const order = prompts.map((prompt) => rows.get(prompt) as number);
      return context.indexSelect(0, tensor(order, { dtype: "int64", device }));
    }),
  );
}

function checkKnown(prompt: string, words: readonly WordVector[]): void {
  const known = new Set(words.map(({ token }) => token.toLowerCase()));
  const missing = prompt.match(/<[^<>|\s]+>/g)?.find((token) => !known.has(token.toLowerCase()));
  if (missing === undefined) return;
  const given = words.map(({ token }) => token).join(", ") || "none";
  throw new DiffusionError(
    `The prompt "${prompt}" holds the word ${missing}, of which no vector was given (given: ${given}). Pass it in "words", or learn it first.`,
  );
}
