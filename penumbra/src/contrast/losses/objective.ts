import type { nn, Tensor } from "@penumbra/torch";
import type { z } from "zod";
import { ContrastError } from "../errors.ts";
import type { RedrawWord } from "./genscl.ts";
import type { NegativeUse } from "./negative-uses.ts";

/** Settings of an objective as they are given; each reads its own by its schema. */
export type LossSettings = Readonly<Record<string, unknown>>;

/** What the head gave for photos of earlier steps. */
export interface Remembered {
  /** [Q, P]; they have no gradient. */
  readonly rows: Tensor;
  /** Class of each, [Q]. */
  readonly labels: readonly number[];
  /** Training photo of each, [Q]. */
  readonly photos: readonly number[];
  /** What the objective's `targetsOf` gave for each, [Q, C]; null for one without. */
  readonly targets: Tensor | null;
  /** The teacher's logits of each, [Q, C]; null without a teacher. */
  readonly teacher: Tensor | null;
}

/** Ways to mix two images into one; "either" tosses a coin for each view of a step, as GenSCL does. */
export const MIX_KINDS = ["mixup", "cutmix", "either"] as const;
export type MixKind = (typeof MIX_KINDS)[number];

/** How an objective's photos are mixed with each other. */
export interface MixSettings {
  readonly kind: MixKind;
  /** Both parameters of the beta distribution of an image's share. */
  readonly alpha: number;
}

/** What the head gave for one step. */
export interface StepOutputs {
  /** [V B, P], float32: view 0 of all images, then view 1, and so on. */
  readonly rows: Tensor;
  readonly views: number;
  /** Class of each image, [B]. */
  readonly labels: readonly number[];
  /** C. */
  readonly classes: number;
  /** Training photo of each image, [B]: itself, or the one that it was redrawn from. */
  readonly photos: readonly number[];
  /** How each row's image was redrawn, [V B]; null for a photo, and where it is not known. */
  readonly words: readonly (RedrawWord | null)[];
  /** How much of every row's photo each row shows, [V B, V B] with rows of sum 1; null where nothing is mixed. */
  readonly blend: Tensor | null;
  /** The teacher's logits of each row's image, [V B, C]; null without a teacher. */
  readonly teacher: Tensor | null;
  /** Past projections; null where none are remembered, or none were made yet. */
  readonly memory: Remembered | null;
  /** [K, P], or null without negatives. */
  readonly negatives: Tensor | null;
  /** Source class of each negative, [K]; empty where unknown. */
  readonly negativeLabels: readonly number[];
  /** What the negatives are used as; null without negatives. */
  readonly use: NegativeUse | null;
}

/** What a head is made for. */
export interface HeadSize {
  /** D, features of an image. */
  readonly dimensions: number;
  /** C, known classes. */
  readonly classes: number;
  /** What negatives are used as; null without negatives. */
  readonly use: NegativeUse | null;
}

/** The size of a step, for its plateau. */
export interface StepSize {
  /** V B. */
  readonly rows: number;
  /** K. */
  readonly negatives: number;
  /** Q. */
  readonly memory: number;
  /** Whether there is a teacher. */
  readonly hasTeacher: boolean;
  readonly classes: number;
  /** What the negatives are used as; null without negatives. */
  readonly use: NegativeUse | null;
}

/** Uses of negatives with the settings of each. */
export type NegativePlaces<Settings> = Readonly<
  Partial<Record<NegativeUse, readonly (keyof Settings & string)[]>>
>;

/** What an encoder is trained for. To add one: a file with its loss, and a line in the table. */
export interface Objective<Settings = LossSettings> {
  /** What reports call it. */
  readonly title: string;
  /** What it wants, in one sentence. */
  readonly description: string;
  /** For one that is not built in: another one whenever its code gives another loss, so that a study trains anew. */
  readonly version?: number;
  /** Its settings with descriptions and defaults: the configuration's section `objectives.NAME` is made of it. */
  readonly settings: z.ZodType<Settings>;
  /** What negatives can be used as, and which settings matter for that use alone; empty where they have no place. */
  readonly negatives: NegativePlaces<Settings>;
  /** How many views of each image it needs at the least. Default 1. */
  leastViews?(settings: Settings): number;
  /** Whether each view of an image may be another of its photo's redraws. Default: all views are of one image. */
  readonly redrawsByView?: boolean;
  /** Whether past projections can be negatives of its anchors. Default false. */
  readonly takesMemory?: boolean;
  /** Label distributions of the rows, [V B, C], for one that needs those of past projections too. Default: none are kept. */
  targetsOf?(outputs: StepOutputs, settings: Settings): Tensor;
  /** Which settings matter with a teacher alone; undefined where a teacher has no place. */
  readonly teacher?: readonly (keyof Settings & string)[];
  /** The logits of the known classes, [N, C], among the head's outputs [N, P]: with them it can be a teacher. Default: it has none. */
  logitsOf?(outputs: Tensor, size: { readonly classes: number }, settings: Settings): Tensor;
  /** How its photos are mixed: its labels are distributions then. Default: not at all. */
  mix?(settings: Settings): MixSettings;
  /** Settings that need to know which class each negative was made from. */
  needsNegativeLabels(settings: Settings): boolean;
  /** The head on D features; weights from the default generator. */
  makeHead(size: HeadSize, settings: Settings): nn.Module;
  /** The step's loss, a scalar. */
  loss(outputs: StepOutputs, settings: Settings): Tensor;
  /** The loss of an encoder that tells nothing apart: {@link detectCollapse} compares with it. */
  plateau(step: StepSize, settings: Settings): number;
  /** What helps against a loss that stays there, in words. */
  readonly collapseRemedy: string;
}

/** What an objective can use negatives as, the usual use first. */
export function usesOf({ negatives }: Objective): NegativeUse[] {
  return Object.keys(negatives) as NegativeUse[];
}

/** An entry of the table whose settings are typed by their schema. */
export function defineObjective<Schema extends z.ZodObject>(
  objective: Omit<Objective<z.output<Schema>>, "settings"> & { readonly settings: Schema },
): Objective<z.output<Schema>> & { readonly settings: Schema } {
  return objective as ReturnType<typeof defineObjective<Schema>>;
}

/**
 * The settings of an objective, defaults filled in.
 * @throws ContrastError for a setting that it does not have, or an impossible value
 */
export function readLossSettings<Settings>(objective: Objective<Settings>, given: LossSettings): Settings {
  const read = objective.settings.safeParse(given);
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => `${path.join(".") || "loss"}: ${message}`);
  throw new ContrastError(
    `The settings of the objective "${objective.title}" do not fit. ${problems.join("; ")}. Correct "loss".`,
  );
}
