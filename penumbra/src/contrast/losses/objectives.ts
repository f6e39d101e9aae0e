import { nn, type Tensor } from "@penumbra/torch";
import { ProjectionHead } from "../../models/index.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { supConPlateau } from "./plateau.ts";
import { sourceClassMask, supCon } from "./supcon.ts";
import { normalizeRows } from "./unit-rows.ts";

/** Settings of the objectives; each reads its own. */
export interface LossSettings {
  /** supcon: tau. Default 0.1. */
  readonly temperature?: number;
  /** supcon: tau_base. Default `temperature`. */
  readonly baseTemperature?: number;
  /** supcon: dimensions of the projection. Default 128. */
  readonly projection?: number;
  /** supcon: weight of the negatives-only columns. Default 1. */
  readonly lambda?: number;
  /** supcon: tilt towards the nearer negatives. Default 0. */
  readonly beta?: number;
  /** supcon: whose denominators a negative enters: all anchors', or those of the class it was made from. Default "all". */
  readonly negativeScope?: "all" | "source-class";
  /** supcon: no gradient through the negatives. Default false. */
  readonly detachNegatives?: boolean;
  /** cross-entropy: share of the uniform distribution in the target. Default 0. */
  readonly labelSmoothing?: number;
}

/** What the head gave for one step. */
export interface StepOutputs {
  /** [V B, P], float32: view 0 of all images, then view 1, and so on. */
  readonly rows: Tensor;
  readonly views: number;
  /** Class of each image, [B]. */
  readonly labels: readonly number[];
  /** [K, P], or null without negatives. */
  readonly negatives: Tensor | null;
  /** Source class of each negative, [K]; empty where unknown. */
  readonly negativeLabels: readonly number[];
}

/** What an encoder is trained for. To add one: a file with its loss, and an entry in the table. */
export interface Objective {
  /** Whether negatives-only images can take part. */
  readonly takesNegatives: boolean;
  /** The head on D features; weights from the default generator. */
  makeHead(dimensions: number, classes: number, settings: LossSettings): nn.Module;
  /** The step's loss, a scalar. */
  loss(outputs: StepOutputs, settings: LossSettings): Tensor;
  /** The loss of an encoder that tells nothing apart. */
  plateau(step: { rows: number; negatives: number; classes: number }, settings: LossSettings): number;
}

export const objectives = {
  supcon: {
    takesNegatives: true,
    makeHead: (dimensions, _classes, { projection = 128 }) => new ProjectionHead(dimensions, projection),
    loss({ rows, views, labels, negatives, negativeLabels }, { negativeScope = "all", ...settings }) {
      const [count = 0, dimensions = 0] = rows.shape;
      const features = normalizeRows(rows)
        .reshape([views, count / views, dimensions])
        .transpose(0, 1); // [B, V, P]
      return supCon(features, {
        labels,
        negatives: negatives && normalizeRows(negatives),
        negativeMask:
          negatives && negativeScope === "source-class" ? sourceClassMask(labels, negativeLabels) : null,
        temperature: settings.temperature,
        baseTemperature: settings.baseTemperature,
        lambda: settings.lambda,
        beta: settings.beta,
        detachNegatives: settings.detachNegatives,
      });
    },
    plateau: ({ rows, negatives, classes }, { negativeScope, lambda, temperature, baseTemperature }) =>
      supConPlateau({
        rows,
        // With the classes evenly drawn, an anchor sees one in `classes` of the negatives.
        negatives: negativeScope === "source-class" ? negatives / classes : negatives,
        lambda,
        temperature,
        baseTemperature,
      }),
  },
  "cross-entropy": {
    takesNegatives: false,
    makeHead: (dimensions, classes) => new nn.Linear(dimensions, classes),
    loss: ({ rows, views, labels }, { labelSmoothing }) =>
      crossEntropy(rows, Array.from({ length: views }, () => labels).flat(), { labelSmoothing }),
    plateau: ({ classes }) => Math.log(classes),
  },
} satisfies Record<string, Objective>;

export type ObjectiveName = keyof typeof objectives;
