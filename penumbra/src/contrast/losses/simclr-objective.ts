import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { columnsOf, columnsPlateau } from "./columns-loss.ts";
import { columnNames, columnSettings, projectionSettings } from "./contrast-settings.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";
import { supCon } from "./supcon.ts";
import { unitViews } from "./unit-outputs.ts";

/** NT-Xent (SimCLR, Chen et al. 2020) on projections: the classes take no part. */
export const simclrObjective = defineObjective({
  title: "SimCLR",
  description:
    "Contrastive loss without labels (NT-Xent): views of one photo attract, all other photos repel",
  settings: z.strictObject({ ...projectionSettings(0.5), ...columnSettings }),
  negatives: { columns: columnNames },
  leastViews: () => 2,
  needsNegativeLabels: ({ negativeScope }) => negativeScope === "source-class",
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  loss: (outputs, settings) => supCon(unitViews(outputs), columnsOf(outputs, settings, "photo")),
  takesMemory: true,
  plateau: (step, settings) => columnsPlateau(step, settings, "photo"),
  collapseRemedy: `${COLLAPSE_REMEDY} A small batch has few negatives: enlarge it.`,
});
