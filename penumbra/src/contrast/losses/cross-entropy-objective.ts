import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { z } from "zod";
import { ContrastError } from "../errors.ts";
import { ClassifierHead } from "./classifier-head.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { blended, oneHot } from "./label-distributions.ts";
import { defineObjective, type StepOutputs } from "./objective.ts";
import { energyMargin, energyMarginPlateau, outlierExposure } from "./outlier-losses.ts";

const fields = {
  labelSmoothing: z
    .number()
    .min(0)
    .max(1)
    .meta({ description: "Share of the uniform distribution in the target" })
    .default(0),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .meta({ description: "Probability that the classifier does not see a feature in training; 0 = sees all" })
    .default(0),
  exposureWeight: z
    .number()
    .positive()
    .meta({ description: "Weight of outlier exposure, where negatives are used so" })
    .default(0.5),
  energyWeight: z
    .number()
    .positive()
    .meta({ description: "Weight of the energy margins, where negatives are used so" })
    .default(0.1),
  energyInside: z.number().meta({ description: "Energy that photos are pushed below (m_in)" }).default(-7),
  energyOutside: z
    .number()
    .meta({ description: "Energy that negatives are pushed above (m_out); higher than energyInside" })
    .default(-4),
};

/** Whether the margins of the energy are in order; what is said where they are not. */
export const areMarginsInOrder = ({
  energyInside,
  energyOutside,
}: {
  energyInside: number;
  energyOutside: number;
}) => energyInside < energyOutside;
export const marginRule = { path: ["energyOutside"], message: "It must be above energyInside." };

const settings = z.strictObject(fields).refine(areMarginsInOrder, marginRule);
type Settings = z.output<typeof settings>;

/**
 * Cross-entropy of a linear classifier; each view of a photo is an image of its own. Negatives are one class more, or
 * outliers of outlier exposure or of energy margins.
 */
export const crossEntropyObjective = defineObjective({
  title: "Cross-entropy",
  description: "Classifier's loss on the known classes",
  settings,
  negatives: {
    "extra-class": [],
    "outlier-exposure": ["exposureWeight"],
    energy: ["energyWeight", "energyInside", "energyOutside"],
  },
  needsNegativeLabels: () => false,
  logitsOf: (outputs, { classes }) => outputs.narrow(1, 0, classes), // the last one may be the negatives' class
  makeHead: ({ dimensions, classes, use }, { dropout }) =>
    new ClassifierHead(dimensions, logitsOf(classes, use), dropout),
  loss(outputs, settings) {
    const { rows, negatives, use } = outputs;
    const { labelSmoothing, exposureWeight, energyWeight } = settings;
    const rowLabels = labelsOf(outputs);
    if (negatives && use === "extra-class") {
      return withExtraClass(rows, rowLabels, negatives, labelSmoothing);
    }
    const known = crossEntropy(rows, rowLabels, { labelSmoothing });
    if (!negatives) return known;
    if (use === "outlier-exposure") return known.add(outlierExposure(negatives), { alpha: exposureWeight });
    if (use === "energy") {
      return known.add(energyMargin(rows, negatives, marginsOf(settings)), { alpha: energyWeight });
    }
    throw new ContrastError(
      `Cross-entropy cannot use negatives as "${use}". Use them as extra-class, outlier-exposure or energy.`,
    );
  },
  plateau({ classes, use }, settings) {
    const known = Math.log(logitsOf(classes, use));
    if (use === "outlier-exposure") return known + settings.exposureWeight * Math.log(classes);
    if (use === "energy") return known + settings.energyWeight * energyMarginPlateau(marginsOf(settings));
    return known;
  },
  collapseRemedy: "Lengthen the warm-up, lower the learning rate, or train for more steps.",
});

/** Photos and negatives alike, the mean over all rows; the last logit is the negatives' class. */
function withExtraClass(
  rows: Tensor,
  labels: readonly number[] | Tensor,
  negatives: Tensor,
  labelSmoothing: number,
): Tensor {
  const [count = 0, logits = 0] = negatives.shape;
  const background = Array.from({ length: count }, () => logits - 1);
  const all =
    labels instanceof torch.Tensor
      ? torch.cat([labels, oneHot(background, logits).to(labels.device)])
      : [...labels, ...background];
  return crossEntropy(torch.cat([rows, negatives]), all, { labelSmoothing });
}

/** Class of each row; where photos are mixed, its distribution over the logits. */
function labelsOf({ rows, views, labels, blend }: StepOutputs): readonly number[] | Tensor {
  const rowLabels = Array.from({ length: views }, () => labels).flat();
  return blend ? blended(blend, oneHot(rowLabels, rows.shape[1] as number)) : rowLabels;
}

function logitsOf(classes: number, use: StepOutputs["use"]): number {
  return use === "extra-class" ? classes + 1 : classes;
}

function marginsOf({ energyInside, energyOutside }: Settings) {
  return { inside: energyInside, outside: energyOutside };
}
