import { createHash } from "node:crypto";
import { cat, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import { DiffusionError, type StableDiffusion } from "../model/index.ts";
import { wordToken } from "./words.ts";

/** The photos of one class. */
export interface ClassPhotos {
  readonly name: string;
  /** uint8 [n, 3, H, W]; squashed to the model's size where they differ from it. */
  readonly images: Tensor;
}

/** Tells photos apart by their pixels. */
export function pixelHash(images: Tensor): string {
  const bytes = scope(() => images.to("cpu").contiguous().toTyped() as Uint8Array);
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * How each class's word is written.
 * @throws DiffusionError where there are no classes, one has no photos, or two would share a word
 */
export function checkClasses(classes: readonly ClassPhotos[]): string[] {
  if (classes.length === 0)
    throw new DiffusionError("There are no classes to learn words for. Give at least one class with photos.");
  const seen = new Map<string, string>();
  return classes.map(({ name, images }) => {
    if (images.ndim !== 4 || images.shape[0] === 0 || images.dtype !== "uint8") {
      throw new DiffusionError(
        `Class "${name}": photos are ${images.dtype} [${images.shape}]; uint8 [n, 3, H, W] with n >= 1 is needed.`,
      );
    }
    const token = wordToken(name);
    const other = seen.get(token);
    if (other !== undefined) {
      throw new DiffusionError(
        `The classes "${other}" and "${name}" would share the word ${token}. Rename one of them.`,
      );
    }
    seen.set(token, name);
    return token;
  });
}

/**
 * [K n, D]: what each word's n vectors begin as: the tokens of its text one by one where there are n of them, else their
 * mean, n times.
 * @throws DiffusionError for a class whose word begins as none
 */
export function initialVectors(
  sd: StableDiffusion,
  classes: readonly ClassPhotos[],
  init: string | Readonly<Record<string, string>>,
  count: number,
): Tensor {
  const table = sd.textEncoder.embeddings.tokenEmbedding.weight;
  return noGrad(() =>
    scope(() =>
      cat(
        classes.map(({ name }) => {
          const text = typeof init === "string" ? init : init[name];
          const ids = text === undefined ? [] : sd.tokenizer.tokens(text);
          if (ids.length === 0) {
            const given = text === undefined ? "missing" : JSON.stringify(text);
            throw new DiffusionError(
              `initToken for the class "${name}" is ${given}; give a word of the vocabulary, for example "the".`,
            );
          }
          const rows = table
            .detach()
            .indexSelect(0, tensor(ids, { dtype: "int64", device: sd.device }))
            .to("float32");
          if (count > 1 && ids.length === count) return rows;
          return rows.mean([0]).unsqueeze(0).expand([count, -1]);
        }),
      ),
    ),
  );
}
