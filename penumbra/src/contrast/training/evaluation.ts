import * as torch from "@penumbra/torch";
import { deriveSeed, type nn, noGrad, scope, type Tensor } from "@penumbra/torch";
import type { Compute } from "../../models/index.ts";
import type { LossSettings, Objective } from "../losses/objective.ts";
import { normalizeRows } from "../losses/unit-rows.ts";
import { extractFeatures } from "../probe/extract-features.ts";
import { Batches } from "./batches.ts";
import type { Encoder } from "./encoder.ts";
import type { Evaluation } from "./kept-weights.ts";
import type { Teacher } from "./teacher.ts";
import type { TrainOptions } from "./train-options.ts";
import { makeSource, type TrainingImages } from "./training-images.ts";

/** What is evaluated with. */
export interface Evaluated {
  readonly encoder: Encoder;
  readonly head: nn.Module;
  readonly objective: Objective;
  readonly loss: LossSettings;
  readonly compute: Compute;
  readonly teacher: Teacher | null;
}

type EvaluatedOptions = TrainOptions & Required<Pick<TrainOptions, "evaluation">>;

/**
 * Evaluates an encoder that is being trained, in evaluation mode. Batches and augmentation are the same every time, and
 * nothing is drawn from the default generators: whether it is evaluated changes no bit of a training.
 */
export class Evaluator {
  readonly #options: EvaluatedOptions;
  readonly #classes: number;
  readonly #train: TrainingImages;
  readonly #validation: TrainingImages;

  /** @param train the training's own images */
  constructor(options: EvaluatedOptions, classes: number, train: TrainingImages) {
    const { faithful: _, negatives: __, ...rest } = options;
    const { images, labels } = options.evaluation;
    this.#options = options;
    this.#classes = classes;
    this.#train = train;
    this.#validation = makeSource({ ...rest, images, labels }, classes);
  }

  /** Leaves encoder and head in evaluation mode. */
  at(step: number, evaluated: Evaluated): Evaluation {
    const { images, labels, evaluation, device = "cpu" } = this.#options;
    const { encoder, head } = evaluated;
    encoder.eval();
    head.eval();
    return scope(() =>
      noGrad(() => {
        const train = extractFeatures(encoder, images, { device });
        const validation = extractFeatures(encoder, evaluation.images, { device });
        const nearest = nearestMeans(train, labels, this.#classes);
        return {
          step,
          train: {
            loss: this.#lossOf("train", evaluated),
            accuracy: shareRight(nearest(train), labels),
          },
          validation: {
            loss: this.#lossOf("validation", evaluated),
            accuracy: shareRight(nearest(validation), evaluation.labels),
          },
        };
      }),
    );
  }

  dispose(): void {
    this.#validation.dispose();
  }

  /** Mean loss over as many batches as hold every validation photo once: of both parts, so that they cost the same. */
  #lossOf(
    part: "train" | "validation",
    { encoder, head, objective, loss, compute, teacher }: Evaluated,
  ): number {
    const { seed, labels, evaluation, batchSize = 64, views = 2 } = this.#options;
    const source = part === "train" ? this.#train : this.#validation;
    const own = part === "train" ? labels : evaluation.labels;
    const batches = new Batches({
      ...{ seed: deriveSeed(seed, "evaluation", part), images: own.length, labels: own, batchSize, views },
      ...{ photosPerClass: 0, mix: null },
      ...{ variants: [], faithfulProbability: 0, variantsByView: false },
      ...{ negatives: 0, negativesPerStep: 0 },
    });
    const steps = Math.ceil(evaluation.labels.length / batchSize);
    let sum = 0;
    for (let step = 0; step < steps; step++) {
      sum += scope(() => {
        const batch = batches.at(step);
        const drawn = source.draw(batch);
        const outputs = compute(() => head.forward(encoder.forward(drawn.pixels))).to("float32");
        return objective.loss(source.outputsOf(batch, drawn, outputs, teacher), loss).item();
      });
    }
    return sum / steps;
  }
}

/** The class whose mean direction is nearest, of each row of features (Mensink et al. 2013, with angles). */
function nearestMeans(train: Tensor, labels: readonly number[], classes: number) {
  const membership = torch
    .fromTyped(BigInt64Array.from(labels, BigInt), [labels.length])
    .oneHot({ numClasses: classes })
    .to("float32"); // [N, C]
  const means = normalizeRows(membership.t().matmul(normalizeRows(train))); // [C, D]
  return (features: Tensor): number[] => features.matmul(means.t()).argmax({ dim: 1 }).toNumbers();
}

function shareRight(answers: readonly number[], labels: readonly number[]): number {
  return answers.filter((answer, index) => answer === labels[index]).length / labels.length;
}
