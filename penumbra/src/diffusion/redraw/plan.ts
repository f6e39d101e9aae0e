import { deriveSeed, Random } from "@penumbra/torch";
import { DiffusionError } from "../model/index.ts";
import type { Words } from "../words/index.ts";
import { type ChosenRecipe, RECIPES } from "./recipes/index.ts";

/** What one redraw is to be, before it is drawn. */
export interface PlannedRedraw {
  /** Place of the parent among the photos. */
  readonly photo: number;
  readonly recipe: ChosenRecipe;
  /** Which of the photo's images by this recipe. */
  readonly variant: number;
  readonly strength: number;
  readonly wordClass: string;
  /** Token of the word. */
  readonly word: string;
  readonly seed: number;
}

/**
 * Decides about every image that the recipes make of the photos. Each decision depends on the run's seed, the
 * photo's id, the recipe and the variant only: other photos, recipes or variants do not change it.
 *
 * @throws DiffusionError when a photo's class has no word, or a recipe has impossible settings or needs another class
 */
export function planRedraws(options: {
  photos: readonly { readonly id: string; readonly className: string }[];
  words: Words;
  recipes: readonly ChosenRecipe[];
  seed: number;
}): PlannedRedraw[] {
  const { photos, words, recipes, seed } = options;
  for (const recipe of recipes) checkSettings(recipe);
  return photos.flatMap((photo, place) =>
    recipes.flatMap((recipe) =>
      Array.from({ length: recipe.variants }, (_, variant) => {
        const itemSeed = deriveSeed(seed, "redraw", photo.id, recipe.name, variant);
        const random = new Random(itemSeed);
        const strength = random.choice(recipe.strengths);
        const word = RECIPES[recipe.name].chooseWord(words, photo.className, random);
        return {
          photo: place,
          recipe,
          variant,
          strength,
          wordClass: word.className,
          word: word.token,
          seed: itemSeed,
        };
      }),
    ),
  );
}

function checkSettings({ name, ...settings }: ChosenRecipe): void {
  const result = RECIPES[name].settings.safeParse(settings);
  if (result.success) return;
  const problems = result.error.issues.map(({ path, message }) => `"${path.join(".")}": ${message}`);
  throw new DiffusionError(
    `The recipe "${name}" cannot be followed: ${problems.join("; ")}. Give strengths above 0 (the photo as it is) and up to 1 (almost pure noise), and one variant or more.`,
  );
}
