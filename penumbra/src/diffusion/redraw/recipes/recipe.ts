import type { Random } from "@penumbra/torch";
import { z } from "zod";
import type { ImageKind } from "../../../data/index.ts";
import type { Word, Words } from "../../words/index.ts";

/** What every recipe has settings for; one may have more, of plain JSON. */
export type RecipeSettings = {
  /** Of these each image gets one, chosen by its seed (DA-Fusion's "stacking"). */
  readonly strengths: readonly number[];
  /** Images of each photo. */
  readonly variants: number;
};

/**
 * A way to redraw photos: an entry of the table in index.ts. What it says here is all that plans, configuration,
 * manifests and the report know of it.
 */
export interface Recipe<Settings extends RecipeSettings = RecipeSettings> {
  /** What people call its images, as "drift" in "drift redraws". */
  readonly title: string;
  /** One sentence for people: of its section in a study's configuration, for example. */
  readonly description: string;
  readonly kind: ImageKind;
  /** Its settings, with defaults and descriptions: `redraw.recipes.NAME` of a study. */
  readonly settings: z.ZodType<Settings>;
  /** Whether it can only be followed where there are two classes or more. */
  readonly needsOtherClass: boolean;
  /** The word that a photo of a class is redrawn with; `random` belongs to the image. */
  chooseWord(words: Words, className: string, random: Random): Word;
}

/** The settings that every recipe has, with one's own defaults. */
export function recipeSettings({ strengths, variants }: RecipeSettings) {
  return z.strictObject({
    strengths: z
      .array(z.number().gt(0).max(1))
      .min(1)
      .meta({ description: "Strengths, one of them per image (0 = unchanged, 1 = almost pure noise)" })
      .default([...strengths]),
    variants: z.int().positive().meta({ description: "Redraws of each training photo" }).default(variants),
  });
}
