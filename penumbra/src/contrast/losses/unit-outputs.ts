import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import type { StepOutputs } from "./objective.ts";
import { normalizeRows } from "./unit-rows.ts";

/** A step's projections as the contrastive losses take them: rows of length 1. */

/** [V B, P] view by view -> [B, V, P]. */
export function unitViews({ rows, views }: StepOutputs): Tensor {
  const [count = 0, dimensions = 0] = rows.shape;
  return normalizeRows(rows)
    .reshape([views, count / views, dimensions])
    .transpose(0, 1);
}

/** [K, P], or null without negatives. */
export function unitNegatives({ negatives }: StepOutputs): Tensor | null {
  return negatives && normalizeRows(negatives);
}

/** Past projections, [Q, P], or null. */
export function unitMemory({ memory }: StepOutputs): Tensor | null {
  return memory && normalizeRows(memory.rows);
}

/** Photos and negatives together, [V B + K, P], with the class of each row: the negatives' is one above the highest. */
export function unitRows(outputs: StepOutputs): { readonly rows: Tensor; readonly rowLabels: number[] } {
  const { rows, views, labels } = outputs;
  const negatives = unitNegatives(outputs);
  const background = 1 + Math.max(...labels);
  const photoLabels = Array.from({ length: views }, () => labels).flat();
  if (!negatives) return { rows: normalizeRows(rows), rowLabels: photoLabels };
  const [count = 0] = negatives.shape;
  return {
    rows: torch.cat([normalizeRows(rows), negatives]),
    rowLabels: [...photoLabels, ...Array.from({ length: count }, () => background)],
  };
}
