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
  /** How often it was drawn before, with other seeds. */
  readonly attempt: number;
  readonly strength: number;
  readonly wordClass: string;
  /** Token of the word. */
  readonly word: string;
  readonly seed: number;
}

/** One image that is wanted. */
export interface RedrawRequest {
  /** Place of the parent among the photos. */
  readonly photo: number;
  readonly recipe: string;
  readonly variant: number;
  /** How often it was drawn before: each attempt has another seed. Default 0. */
  readonly attempt?: number;
  /** Default: one of the recipe's, by the image's seed. */
  readonly strength?: number;
}

/**
 * Decides about the images that the recipes make of the photos: all of them, or those that are requested. Each decision
 * depends on the run's seed, the photo's id, the recipe, the variant and the attempt only: other photos, recipes or
 * variants do not change it.
 *
 * @throws DiffusionError when a photo's class has no word, or a recipe has impossible settings or needs another class
 */
export function planRedraws(options: {
  photos: readonly { readonly id: string; readonly className: string }[];
  words: Words;
  recipes: readonly ChosenRecipe[];
  seed: number;
  /** Default: every variant of every recipe, of every photo. */
  requests?: readonly RedrawRequest[];
}): PlannedRedraw[] {
  const { photos, words, recipes, seed, requests = allRequests(photos.length, recipes) } = options;
  for (const recipe of recipes) checkSettings(recipe);
  const byName = new Map<string, ChosenRecipe>(recipes.map((recipe) => [recipe.name, recipe]));
  return requests.map(({ photo: place, recipe: name, variant, attempt = 0, strength: wanted }) => {
    const photo = photos[place];
    const recipe = byName.get(name);
    if (!photo || !recipe) {
      throw new DiffusionError(
        `A redraw of photo ${place} by the recipe "${name}" was requested of ${photos.length} photos and the recipes ${[...byName.keys()].join(", ")}. Request those that are there.`,
      );
    }
    const again = attempt === 0 ? [] : [attempt];
    const itemSeed = deriveSeed(seed, "redraw", photo.id, recipe.name, variant, ...again);
    const random = new Random(itemSeed);
    const own = random.choice(recipe.strengths); // drawn in any case: the word's draw follows it
    const word = RECIPES[recipe.name].chooseWord(words, photo.className, random);
    return {
      ...{ photo: place, recipe, variant, attempt },
      strength: wanted ?? own,
      wordClass: word.className,
      word: word.token,
      seed: itemSeed,
    };
  });
}

/** Every variant of every recipe, photo by photo. */
export function allRequests(
  photos: number,
  recipes: readonly { readonly name: string; readonly variants: number }[],
): RedrawRequest[] {
  return Array.from({ length: photos }, (_, photo) =>
    recipes.flatMap(({ name, variants }) =>
      Array.from({ length: variants }, (_, variant) => ({ photo, recipe: name, variant })),
    ),
  ).flat();
}

function checkSettings({ name, ...settings }: ChosenRecipe): void {
  const result = RECIPES[name].settings.safeParse(settings);
  if (result.success) return;
  const problems = result.error.issues.map(({ path, message }) => `"${path.join(".")}": ${message}`);
  throw new DiffusionError(
    `The recipe "${name}" cannot be followed: ${problems.join("; ")}. Give strengths above 0 (the photo as it is) and up to 1 (almost pure noise), and one variant or more.`,
  );
}
