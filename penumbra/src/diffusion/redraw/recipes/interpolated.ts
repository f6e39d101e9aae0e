import { scope } from "@penumbra/torch";
import { z } from "zod";
import { DiffusionError } from "../../model/index.ts";
import { wordOf } from "../../words/index.ts";
import { otherWord } from "./other-word.ts";
import { type Recipe, type RecipeSettings, recipeSettings } from "./recipe.ts";

type Settings = RecipeSettings & { readonly shares: readonly number[] };

const settings = recipeSettings({ strengths: [0.5, 0.65], variants: 0 }).extend({
  shares: z
    .array(z.number().min(0).max(1))
    .min(1)
    .meta({ description: "Shares of the other class in the word, one of them per image" })
    .default([0.3, 0.5]),
});

/** A word between those of two classes: (1 - share) own + share other. */
export const interpolated: Recipe<Settings> & { readonly settings: typeof settings } = {
  title: "interpolated",
  description: "A word between the own class's and another's: negatives only",
  kind: "near-ood",
  settings,
  needsOtherClass: true,
  compose({ words, className, random, settings: { shares } }) {
    const own = wordOf(words, className);
    const other = otherWord(words, className, random, "interpolated");
    const share = random.choice(shares);
    if (own.vector.shape.join() !== other.vector.shape.join()) {
      throw new DiffusionError(
        `The words of "${className}" and "${other.className}" have [${own.vector.shape}] and [${other.vector.shape}] numbers; between them lies nothing. Learn words of equal length.`,
      );
    }
    const vector = scope(() => own.vector.mul(1 - share).add(other.vector.mul(share)));
    return {
      ...{ word: own.token, wordClass: other.className },
      vectors: [{ ...own, vector }],
      facts: { wordShare: share },
    };
  },
};
