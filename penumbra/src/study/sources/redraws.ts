import { resolve } from "node:path";
import { hashMasks, type ImageKind, readMasks } from "../../data/index.ts";
import {
  allRequests,
  type ChosenRecipe,
  chosenSampler,
  DiffusionError,
  defaultSampler,
  RECIPES,
  type Recipe,
  type RecipeName,
  type RecipesSettings,
  readySampler,
  recipeNames,
  recipesOf,
  redraw,
} from "../../diffusion/index.ts";
import { defineSource, type ImageSource, type SourceStudy } from "./source.ts";

const NAMES = { faithful: "faithful", "near-ood": "near-ood", boundary: "boundary" } as const;

/** The source that follows a recipe: of its kind, unless a judge leads its images. */
export function sourceOfRecipe(name: RecipeName): keyof typeof NAMES {
  const { kind, isGuided = false }: Recipe = RECIPES[name];
  return isGuided ? NAMES.boundary : NAMES[kind];
}

/** The most steps that a redraw of these sources takes. */
export function mostSteps(
  { steps, recipes }: SourceStudy["config"]["redraw"],
  names: readonly string[],
): number {
  const all = recipeNames.flatMap((name) =>
    names.some((source) => source.replace(/^sifted-/, "") === sourceOfRecipe(name)) &&
    recipes[name].variants > 0
      ? recipes[name].strengths
      : [],
  );
  return Math.floor(steps * Math.max(0, ...all));
}

/** Redraws by the study's diffusion model: all recipes of a source, with the settings of `redraw`. */
function redrawsOf(source: keyof typeof NAMES, title: string, description: string): ImageSource {
  const isJudged = source === NAMES.boundary;
  const kind: ImageKind = isJudged ? "near-ood" : source;
  const ownRecipes = (recipes: RecipesSettings, classes: number) =>
    recipesOf(kind, recipes, classes).filter(({ name }) => sourceOfRecipe(name) === source);
  const settingsOf = ({ config, precision, classes, model }: SourceStudy) => {
    if (!model) throw new RangeError("Redraws need a diffusion model.");
    const { samplers, steps, guidanceScale, recipes } = config.redraw;
    const sampler = config.redraw.sampler ?? defaultSampler(model.schedulerConfig).name;
    return {
      recipes: ownRecipes(recipes, classes.length),
      sampler: readySampler(chosenSampler(sampler, samplers)).choice,
      ...{ steps, guidanceScale, precision },
      ...(isJudged && { judging: judgeSettings(config) }),
    };
  };
  return defineSource<null, ReturnType<typeof settingsOf>>({
    ...{ title, description, kind, needs: "words", version: 3, section: null },
    ...(isJudged && { needsJudges: true }),
    recipes: Object.fromEntries(
      recipeNames
        .filter((name) => sourceOfRecipe(name) === source)
        .map((name) => [name, { title: RECIPES[name].title, hasStrength: true, hasChance: true }]),
    ),
    settings: settingsOf,
    async inputs(study): Promise<Record<string, string>> {
      const place = masksOf(study, ownRecipes);
      return place === undefined ? {} : { masks: await hashMasks(place) };
    },
    requests: ({ train, settings }) => allRequests(train.length, settings.recipes),
    async draw({ study, train, seed, settings, folder, onProgress, ...work }, requests) {
      const { judging: _, ...drawing } = settings;
      const guide = isJudged ? await work.judges() : undefined;
      const loader = work.model();
      const { imageSize } = loader.model;
      return work.withPixels(imageSize, async (pixels) => {
        const place = masksOf(study, ownRecipes);
        const masks =
          place === undefined
            ? undefined
            : await readMasks(place, train, imageSize, { fit: study.config.fit });
        return redraw({
          ...drawing,
          ...{ sd: loader.get(), words: work.words(), photos: train, pixels, requests, seed, folder },
          // Not part of the identity: it changes no image beyond rounding.
          batchSize: study.config.redraw.batchSize,
          ...{ masks, guide, onProgress },
        });
      });
    },
  });
}

function judgeSettings({ imageSize, sift }: SourceStudy["config"]) {
  const { folds, measures, layers, known, upper } = sift;
  return { imageSize, folds, measures: [...measures], layers, known, upper };
}

/**
 * The folder of masks, where one of the recipes keeps a part of photos.
 * @throws DiffusionError where it needs one and the study names none
 */
function masksOf(
  { config, classes, folder }: SourceStudy,
  recipesOfSource: (recipes: RecipesSettings, classes: number) => ChosenRecipe[],
): string | undefined {
  const { masks, recipes } = config.redraw;
  const keeping = recipesOfSource(recipes, classes.length).find(({ keep = "nothing" }) => keep !== "nothing");
  if (!keeping) return undefined;
  if (masks !== undefined) return resolve(folder, masks);
  throw new DiffusionError(
    `redraw.recipes.${keeping.name}.keep is ${keeping.keep}, but no masks are there. Name their folder in redraw.masks.`,
  );
}

/** Redraws that keep the class. */
export const faithful = redrawsOf(
  "faithful",
  "faithful redraws",
  "Training photos drawn again by the diffusion model so weakly that they keep their class",
);

/** Redraws that lie beside the class. */
export const nearOod = redrawsOf(
  "near-ood",
  "near-OOD redraws",
  "Training photos drawn again by the diffusion model so that they lie beside their class",
);

/** Redraws that a judge leads to just outside of every class. */
export const boundary = redrawsOf(
  "boundary",
  "boundary redraws",
  "Training photos drawn again by the diffusion model, led by encoders of real photos alone to just outside of every class",
);
