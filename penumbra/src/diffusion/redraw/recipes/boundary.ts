import { z } from "zod";
import { wordOf } from "../../words/index.ts";
import { underWord } from "./composition.ts";
import { type Recipe, type RecipeSettings, recipeSettings } from "./recipe.ts";

export type BoundarySettings = RecipeSettings & { readonly weight: number; readonly aim: number };

const settings = recipeSettings({ strengths: [0.65, 0.8], variants: 1 }).extend({
  weight: z
    .number()
    .min(0)
    .max(1)
    .meta({ description: "Share of the way to its aim that an image is led at each step; 0 = not at all" })
    .default(1),
  aim: z
    .number()
    .min(0)
    .max(1)
    .meta({
      description: "Where in the band images shall lie: 0 = where known ends, 1 = where too far begins",
    })
    .default(0.5),
});

/**
 * The own class's word, led by the judge's gradient to just outside of every class (`leadToBoundary`); beside it stand
 * SONA, Dream-OOD, BOOD, SynOOD and GOOD, each with means of its own.
 */
export const boundary: Recipe<BoundarySettings> & { readonly settings: typeof settings } = {
  title: "boundary",
  description:
    "The own class's word, led at each step by the gradient of a judge of real photos to just outside of every class",
  kind: "near-ood",
  settings,
  needsOtherClass: false,
  isGuided: true,
  compose: ({ words, className, settings: { weight, aim } }) => ({
    ...underWord(wordOf(words, className)),
    facts: { judgeWeight: weight, aim },
  }),
};
