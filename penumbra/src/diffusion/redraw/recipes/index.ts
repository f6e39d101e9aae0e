/** Recipes: the ways to redraw a photo. */

export { REDRAW_KINDS, type Recipe, type RecipeSettings, type RedrawKind } from "./recipe.ts";
export {
  type ChosenRecipe,
  compareRecipes,
  RECIPES,
  type RecipeName,
  RecipesSettings,
  recipeNames,
  recipesOf,
} from "./recipes.ts";
