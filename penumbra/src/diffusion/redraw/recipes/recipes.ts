// The table of ways to redraw photos. A new one is a file beside this one and a line in the table.
import { z } from "zod";
import type { ImageKind } from "../../../data/index.ts";
import { boundary } from "./boundary.ts";
import { className } from "./class-name.ts";
import { crossed } from "./crossed.ts";
import { diffMix } from "./diff-mix.ts";
import { drift } from "./drift.ts";
import { faithful } from "./faithful.ts";
import { interpolated } from "./interpolated.ts";
import { noisyWord } from "./noisy-word.ts";
import type { Recipe, RecipeSettings } from "./recipe.ts";
import { unconditional } from "./unconditional.ts";

/** In the order in which they are drawn and shown. A name is part of each image's seed: another name, other images. */
export const RECIPES = {
  faithful,
  "class-name": className,
  "noisy-word": noisyWord,
  unconditional,
  drift,
  crossed,
  "diff-mix": diffMix,
  interpolated,
  boundary,
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof RECIPES;
export const recipeNames = Object.keys(RECIPES) as [RecipeName, ...RecipeName[]];

/** A recipe by its name, with its settings. */
export type ChosenRecipe = { readonly name: RecipeName } & RecipeSettings;

/** The settings of all recipes, each in a section of its own: the `redraw.recipes` of a study. */
export const RecipesSettings = z.strictObject(
  Object.fromEntries(
    Object.entries(RECIPES).map(([name, { description, settings }]) => [
      name,
      settings.meta({ description }).prefault({} as never),
    ]),
  ) as { [Name in RecipeName]: z.ZodPrefault<(typeof RECIPES)[Name]["settings"]> },
);
export type RecipesSettings = z.output<typeof RecipesSettings>;

/** The recipes of a kind that make images, and that photos of so many classes can be redrawn by. */
export function recipesOf(kind: ImageKind, settings: RecipesSettings, classes: number): ChosenRecipe[] {
  return recipeNames
    .filter((name) => RECIPES[name].kind === kind && isFollowed(name, settings, classes))
    .map((name) => ({ name, ...settings[name] }));
}

/** Whether a recipe makes any images of photos of so many classes. */
export function isFollowed(name: RecipeName, settings: RecipesSettings, classes: number): boolean {
  return settings[name].variants > 0 && (classes > 1 || !RECIPES[name].needsOtherClass);
}
