import { noGrad, scope, stack, type Tensor, tensor } from "@penumbra/torch";
import { DiffusionError } from "./errors.ts";
import type { StableDiffusion } from "./stable-diffusion.ts";

/** A word of one's own, made by textual inversion. */
export interface WordVector {
  /** How it is written in prompts, for example "<bolt>". */
  readonly token: string;
  /** [D]: its place in the text encoder's embedding table. */
  readonly vector: Tensor;
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
    if (vector.ndim === 1 && vector.shape[0] === size) continue;
    throw new DiffusionError(
      `The vector of the word "${token}" has the shape [${vector.shape}], but this text encoder needs [${size}]. Learn the words with the model that they are used with.`,
    );
  }
  const tokenizer = sd.tokenizer.withTokens(
    words.map(({ token }) => token),
    vocabSize,
  );
  const distinct = [...new Set(prompts)];
  for (const prompt of distinct) checkKnown(prompt, words);
  const rows = new Map(distinct.map((prompt, row) => [prompt, row]));
  return noGrad(() =>
    scope(() => {
      const vectors = words.length > 0 ? stack(words.map(({ vector }) => vector.to(device))) : null; // [K, D]
      const context = textEncoder.forward(tokenizer.encodeBatch(distinct).to(device), { words: vectors });
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
