import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { columnsLoss, columnsPlateau, memoryOf } from "./columns-loss.ts";
import { columnNames, columnSettings, projectionSettings } from "./contrast-settings.ts";
import { defineObjective, type StepOutputs } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";
import { supCon } from "./supcon.ts";
import { unitRows } from "./unit-outputs.ts";

const settings = z.strictObject({ ...projectionSettings(), ...columnSettings });
type Settings = z.output<typeof settings>;

/**
 * SupCon (Khosla et al. 2020, L_out) on projections. Near-OOD redraws are negatives-only columns, or for comparison one
 * class more: anchors and each other's positives, which pulls them together.
 */
export const supconObjective = defineObjective({
  title: "SupCon",
  description: "Supervised contrastive loss: rows of one class attract, all others and the negatives repel",
  settings,
  negatives: { columns: columnNames, "extra-class": [] },
  takesMemory: true,
  needsNegativeLabels: ({ negativeScope }) => negativeScope === "source-class",
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  loss: (outputs, settings) =>
    outputs.use === "extra-class" ? withExtraClass(outputs, settings) : columnsLoss(outputs, settings),
  plateau(step, settings) {
    const { rows, negatives, use } = step;
    if (use === "extra-class") {
      return columnsPlateau({ ...step, rows: rows + negatives, negatives: 0 }, settings);
    }
    return columnsPlateau(step, settings);
  },
  collapseRemedy: COLLAPSE_REMEDY,
});

/**
 * Photos and negatives as rows of one view each, the negatives all of one class that no photo has. What is remembered are
 * photos: negatives' rows see all of it.
 */
function withExtraClass(outputs: StepOutputs, { temperature }: Settings) {
  const { rows, rowLabels } = unitRows(outputs);
  const memory = memoryOf({ ...outputs, labels: rowLabels }, "class");
  return supCon(rows.unsqueeze(1), { labels: rowLabels, temperature, ...memory });
}
