import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { columnSettings } from "./contrast-settings.ts";
import type { StepOutputs, StepSize } from "./objective.ts";
import { supConPlateau } from "./plateau.ts";
import { otherClassMask, type SupConOptions, sourceClassMask, supCon } from "./supcon.ts";
import { unitMemory, unitNegatives, unitViews } from "./unit-outputs.ts";

/** SupCon's forms over a step's outputs, with its negatives and past projections as columns. */

type ColumnSettings = z.output<z.ZodObject<typeof columnSettings>> & { readonly temperature: number };

/** What attracts: images of one class, or of one photo. */
export type Group = "class" | "photo";

/**
 * {@link supCon} of a step.
 * @param options.by rows of which group attract; default those of a class
 * @param options.form default "out"
 */
export function columnsLoss(
  outputs: StepOutputs,
  settings: ColumnSettings,
  { by = "class", ...options }: { readonly by?: Group } & Pick<SupConOptions, "form"> = {},
): Tensor {
  const labels = by === "class" ? outputs.labels : outputs.photos;
  return supCon(unitViews(outputs), { ...options, labels, ...columnsOf(outputs, settings, by) });
}

/** The negatives and past projections of a step as columns, with what settings say of them. */
export function columnsOf(outputs: StepOutputs, settings: ColumnSettings, by: Group): SupConOptions {
  const { temperature, negativeWeight, negativeTilt, negativeScope, detachNegatives } = settings;
  const negatives = unitNegatives(outputs);
  return {
    negatives,
    negativeMask:
      negatives && negativeScope === "source-class"
        ? sourceClassMask(outputs.labels, outputs.negativeLabels)
        : null,
    ...memoryOf(outputs, by),
    ...{ temperature, negativeWeight, negativeTilt, detachNegatives },
  };
}

/** Past projections of other groups: those of an image's own are no negatives of it, and too old to be its positives. */
export function memoryOf(outputs: StepOutputs, by: Group): Pick<SupConOptions, "memory" | "memoryMask"> {
  const { memory, labels, photos } = outputs;
  if (!memory) return {};
  return {
    memory: unitMemory(outputs),
    memoryMask:
      by === "class" ? otherClassMask(labels, memory.labels) : otherClassMask(photos, memory.photos),
  };
}

/** The loss of {@link columnsLoss} where all rows are equal. */
export function columnsPlateau(
  { rows, negatives, memory, classes }: StepSize,
  settings: ColumnSettings,
  by: Group = "class",
): number {
  const { negativeScope, negativeWeight, temperature } = settings;
  // With the classes evenly drawn, an anchor sees one in `classes` of the negatives, and all but one in `classes` of
  // what is remembered; with photos as groups, of which there are many, nearly all.
  const seen = negativeScope === "source-class" ? negatives / classes : negatives;
  const remembered = by === "class" ? memory * (1 - 1 / classes) : memory;
  return supConPlateau({ rows, negatives: seen, negativeWeight, memory: remembered, temperature });
}
