import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY, supConPlateau } from "./plateau.ts";
import { sourceClassMask, supCon } from "./supcon.ts";
import { normalizeRows } from "./unit-rows.ts";

/** SupCon (Khosla et al. 2020, L_out) on projections, with near-OOD redraws as negatives-only columns. */
export const supconObjective = defineObjective({
  title: "SupCon",
  description: "Supervised contrastive loss: rows of one class attract, all others and the negatives repel",
  settings: z.strictObject({
    temperature: z
      .number()
      .positive()
      .meta({ description: "Temperature of the contrastive loss" })
      .default(0.1),
    projection: z
      .int()
      .positive()
      .meta({ description: "Dimensions of the projection that the contrastive loss sees" })
      .default(64),
    negativeWeight: z
      .number()
      .positive()
      .meta({ description: "Weight of the near-OOD columns in the loss's denominator (lambda)" })
      .default(1),
    negativeTilt: z
      .number()
      .min(0)
      .meta({ description: "Importance of the nearer ones among them (beta); 0 = all alike" })
      .default(0),
    negativeScope: z
      .enum(["all", "source-class"])
      .meta({
        description:
          "Which photos a near-OOD redraw is held against: all, or those of the class it came from",
      })
      .default("all"),
    detachNegatives: z
      .boolean()
      .meta({ description: "No gradient through the near-OOD redraws: they push the photos only" })
      .default(false),
  }),
  negatives: { settings: ["negativeWeight", "negativeTilt", "negativeScope", "detachNegatives"] },
  needsNegativeLabels: ({ negativeScope }) => negativeScope === "source-class",
  makeHead: (dimensions, _classes, { projection }) => new ProjectionHead(dimensions, projection),
  loss({ rows, views, labels, negatives, negativeLabels }, { negativeScope, projection: _, ...settings }) {
    const [count = 0, dimensions = 0] = rows.shape;
    const features = normalizeRows(rows)
      .reshape([views, count / views, dimensions])
      .transpose(0, 1); // [B, V, P]
    return supCon(features, {
      labels,
      negatives: negatives && normalizeRows(negatives),
      negativeMask:
        negatives && negativeScope === "source-class" ? sourceClassMask(labels, negativeLabels) : null,
      ...settings,
    });
  },
  plateau: ({ rows, negatives, classes }, { negativeScope, negativeWeight, temperature }) =>
    supConPlateau({
      rows,
      // With the classes evenly drawn, an anchor sees one in `classes` of the negatives.
      negatives: negativeScope === "source-class" ? negatives / classes : negatives,
      negativeWeight,
      temperature,
    }),
  collapseRemedy: COLLAPSE_REMEDY,
});
