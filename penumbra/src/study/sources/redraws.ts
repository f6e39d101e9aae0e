import { resolve } from "node:path";
import { hashMasks, type ImageKind, readMasks } from "../../data/index.ts";
import {
  allRequests,
  chosenSampler,
  DiffusionError,
  defaultSampler,
  RECIPES,
  readySampler,
  recipeNames,
  recipesOf,
  redraw,
} from "../../diffusion/index.ts";
import { defineSource, type ImageSource, type SourceStudy } from "./source.ts";

/** Redraws by the study's diffusion model: all recipes of a kind, with the settings of `redraw`. */
function redrawsOf(kind: ImageKind, title: string, description: string): ImageSource {
  const settingsOf = ({ config, precision, classes, model }: SourceStudy) => {
    if (!model) throw new RangeError("Redraws need a diffusion model.");
    const { samplers, steps, guidanceScale, recipes } = config.redraw;
    const sampler = config.redraw.sampler ?? defaultSampler(model.schedulerConfig).name;
    return {
      recipes: recipesOf(kind, recipes, classes.length),
      sampler: readySampler(chosenSampler(sampler, samplers)).choice,
      ...{ steps, guidanceScale, precision },
    };
  };
  return defineSource<null, ReturnType<typeof settingsOf>>({
    ...{ title, description, kind, needs: "words", version: 3, section: null },
    recipes: Object.fromEntries(
      recipeNames
        .filter((name) => RECIPES[name].kind === kind)
        .map((name) => [name, { title: RECIPES[name].title, hasStrength: true, hasChance: true }]),
    ),
    settings: settingsOf,
    async inputs(study): Promise<Record<string, string>> {
      const place = masksOf(study, kind);
      return place === undefined ? {} : { masks: await hashMasks(place) };
    },
    requests: ({ train, settings }) => allRequests(train.length, settings.recipes),
    draw({ study, train, seed, settings, folder, onProgress, ...work }, requests) {
      const loader = work.model();
      const { imageSize } = loader.model;
      return work.withPixels(imageSize, async (pixels) => {
        const place = masksOf(study, kind);
        const masks =
          place === undefined
            ? undefined
            : await readMasks(place, train, imageSize, { fit: study.config.fit });
        return redraw({
          ...settings,
          ...{ sd: loader.get(), words: work.words(), photos: train, pixels, requests, seed, folder },
          // Not part of the identity: it changes no image beyond rounding.
          batchSize: study.config.redraw.batchSize,
          ...{ masks, onProgress },
        });
      });
    },
  });
}

/**
 * The folder of masks, where a recipe of the kind keeps a part of photos.
 * @throws DiffusionError where it needs one and the study names none
 */
function masksOf({ config, classes, folder }: SourceStudy, kind: ImageKind): string | undefined {
  const { masks, recipes } = config.redraw;
  const keeping = recipesOf(kind, recipes, classes.length).find(({ keep = "nothing" }) => keep !== "nothing");
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
