import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { areMarginsInOrder, crossEntropyObjective, marginRule } from "./cross-entropy-objective.ts";
import { defineObjective, type StepOutputs } from "./objective.ts";
import { supconObjective } from "./supcon-objective.ts";

/** A projection and a classifier side by side on the same features: [M, D] -> [M, P + logits]. */
class JointHead extends nn.Module {
  readonly projection: nn.Module;
  readonly classifier: nn.Module;

  constructor(projection: nn.Module, classifier: nn.Module) {
    super();
    this.projection = projection;
    this.classifier = classifier;
  }

  override forward(features: Tensor): Tensor {
    return torch.cat([this.projection.forward(features), this.classifier.forward(features)], { dim: 1 });
  }
}

/**
 * SupCon and cross-entropy of the same encoder at once: L = L_SupCon + weight L_CE, each through a head of its own.
 *
 * Negatives go to one of the two: as columns to SupCon (cross-entropy then sees photos alone), in every other use to
 * the classifier.
 */
export const jointObjective = defineObjective({
  title: "SupCon + cross-entropy",
  description: "The supervised contrastive loss and a classifier's loss together, each through its own head",
  settings: z
    .strictObject({
      ...supconObjective.settings.shape,
      ...crossEntropyObjective.settings.shape,
      crossEntropyWeight: z
        .number()
        .positive()
        .meta({ description: "Weight of cross-entropy beside the contrastive loss" })
        .default(1),
    })
    .refine(areMarginsInOrder, marginRule),
  negatives: { columns: supconObjective.negatives.columns ?? [], ...crossEntropyObjective.negatives },
  takesMemory: true,
  needsNegativeLabels: (settings) => supconObjective.needsNegativeLabels(settings),
  logitsOf: (outputs, { classes }, { projection }) => outputs.narrow(1, projection, classes),
  makeHead: (size, settings) =>
    new JointHead(supconObjective.makeHead(size, settings), crossEntropyObjective.makeHead(size, settings)),
  loss(outputs, settings) {
    const { projections, logits } = divided(outputs, settings.projection);
    return supconObjective
      .loss(projections, settings)
      .add(crossEntropyObjective.loss(logits, settings), { alpha: settings.crossEntropyWeight });
  },
  plateau(step, settings) {
    const isOfColumns = step.use === "columns";
    const none = { negatives: 0, use: null };
    return (
      supconObjective.plateau({ ...step, ...(!isOfColumns && none) }, settings) +
      settings.crossEntropyWeight *
        crossEntropyObjective.plateau({ ...step, ...(isOfColumns && none) }, settings)
    );
  },
  collapseRemedy: supconObjective.collapseRemedy,
});

/** The outputs of the two heads, the negatives where they are used. */
function divided(
  outputs: StepOutputs,
  projection: number,
): { readonly projections: StepOutputs; readonly logits: StepOutputs } {
  const { rows, memory, negatives, use } = outputs;
  const left = (tensor: Tensor) => tensor.narrow(1, 0, projection);
  const right = (tensor: Tensor) => tensor.narrow(1, projection, (tensor.shape[1] as number) - projection);
  const none = { negatives: null, negativeLabels: [], use: null };
  const isOfColumns = use === "columns";
  return {
    projections: {
      ...{ ...outputs, rows: left(rows), negatives: negatives && left(negatives) },
      ...(memory && { memory: { ...memory, rows: left(memory.rows) } }),
      ...(!isOfColumns && none),
    },
    logits: {
      ...{ ...outputs, rows: right(rows), memory: null, negatives: negatives && right(negatives) },
      ...(isOfColumns && none),
    },
  };
}
