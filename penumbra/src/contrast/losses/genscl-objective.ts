import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { projectionSettings } from "./contrast-settings.ts";
import { genSupCon, redrawLabels } from "./genscl.ts";
import { blended } from "./label-distributions.ts";
import { defineObjective } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";
import { normalizeRows } from "./unit-rows.ts";

/**
 * Generalized SCL (Kim et al. 2022) on projections, with the soft labels of Diff-Mix for redraws: a redraw with another
 * class's word lies between the two classes, the nearer to the word's the stronger it is.
 */
export const gensclObjective = defineObjective({
  title: "Generalized SupCon",
  description: "Contrastive loss of label distributions: images attract as much as their labels agree",
  settings: z.strictObject({
    ...projectionSettings(),
    labelExponent: z
      .number()
      .positive()
      .meta({
        description:
          "A redraw of strength s with another class's word is s^gamma of that class (gamma; Diff-Mix takes 0.8)",
      })
      .default(0.8),
  }),
  negatives: {},
  needsNegativeLabels: () => false,
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  loss({ rows, views, labels, words, classes, blend }, { temperature, labelExponent }) {
    const sources = Array.from({ length: views }, () => labels).flat();
    const distributions = redrawLabels(sources, words, classes, { exponent: labelExponent });
    return genSupCon(normalizeRows(rows), blended(blend, distributions), { temperature });
  },
  plateau: ({ rows }) => Math.log(rows - 1),
  collapseRemedy: COLLAPSE_REMEDY,
});
