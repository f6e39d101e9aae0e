import { nn } from "@penumbra/torch";
import { z } from "zod";
import { crossEntropy } from "./cross-entropy.ts";
import { defineObjective } from "./objective.ts";

/** Cross-entropy of a linear classifier; each view of a photo is an image of its own. */
export const crossEntropyObjective = defineObjective({
  title: "Cross-entropy",
  description: "Classifier's loss on the known classes",
  settings: z.strictObject({
    labelSmoothing: z
      .number()
      .min(0)
      .max(1)
      .meta({ description: "Share of the uniform distribution in the target" })
      .default(0),
  }),
  negatives: null,
  needsNegativeLabels: () => false,
  makeHead: (dimensions, classes) => new nn.Linear(dimensions, classes),
  loss: ({ rows, views, labels }, { labelSmoothing }) =>
    crossEntropy(rows, Array.from({ length: views }, () => labels).flat(), { labelSmoothing }),
  plateau: ({ classes }) => Math.log(classes),
  collapseRemedy: "Lengthen the warm-up, lower the learning rate, or train for more steps.",
});
