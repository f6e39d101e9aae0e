// The table of ways to redraw photos. A new one is a file beside this one and a line in the table.
import { z } from "zod";
import type { ImageKind } from "../../../data/index.ts";
import { crossed } from "./crossed.ts";
import { drift } from "./drift.ts";
import { faithful } from "./faithful.ts";
import type { Recipe, RecipeSettings } from "./recipe.ts";

/** In the order in which they are drawn and shown. A name is part of each image's seed: another name, other images. */
export const RECIPES = { faithful, drift, crossed } as const satisfies Record<string, Recipe>;

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

/** The recipes of a kind that photos of so many classes can be redrawn by. */
export function recipesOf(kind: ImageKind, settings: RecipesSettings, classes: number): ChosenRecipe[] {
  return recipeNames
    .filter((name) => RECIPES[name].kind === kind && (classes > 1 || !RECIPES[name].needsOtherClass))
    .map((name) => ({ name, ...settings[name] }));
}
