import type { Random } from "@penumbra/torch";
import { DiffusionError } from "../../model/index.ts";
import { type Word, type Words, wordOf } from "../../words/index.ts";

/** The word of another class, chosen by the image's random numbers. @throws DiffusionError where there is none */
export function otherWord(words: Words, className: string, random: Random, recipe: string): Word {
  wordOf(words, className); // a class without a word is a mistake, whichever word is drawn
  const others = words.words.filter((word) => word.className !== className);
  if (others.length > 0) return random.choice(others);
  throw new DiffusionError(
    `The recipe "${recipe}" redraws photos of "${className}" with the word of another class, but there is none. Learn words for two classes or more, or leave the recipe out.`,
  );
}
