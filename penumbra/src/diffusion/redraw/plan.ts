import { deriveSeed, Generator, Random, randn } from "@penumbra/torch";
import { DiffusionError, type WordVector } from "../model/index.ts";
import { fillTemplate, type Words } from "../words/index.ts";
import { type ChosenRecipe, inWords, RECIPES, type Recipe, type RecipeSettings } from "./recipes/index.ts";

/** What one redraw is to be, before it is drawn. */
export interface PlannedRedraw {
  /** Place of the parent among the photos. */
  readonly photo: number;
  readonly recipe: ChosenRecipe;
  /** Which of the photo's images by this recipe. */
  readonly variant: number;
  /** How often it was drawn before, with other seeds. */
  readonly attempt: number;
  /** The strongest of the passes. */
  readonly strength: number;
  /** How it is drawn, one pass after the other: each begins with what the one before has left. */
  readonly passes: readonly Pass[];
  readonly prompt: string;
  /** What guidance leads away from; "" = nothing. */
  readonly negativePrompt: string;
  readonly wordClass: string;
  /** Token of the word, or what stands in its place. */
  readonly word: string;
  /** Words of one's own that the prompt holds. */
  readonly vectors: readonly WordVector[];
  /** What else the recipe decided. */
  readonly facts: Readonly<Record<string, number | string>>;
  readonly seed: number;
}

export interface Pass {
  readonly strength: number;
  /** Default: the run's. */
  readonly guidanceScale?: number;
}

/** One image that is wanted. */
export interface RedrawRequest {
  /** Place of the parent among the photos. */
  readonly photo: number;
  readonly recipe: string;
  readonly variant: number;
  /** How often it was drawn before: each attempt has another seed. Default 0. */
  readonly attempt?: number;
  /** Default: as the recipe has it, by the image's seed. */
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
  const byName = new Map<string, ChosenRecipe>(recipes.map((recipe) => [recipe.name, completed(recipe)]));
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
    const drawn = passesOf(recipe, random); // in any case: the word's draw follows it
    const passes = wanted === undefined ? drawn : [passAt(recipe, wanted)];
    const entry: Recipe = RECIPES[recipe.name];
    const composition = entry.compose({
      ...{ words, className: photo.className, settings: recipe, random },
      noiseLike: (like) =>
        randn([...like.shape], { generator: new Generator({ seed: deriveSeed(itemSeed, "word") }) }),
    });
    const { word, wordClass, vectors, isUnconditional = false, facts = {} } = composition;
    const { prompts = [] } = recipe;
    const template = prompts.length === 1 ? prompts[0]! : random.choice(prompts);
    return {
      ...{ photo: place, recipe, variant, attempt, wordClass, word, facts, seed: itemSeed },
      strength: Math.max(...passes.map(({ strength }) => strength)),
      passes: isUnconditional ? passes.map((pass) => ({ ...pass, guidanceScale: 1 })) : passes,
      prompt: isUnconditional ? "" : filled(template, word, photo.className),
      negativePrompt: filled(recipe.negativePrompt ?? "", word, photo.className),
      vectors: [
        ...vectors,
        ...words.words.filter(({ token }) => vectors.every((own) => own.token !== token)),
      ],
    };
  });
}

/** All strengths of a sequence, else one of them. */
function passesOf(recipe: ChosenRecipe, random: Random): Pass[] {
  const { strengths, stacking } = recipe;
  if (stacking === "sequence") return strengths.map((strength) => passAt(recipe, strength));
  return [passAt(recipe, random.choice(strengths))];
}

/** A pass with the guidance that the recipe has for its strength, or for the one that is nearest. */
function passAt({ strengths, guidanceScale }: RecipeSettings, strength: number): Pass {
  if (guidanceScale === undefined) return { strength };
  if (typeof guidanceScale === "number") return { strength, guidanceScale };
  const distances = strengths.map((own) => Math.abs(own - strength));
  return { strength, guidanceScale: guidanceScale[distances.indexOf(Math.min(...distances))] as number };
}

function filled(template: string, word: string, className: string): string {
  return fillTemplate(
    template.replaceAll("{class}", () => inWords(className)),
    word,
  );
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

/** The recipe with all its settings. */
function completed({ name, ...settings }: ChosenRecipe): ChosenRecipe {
  const result = RECIPES[name].settings.safeParse(settings);
  const problems = result.error?.issues.map(({ path, message }) => `"${path.join(".")}": ${message}`) ?? [];
  const { strengths, guidanceScale } = settings;
  if (typeof guidanceScale === "object" && guidanceScale.length !== strengths.length)
    problems.push(`"guidanceScale" has ${guidanceScale.length} numbers for ${strengths.length} strengths`);
  if (result.success && problems.length === 0) return { name, ...result.data } as ChosenRecipe;
  throw new DiffusionError(
    `The recipe "${name}" cannot be followed: ${problems.join("; ")}. Give strengths above 0 (the photo as it is) and up to 1 (almost pure noise), one guidanceScale or one for each of them, and no negative numbers of variants.`,
  );
}
