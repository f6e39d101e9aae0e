import type { Random, Tensor } from "@penumbra/torch";
import { z } from "zod";
import type { ImageKind } from "../../../data/index.ts";
import { KEPT_PARTS, type KeptPart, MASK_GROWTH } from "../../../images/index.ts";
import type { WordVector } from "../../model/index.ts";
import { PLAIN_TEMPLATE, type Words } from "../../words/index.ts";

/** What every recipe has settings for; one may have more, of plain JSON. */
export type RecipeSettings = {
  readonly strengths: readonly number[];
  /** Images of each photo; 0 leaves the recipe out. */
  readonly variants: number;
  /** Whether an image gets one of the strengths, or is redrawn by all of them, one after the other. Default parallel. */
  readonly stacking?: "parallel" | "sequence";
  /** Of these each image gets one: {} stands for the word, {class} for the class's name. */
  readonly prompts?: readonly string[];
  /** What guidance leads away from: {class} for the class's name. Default nothing. */
  readonly negativePrompt?: string;
  /** One for all strengths, or one for each; default the study's. */
  readonly guidanceScale?: number | readonly number[];
  /** Default nothing. */
  readonly keep?: KeptPart;
  /** Side of the window that masks grow by, in pixels of an image of 512. Default 16. */
  readonly maskGrowth?: number;
  /** Of guided recipes: share of the way to its aim that an image is led at each step, 0..1. */
  readonly weight?: number;
  /** Of guided recipes: where in the band images shall lie, 0..1. */
  readonly aim?: number;
};

/** What an image is composed from. */
export interface CompositionRequest<Settings extends RecipeSettings> {
  readonly words: Words;
  /** Class of the photo. */
  readonly className: string;
  readonly settings: Settings;
  /** Belongs to the image. */
  readonly random: Random;
  /** Standard normal numbers of the image's own, in the shape of a tensor. */
  readonly noiseLike: (like: Tensor) => Tensor;
}

/** What an image is drawn under. */
export interface Composition {
  /** What stands in the prompt's place {}: a word of one's own, or plain words. */
  readonly word: string;
  /** Class whose word it is. */
  readonly wordClass: string;
  /** Vectors of the words of one's own. */
  readonly vectors: readonly WordVector[];
  /** Prompt and guidance do not count: the photo is redrawn under nothing at all. */
  readonly isUnconditional?: boolean;
  /** What else was decided, for the image's line. */
  readonly facts?: Readonly<Record<string, number | string>>;
}

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
  /** Whether a judge leads its images on their way: only those who have one can follow it (`RedrawOptions.guide`). */
  readonly isGuided?: boolean;
  /** What a photo is redrawn under. @throws DiffusionError for a class without a word, where it needs one */
  compose(request: CompositionRequest<Settings>): Composition;
}

/** The settings that every recipe has, with one's own defaults. */
export function recipeSettings({ strengths, variants }: Pick<RecipeSettings, "strengths" | "variants">) {
  const scale = z.number().min(1);
  return z.strictObject({
    strengths: z
      .array(z.number().gt(0).max(1))
      .min(1)
      .meta({ description: "Strengths, one of them per image (0 = unchanged, 1 = almost pure noise)" })
      .default([...strengths]),
    variants: z
      .int()
      .nonnegative()
      .meta({ description: "Redraws of each training photo; 0 leaves the recipe out" })
      .default(variants),
    stacking: z
      .enum(["parallel", "sequence"])
      .meta({
        description:
          "parallel: each image has one of the strengths; sequence: it is redrawn by all of them, one after the other",
      })
      .default("parallel"),
    prompts: z
      .array(z.string().min(1))
      .min(1)
      .meta({
        description: "Prompts, one of them per image: {} stands for the word, {class} for the class's name",
      })
      .default([PLAIN_TEMPLATE]),
    negativePrompt: z
      .string()
      .min(1)
      .meta({
        description:
          'What guidance leads away from, {class} stands for the class\'s name. "{class}" is the control for what the model knows of the class by its name: only the learned word is left of it',
      })
      .optional(),
    guidanceScale: z
      .union([scale, z.array(scale).min(1)])
      .meta({ description: "In place of redraw.guidanceScale: one for all strengths, or one for each" })
      .optional(),
    keep: z
      .enum(KEPT_PARTS)
      .meta({ description: "What of the photo stays as it is, by its mask in redraw.masks" })
      .default("nothing"),
    maskGrowth: z
      .int()
      .nonnegative()
      .meta({ description: "Side of the window that the masks' objects grow by, in pixels of 512" })
      .default(MASK_GROWTH),
  });
}
