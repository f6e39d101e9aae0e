import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { columnsLoss, columnsPlateau } from "./columns-loss.ts";
import { columnNames, columnSettings, projectionSettings } from "./contrast-settings.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";

/**
 * StableRep's multi-positive loss (Tian et al. 2023) on projections: a photo and its redraws attract each other, whatever
 * their class, and each view may be another redraw. With positives by class it is SupCon on such views.
 */
export const stablerepObjective = defineObjective({
  title: "StableRep",
  description: "Multi-positive contrastive loss: a photo and all its redraws attract, all other images repel",
  settings: z.strictObject({
    ...projectionSettings(),
    positives: z
      .enum(["photo", "class"])
      .meta({ description: "What attracts: images of one photo (itself and its redraws), or of one class" })
      .default("photo"),
    ...columnSettings,
  }),
  negatives: { columns: columnNames },
  leastViews: ({ positives }) => (positives === "photo" ? 2 : 1),
  redrawsByView: true,
  needsNegativeLabels: ({ negativeScope }) => negativeScope === "source-class",
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  loss: (outputs, settings) => columnsLoss(outputs, settings, { by: settings.positives }),
  takesMemory: true,
  plateau: (step, settings) => columnsPlateau(step, settings, settings.positives),
  collapseRemedy: COLLAPSE_REMEDY,
});
