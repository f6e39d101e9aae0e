import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { columnsLoss, columnsPlateau } from "./columns-loss.ts";
import { columnNames, columnSettings, projectionSettings } from "./contrast-settings.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";

/** SupCon with the mean over positives inside the logarithm (Khosla et al. 2020, L_in), on projections. */
export const supconInObjective = defineObjective({
  title: "SupCon, mean inside",
  description: "Supervised contrastive loss that one near row of the class satisfies (L_in)",
  settings: z.strictObject({ ...projectionSettings(), ...columnSettings }),
  negatives: { columns: columnNames },
  takesMemory: true,
  needsNegativeLabels: ({ negativeScope }) => negativeScope === "source-class",
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  loss: (outputs, settings) => columnsLoss(outputs, settings, { form: "in" }),
  plateau: columnsPlateau,
  collapseRemedy: COLLAPSE_REMEDY,
});
