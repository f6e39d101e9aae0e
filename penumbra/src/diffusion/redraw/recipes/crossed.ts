import { DiffusionError } from "../../model/index.ts";
import { wordOf } from "../../words/index.ts";
import { type Recipe, recipeSettings } from "./recipe.ts";

/** The word of another class, chosen by the image's seed: between two classes. */
export const crossed: Recipe = {
  title: "crossed",
  description: "Another class's word, at a strength that falls between the two: negatives only",
  kind: "near-ood",
  settings: recipeSettings({ strengths: [0.5, 0.65], variants: 1 }),
  needsOtherClass: true,
  chooseWord(words, className, random) {
    wordOf(words, className); // a class without a word is a mistake, whichever word is drawn
    const others = words.words.filter((word) => word.className !== className);
    if (others.length > 0) return random.choice(others);
    throw new DiffusionError(
      `The recipe "crossed" redraws photos of "${className}" with the word of another class, but there is none. Learn words for two classes or more, or leave the recipe out.`,
    );
  },
};
