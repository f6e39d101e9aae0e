import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { columnSettings } from "./contrast-settings.ts";
import type { StepOutputs, StepSize } from "./objective.ts";
import { supConPlateau } from "./plateau.ts";
import { type SupConOptions, sourceClassMask, supCon } from "./supcon.ts";
import { unitNegatives, unitViews } from "./unit-outputs.ts";

/** SupCon's forms over a step's outputs, with its negatives as columns. */

type ColumnSettings = z.output<z.ZodObject<typeof columnSettings>> & { readonly temperature: number };

/**
 * {@link supCon} of a step.
 * @param options.labels group of each image: rows of one attract; default its class
 * @param options.form default "out"
 */
export function columnsLoss(
  outputs: StepOutputs,
  settings: ColumnSettings,
  { labels = outputs.labels, ...options }: Pick<SupConOptions, "labels" | "form"> = {},
): Tensor {
  return supCon(unitViews(outputs), { ...options, labels, ...columnsOf(outputs, settings) });
}

/** The negatives of a step as columns, with what settings say of them. */
export function columnsOf(outputs: StepOutputs, settings: ColumnSettings): SupConOptions {
  const { temperature, negativeWeight, negativeTilt, negativeScope, detachNegatives } = settings;
  const negatives = unitNegatives(outputs);
  return {
    negatives,
    negativeMask:
      negatives && negativeScope === "source-class"
        ? sourceClassMask(outputs.labels, outputs.negativeLabels)
        : null,
    ...{ temperature, negativeWeight, negativeTilt, detachNegatives },
  };
}

/** The loss of {@link columnsLoss} where all rows are equal. */
export function columnsPlateau({ rows, negatives, classes }: StepSize, settings: ColumnSettings): number {
  const { negativeScope, negativeWeight, temperature } = settings;
  // With the classes evenly drawn, an anchor sees one in `classes` of the negatives.
  const seen = negativeScope === "source-class" ? negatives / classes : negatives;
  return supConPlateau({ rows, negatives: seen, negativeWeight, temperature });
}
