import type { Word } from "../../words/index.ts";
import type { Composition } from "./recipe.ts";

/** The word of a class as it was learned. */
export function underWord(word: Word): Composition {
  return { word: word.token, wordClass: word.className, vectors: [word] };
}
