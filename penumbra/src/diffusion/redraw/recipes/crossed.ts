import { underWord } from "./composition.ts";
import { otherWord } from "./other-word.ts";
import { type Recipe, recipeSettings } from "./recipe.ts";

/** The word of another class, chosen by the image's seed: between two classes. */
export const crossed: Recipe = {
  title: "crossed",
  description: "Another class's word, at a strength that falls between the two: negatives only",
  kind: "near-ood",
  settings: recipeSettings({ strengths: [0.5, 0.65], variants: 1 }),
  needsOtherClass: true,
  compose: ({ words, className, random }) => underWord(otherWord(words, className, random, "crossed")),
};
