import { deriveSeed, Random } from "@penumbra/torch";
import { DiffusionError } from "../errors.ts";
import { type Words, wordOf } from "../words/words.ts";

/**
 * How photos are redrawn. Of `strengths` each image gets one, chosen by its seed (DA-Fusion's "stacking").
 *
 * - `faithful`: the own class's word at moderate strength; still the class (positives).
 * - `drift`: the own class's word at a strength that loses the class: beside it (negatives only).
 * - `crossed`: the word of another class, chosen by the image's seed: between two classes (negatives only).
 */
export type Recipe =
  | { readonly name: "faithful"; readonly kind: "id"; readonly strengths: readonly number[] }
  | { readonly name: "drift"; readonly kind: "near-ood"; readonly strengths: readonly number[] }
  | { readonly name: "crossed"; readonly kind: "near-ood"; readonly strengths: readonly number[] };

/** What one redraw is to be, before it is drawn. */
export interface PlannedRedraw {
  /** Place of the parent among the photos. */
  readonly photo: number;
  readonly recipe: Recipe;
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
 * @throws DiffusionError when a photo's class has no word, a recipe has no strengths or one outside 0..1, or
 *   `crossed` has no other class
 */
export function planRedraws(options: {
  photos: readonly { readonly id: string; readonly className: string }[];
  words: Words;
  recipes: readonly Recipe[];
  variantsPerPhoto: number;
  seed: number;
}): PlannedRedraw[] {
  const { photos, words, recipes, variantsPerPhoto, seed } = options;
  for (const recipe of recipes) checkStrengths(recipe);
  return photos.flatMap((photo, place) =>
    recipes.flatMap((recipe) =>
      Array.from({ length: variantsPerPhoto }, (_, variant) => {
        const itemSeed = deriveSeed(seed, "redraw", photo.id, recipe.name, variant);
        const random = new Random(itemSeed);
        const strength = random.choice(recipe.strengths);
        const own = wordOf(words, photo.className);
        const word = recipe.name === "crossed" ? otherWord(words, photo.className, random) : own;
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

function otherWord(words: Words, className: string, random: Random) {
  const others = words.words.filter((word) => word.className !== className);
  if (others.length > 0) return random.choice(others);
  throw new DiffusionError(
    `The recipe "crossed" redraws photos of "${className}" with the word of another class, but there is none. Learn words for two classes or more, or leave the recipe out.`,
  );
}

function checkStrengths({ name, strengths }: Recipe): void {
  const wrong = strengths.find((strength) => !(strength > 0 && strength <= 1));
  if (strengths.length > 0 && wrong === undefined) return;
  const problem = wrong === undefined ? "has no strengths" : `has the strength ${wrong}`;
  throw new DiffusionError(
    `The recipe "${name}" ${problem}. Give at least one above 0 (the photo as it is) and up to 1 (almost pure noise).`,
  );
}
