import type { ImageKind } from "../../data/index.ts";
import {
  allRequests,
  chosenSampler,
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
    requests: ({ train, settings }) => allRequests(train.length, settings.recipes),
    draw({ study, train, seed, settings, folder, onProgress, ...work }, requests) {
      const loader = work.model();
      return work.withPixels(loader.model.imageSize, (pixels) =>
        redraw({
          ...settings,
          ...{ sd: loader.get(), words: work.words(), photos: train, pixels, requests, seed, folder },
          // Not part of the identity: it changes no image beyond rounding.
          batchSize: study.config.redraw.batchSize,
          ...(onProgress && { onProgress }),
        }),
      );
    },
  });
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
