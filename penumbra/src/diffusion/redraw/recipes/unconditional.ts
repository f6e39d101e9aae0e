import { type Recipe, recipeSettings } from "./recipe.ts";

/** Neither prompt nor guidance: what noise and the model's prior alone do to a photo. A control for the words. */
export const unconditional: Recipe = {
  title: "unconditional",
  description: "Neither prompt nor guidance: what the model makes of a noised photo by itself",
  kind: "faithful",
  settings: recipeSettings({ strengths: [0.35, 0.5], variants: 0 }),
  needsOtherClass: false,
  compose: ({ className }) => ({ word: "", wordClass: className, vectors: [], isUnconditional: true }),
};
