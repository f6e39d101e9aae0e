/** Recipes: the ways to redraw a photo. */

export type { Recipe, RecipeSettings } from "./recipe.ts";
export {
  type ChosenRecipe,
  RECIPES,
  type RecipeName,
  RecipesSettings,
  recipeNames,
  recipesOf,
} from "./recipes.ts";
