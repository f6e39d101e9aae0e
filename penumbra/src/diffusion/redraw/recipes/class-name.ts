import { type Recipe, recipeSettings } from "./recipe.ts";

/** The class's name in place of a learned word (He et al. 2023, "real guidance"): no word is needed. */
export const className: Recipe = {
  title: "class name",
  description:
    "The class's name as it is written, in place of a learned word (real guidance, He et al. 2023)",
  kind: "faithful",
  settings: recipeSettings({ strengths: [0.5], variants: 0 }),
  needsOtherClass: false,
  compose: ({ className: name }) => ({ word: inWords(name), wordClass: name, vectors: [] }),
};

/** A class's name as one would say it: "pin_header-2x4" is "pin header 2x4". */
export function inWords(name: string): string {
  return name
    .replace(/[_\-./]+/g, " ")
    .trim()
    .toLowerCase();
}
