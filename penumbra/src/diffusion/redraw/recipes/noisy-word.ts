import { scope } from "@penumbra/torch";
import { z } from "zod";
import { wordOf } from "../../words/index.ts";
import { type Recipe, type RecipeSettings, recipeSettings } from "./recipe.ts";

type Settings = RecipeSettings & { readonly deviation: number };

const settings = recipeSettings({ strengths: [0.7], variants: 0 }).extend({
  deviation: z
    .number()
    .nonnegative()
    .meta({ description: "Standard deviation of the noise on each number of the word's vector" })
    .default(0.005),
});

/** Noise on the learned word, another for each image (DIAGen, Lingenberg et al. 2024, section 3.1): more variety. */
export const noisyWord: Recipe<Settings> & { readonly settings: typeof settings } = {
  title: "noisy word",
  description:
    "The own class's word with noise on its vector, another for each image (DIAGen, Lingenberg et al. 2024)",
  kind: "faithful",
  settings,
  needsOtherClass: false,
  compose({ words, className, settings: { deviation }, noiseLike }) {
    const word = wordOf(words, className);
    const vector = scope(() => word.vector.add(noiseLike(word.vector).mul(deviation)));
    return {
      ...{ word: word.token, wordClass: className },
      vectors: [{ ...word, vector }],
      facts: { wordDeviation: deviation },
    };
  },
};
