import { DiffusionError, vectorsOf, type WordVector } from "../model/index.ts";
import { readEmbeddings } from "./embedding-files.ts";
import { checkWords, isWordsFile, loadWords, type Word, wordToken } from "./words.ts";

/** A word of another program as that of a class: the class is the word without its brackets. */
export function asWord({ token, vector }: WordVector): Word {
  const className = token.replace(/^<|>$/g, "");
  return {
    ...{ token: /^<.*>$/.test(token) ? token : `<${token}>`, className },
    vector: vectorsOf({ vector }) === 1 ? vector.flatten() : vector,
  };
}

/**
 * The words of classes that files hold: embeddings of diffusers or of AUTOMATIC1111's interface, whose words are called
 * as the classes are (`<pin_header>` or `pin_header` for "Pin header"), or words files of a study.
 *
 * @param modelHash of the model that they are for, where it is known: words files of a study say theirs
 * @returns a word for each class, in their order; words of no class are left out
 * @throws DiffusionError where a class has no word or more than one, and for words of another model
 * @throws what `readEmbeddings` and `loadWords` throw for files that hold something else
 */
export function importWords(
  files: readonly string[],
  classes: readonly string[],
  modelHash?: string,
): Word[] {
  const all = files.flatMap((file) => {
    if (!isWordsFile(file)) return readEmbeddings(file).map(asWord);
    const words = loadWords(file);
    if (modelHash !== undefined) checkWords(words, modelHash);
    return words.words;
  });
  return classes.map((className) => {
    const token = wordToken(className);
    const own = all.filter((word) => word.className === className || word.token.toLowerCase() === token);
    const [word] = own;
    if (!word) {
      const missing = classes.filter(
        (name) =>
          !all.some((word) => word.className === name || word.token.toLowerCase() === wordToken(name)),
      );
      throw new DiffusionError(
        `${files.join(", ")}: there is no word for ${missing.map((name) => `the class "${name}" (${wordToken(name)})`).join(", ")}. The words are ${all.map((each) => each.token).join(", ")}. Add the missing ones, name the words as the classes, or learn words here (leave "words.from" out).`,
      );
    }
    if (own.length > 1) {
      throw new DiffusionError(
        `${files.join(", ")}: the class "${className}" has ${own.length} words. Leave all but one out.`,
      );
    }
    return { className, token, vector: word.vector };
  });
}

/**
 * Refuses words whose vectors the model cannot take.
 * @throws DiffusionError
 */
export function checkDimensions(words: readonly WordVector[], dimensions: number): void {
  const wrong = words.find(({ vector }) => vector.shape.at(-1) !== dimensions);
  if (!wrong) return;
  throw new DiffusionError(
    `The word ${wrong.token} has vectors of ${wrong.vector.shape.at(-1)} numbers, the model's have ${dimensions}. Use words of this kind of model.`,
  );
}
