import { underWord } from "./composition.ts";
import { otherWord } from "./other-word.ts";
import { type Recipe, recipeSettings } from "./recipe.ts";

/**
 * Diff-Mix (Wang et al. 2024): photos turned into another class, at strengths up to almost all. Its label is a share of
 * both classes by the strength, which the objective `genscl` takes from the image's line (`redrawLabels`).
 */
export const diffMix: Recipe = {
  title: "Diff-Mix",
  description:
    "Another class's word at strengths from half to almost all; the arm genscl+near-ood labels them by their strength (Wang et al. 2024)",
  kind: "near-ood",
  settings: recipeSettings({ strengths: [0.5, 0.7, 0.9], variants: 0 }),
  needsOtherClass: true,
  compose: ({ words, className, random }) => underWord(otherWord(words, className, random, "diff-mix")),
};
