import { wordOf } from "../../words/index.ts";
import { underWord } from "./composition.ts";
import { type Recipe, recipeSettings } from "./recipe.ts";

/** The own class's word at a strength that loses the class. */
export const drift: Recipe = {
  title: "drift",
  description: "The own class's word, at a strength too strong to stay in the class: negatives only",
  kind: "near-ood",
  settings: recipeSettings({ strengths: [0.7, 0.85], variants: 1 }),
  needsOtherClass: false,
  compose: ({ words, className }) => underWord(wordOf(words, className)),
};
