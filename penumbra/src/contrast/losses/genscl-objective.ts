import type { Tensor } from "@penumbra/torch";
import { z } from "zod";
import { ProjectionHead } from "../../models/index.ts";
import { projectionSettings } from "./contrast-settings.ts";
import { genSupCon, redrawLabels } from "./genscl.ts";
import { blended } from "./label-distributions.ts";
import { defineObjective, type StepOutputs } from "./objective.ts";
import { COLLAPSE_REMEDY } from "./plateau.ts";
import { normalizeRows } from "./unit-rows.ts";

const settings = z.strictObject({
  ...projectionSettings(),
  labelExponent: z
    .number()
    .positive()
    .meta({
      description:
        "A redraw of strength s with another class's word is s^gamma of that class (gamma; Diff-Mix takes 0.8)",
    })
    .default(0.8),
  teacherWeight: z
    .number()
    .positive()
    .meta({ description: "Weight of what a teacher says beside the labels, where an arm has one (alpha)" })
    .default(1),
  teacherTemperature: z
    .number()
    .positive()
    .meta({ description: "Temperature of the teacher's softmax; above 1 = softer labels" })
    .default(1),
});

/**
 * Generalized SCL (Kim et al. 2022) on projections, with the soft labels of Diff-Mix for redraws: a redraw with another
 * class's word lies between the two classes, the nearer to the word's the stronger it is. With a teacher images attract
 * as much as its answers agree, too: L(labels) + teacherWeight L(softmax(teacher / teacherTemperature)).
 */
export const gensclObjective = defineObjective({
  title: "Generalized SupCon",
  description: "Contrastive loss of label distributions: images attract as much as their labels agree",
  settings,
  negatives: {},
  needsNegativeLabels: () => false,
  makeHead: ({ dimensions }, { projection }) => new ProjectionHead(dimensions, projection),
  takesMemory: true,
  teacher: ["teacherWeight", "teacherTemperature"],
  targetsOf,
  loss(outputs, settings) {
    const { rows, memory, teacher } = outputs;
    const { temperature, teacherWeight, teacherTemperature } = settings;
    const answersOf = (logits: Tensor | null) => logits?.div(teacherTemperature).softmax(1) ?? null;
    const distributions = targetsOf(outputs, settings);
    return genSupCon(normalizeRows(rows), distributions, {
      ...{ temperature, teacher: answersOf(teacher), teacherWeight },
      memory: memory?.targets
        ? {
            ...{ rows: normalizeRows(memory.rows), distributions: memory.targets },
            teacher: answersOf(memory.teacher),
          }
        : null,
    });
  },
  // Of what is remembered, an image of one class sees all but one in `classes`.
  plateau: ({ rows, memory, classes, hasTeacher }, { teacherWeight }) =>
    (hasTeacher ? 1 + teacherWeight : 1) * Math.log(rows - 1 + memory * (1 - 1 / classes)),
  collapseRemedy: COLLAPSE_REMEDY,
});

/** The label distribution of each row, [V B, C]. */
function targetsOf(
  { views, labels, words, classes, blend }: StepOutputs,
  { labelExponent }: z.output<typeof settings>,
) {
  const sources = Array.from({ length: views }, () => labels).flat();
  return blended(blend, redrawLabels(sources, words, classes, { exponent: labelExponent }));
}
