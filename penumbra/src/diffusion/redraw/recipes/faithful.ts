import { wordOf } from "../../words/index.ts";
import { underWord } from "./composition.ts";
import { type Recipe, recipeSettings } from "./recipe.ts";

/** The own class's word at moderate strength (Trabucco et al. 2023, section 3). */
export const faithful: Recipe = {
  title: "faithful",
  description: "The own class's word at a strength that keeps the class: more positives",
  kind: "faithful",
  settings: recipeSettings({ strengths: [0.2, 0.35], variants: 2 }),
  needsOtherClass: false,
  compose: ({ words, className }) => underWord(wordOf(words, className)),
};
