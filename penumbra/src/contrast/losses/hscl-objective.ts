import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { memoryOf } from "./columns-loss.ts";
import { projectionSettings } from "./contrast-settings.ts";
import { hardSupCon } from "./hscl.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";
import { unitViews } from "./unit-outputs.ts";

/** H-SCL (Jiang et al. 2022) on projections: pairs of one class against the nearer images of others. */
export const hsclObjective = defineObjective({
  title: "Hard SupCon",
  description: "Supervised contrastive loss in which the nearer images of other classes count more (H-SCL)",
  settings: z.strictObject({
    ...projectionSettings(0.5),
    hardness: z
      .number()
      .min(0)
      .meta({ description: "How much more the nearer ones count (beta); 0 = all alike" })
      .default(0.5),
    detachWeights: z
      .boolean()
      .meta({ description: "No gradient through the weights of the nearer ones" })
      .default(false),
  }),
  negatives: {},
  needsNegativeLabels: () => false,
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  takesMemory: true,
  loss: (outputs, { temperature, hardness, detachWeights }) =>
    hardSupCon(unitViews(outputs), {
      ...{ labels: outputs.labels, temperature, hardness, detachWeights },
      ...memoryOf(outputs, "class"),
    }),
  // ln(1 + Q) with Q = M - 2 and what is remembered.
  plateau: ({ rows, memory }) => Math.log(rows - 1 + memory),
  collapseRemedy: `${COLLAPSE_REMEDY} Lower the hardness.`,
});
