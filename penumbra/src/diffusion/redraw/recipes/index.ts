/** Recipes: the ways to redraw a photo. */

export { inWords } from "./class-name.ts";
export type { Recipe, RecipeSettings } from "./recipe.ts";
export {
  type ChosenRecipe,
  isFollowed,
  RECIPES,
  type RecipeName,
  RecipesSettings,
  recipeNames,
  recipesOf,
} from "./recipes.ts";
