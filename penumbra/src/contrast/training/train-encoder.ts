import * as torch from "@penumbra/torch";
import { type nn, optim, type Precision, scope } from "@penumbra/torch";
import { autocastTo, type Compute } from "../../models/index.ts";
import { ContrastError } from "../errors.ts";
import type { NegativeUse } from "../losses/negative-uses.ts";
import { type LossSettings, type Objective, readLossSettings } from "../losses/objective.ts";
import { objectiveOf } from "../losses/objectives.ts";
import { type Collapse, detectCollapse } from "../losses/plateau.ts";
import { Encoder } from "./encoder.ts";
import { type RateGroup, rateGroups, setTrainingMode } from "./fine-tuning.ts";
import {
  negativeUseOf,
  type OptimizerSettings,
  requireTrainOptions,
  type TrainOptions,
} from "./train-options.ts";
import { makeSource, type TrainingImages } from "./training-images.ts";
import { identityOf, readCheckpoint, type TrainingState, writeCheckpoint } from "./training-state.ts";

export interface TrainedEncoder {
  /** In evaluation mode, on the device it was trained on. */
  readonly encoder: Encoder;
  /** What the loss saw the features through: a projection, or for cross-entropy the class logits. */
  readonly head: nn.Module;
  /** Its name in the table of objectives; null where nothing was trained. */
  readonly objective: string | null;
  readonly loss: LossSettings;
  readonly classes: number;
  /** What negatives were used as; null without negatives. */
  readonly use: NegativeUse | null;
  /** Loss of every step. */
  readonly losses: readonly number[];
  /** Set when the loss ended where an encoder that has learned nothing stands. */
  readonly collapse: Collapse | null;
  /** What was computed in, and why. */
  readonly precision: Precision;
}

/**
 * Trains an encoder and its head from random or published weights, all of it or its last layers.
 *
 * Every step: B photos in shuffled rounds, each in V random versions (or, with the faithful probability, those of one of its
 * faithful redraws), and K negatives in one version, all through the SAME augmentation and ONE forward pass: batch
 * norm sees photos and negatives together, as PASCL and OpenOOD's OE have it, so that neither can be told by its own
 * statistics. At use, batch norm's averages are those of that mixture. Learning rate: linear warm-up, half a cosine.
 *
 * All randomness comes from `seed` by item and step: the same seed gives the same bits on one machine with the same
 * number of threads, and an interrupted training that goes on from its checkpoint ends with the same bits too.
 *
 * @throws ContrastError when options do not fit together, or the loss is no longer finite
 * @example
 * const { encoder, losses } = await trainEncoder({
 *   objective: "supcon",
 *   images, // uint8 [N, 3, 64, 64]
 *   labels,
 *   negatives: { images: nearOod, perStep: 32 },
 *   steps: 600,
 *   augment: { crop: { scale: [0.4, 1] }, flip: 0.5 },
 *   seed: 0,
 * });
 */
export async function trainEncoder(options: TrainOptions): Promise<TrainedEncoder> {
  const classes = requireTrainOptions(options);
  const training = beginTraining(options, classes);
  try {
    await takeSteps(training, options);
  } finally {
    training.state.optimizer.dispose();
    training.source.dispose();
  }
  return describeTrained(training, options, classes);
}

/** What the steps of a training work with. */
interface Training {
  readonly objective: Objective;
  readonly loss: LossSettings;
  readonly precision: Precision;
  /** Runs a forward pass in it. */
  readonly compute: Compute;
  readonly schedule: optim.Schedule;
  readonly state: TrainingState;
  readonly source: TrainingImages;
  /** Seed of what a step's forward pass draws. */
  readonly seedOf: (step: number) => number;
  /** Names the checkpoint's training; empty without a checkpoint folder. */
  readonly identity: string;
}

/** Weights, optimizer and images: at the start, or where the checkpoint stands. */
function beginTraining(options: TrainOptions, classes: number): Training {
  const { steps, device = "cpu", checkpointFolder } = options;
  const precision = torch.resolvePrecision(options.precision ?? "auto", device);
  const objective = objectiveOf(options.objective, options.objectives);
  const loss = readLossSettings(objective, options.loss ?? {});
  const { encoder, head } = drawNetwork(options, objective, loss, classes);
  const optimizer = makeOptimizer(rateGroups(encoder, head, options.fineTuning ?? {}), options.optimizer);
  const scaler = precision.dtype === "float16" ? new optim.GradScaler() : null;
  const state: TrainingState = { encoder, head, optimizer, scaler, losses: [] };
  const identity =
    checkpointFolder === undefined ? "" : identityOfTraining({ ...options, loss }, precision.dtype);
  if (checkpointFolder !== undefined) readCheckpoint(checkpointFolder, identity, state);
  const schedule = makeSchedule(steps, options.optimizer);
  const compute = autocastTo(device, precision.dtype);
  return {
    objective,
    loss,
    precision,
    compute,
    schedule,
    state,
    source: makeSource(options, classes),
    seedOf: (step) => torch.deriveSeed(options.seed, "forward", step),
    identity,
  };
}

/** Takes the steps that are left, writes checkpoints between them, and tells after each. */
async function takeSteps(training: Training, options: TrainOptions): Promise<void> {
  const { steps, fineTuning = {}, checkpointFolder, checkpointEvery = 100, onProgress } = options;
  const { state, identity } = training;
  setTrainingMode(state.encoder, fineTuning);
  state.head.train();
  while (state.losses.length < steps) {
    state.losses.push(scope(() => takeStep(training, state.losses.length)));
    const done = state.losses.length;
    if (checkpointFolder !== undefined && done % checkpointEvery === 0 && done < steps) {
      writeCheckpoint(checkpointFolder, identity, state);
    }
    onProgress?.(done, steps);
    await nextTurn();
  }
  state.optimizer.zeroGrad();
}

/** One step: images, forward, loss, backward, update. Returns the loss. */
function takeStep(training: Training, step: number): number {
  const { compute, objective, schedule, source, state } = training;
  const { encoder, head, optimizer, scaler } = state;
  const batch = source.batches.at(step);
  const pixels = source.pixels(batch); // [V B + K, 3, H, W], 0..1
  // Dropout draws from the default generator: each step by a seed of its own, so that training resumes with the step.
  const outputs = seeded(training.seedOf(step), pixels.device, () =>
    compute(() => head.forward(encoder.forward(pixels))).to("float32"),
  );
  const loss = objective.loss(source.outputsOf(batch, outputs), training.loss);
  const value = loss.item();
  if (!Number.isFinite(value)) {
    throw new ContrastError(
      `The loss of step ${step} is ${value}. Lower the learning rate, lengthen the warm-up, or train in fp32.`,
    );
  }
  optimizer.zeroGrad();
  optimizer.lr = schedule(step);
  if (!scaler) {
    loss.backward();
    optimizer.step();
  } else {
    scaler.scale(loss).backward();
    scaler.step(optimizer);
    scaler.update();
  }
  return value;
}

/** The finished encoder, and whether it has learned anything. */
function describeTrained(
  { objective, loss, precision, state, source }: Training,
  options: TrainOptions,
  classes: number,
): TrainedEncoder {
  const use = negativeUseOf(options);
  const plateau = objective.plateau({ rows: source.rows, negatives: source.negatives, classes, use }, loss);
  return {
    encoder: state.encoder.eval(),
    head: state.head.eval(),
    objective: options.objective,
    loss,
    classes,
    use,
    losses: state.losses,
    collapse: detectCollapse(state.losses, plateau, { remedy: objective.collapseRemedy }),
    precision,
  };
}

/** Draws the weights of encoder and head from the seed, and leaves the default generator as it was. */
function drawNetwork(options: TrainOptions, objective: Objective, loss: LossSettings, classes: number) {
  const { seed, device = "cpu" } = options;
  return scope(() => {
    const generator = torch.defaultGenerator();
    const before = generator.getState();
    try {
      generator.manualSeed(torch.deriveSeed(seed, "encoder"));
      const encoder = startingEncoder(options);
      // The head's own seed: arms with different heads start from the same encoder, and vice versa.
      generator.manualSeed(torch.deriveSeed(seed, "head"));
      const head = objective.makeHead(
        { dimensions: encoder.dimensions, classes, use: negativeUseOf(options) },
        loss,
      );
      return {
        encoder: encoder.to({ device, memoryFormat: "channelsLast" }),
        head: head.to({ device }),
      };
    } finally {
      generator.setState(before);
    }
  });
}

/** Runs `fn` with a device's default generator seeded, and leaves that generator as it was. */
function seeded<T>(seed: number, device: string, fn: () => T): T {
  const generator = torch.defaultGenerator(device);
  const before = generator.getState();
  try {
    generator.manualSeed(seed);
    return fn();
  } finally {
    generator.setState(before);
  }
}

/** With published weights or random ones. */
function startingEncoder({ network = {}, weights, recomputes = false }: TrainOptions): Encoder {
  const encoder = weights ? Encoder.published(network.network ?? "resnet10", weights) : new Encoder(network);
  encoder.network.recomputes = recomputes;
  return encoder;
}

function makeOptimizer(
  groups: readonly RateGroup[],
  settings: OptimizerSettings = {},
): optim.AdamW | optim.SGD {
  const { name = "adamw", weightDecay = 1e-4, momentum = 0.9 } = settings;
  const lr = peakRate(settings);
  const parameters = groups.map(({ params, scale }) => ({ params, lr: scale * lr }));
  if (name === "adamw") return new optim.AdamW(parameters, { lr, weightDecay });
  return new optim.SGD(parameters, { lr, weightDecay, momentum });
}

function makeSchedule(steps: number, settings: OptimizerSettings = {}): optim.Schedule {
  const { warmup = Math.floor(steps / 10) } = settings;
  return optim.cosineSchedule({ lr: peakRate(settings), steps, warmup: Math.min(warmup, steps) });
}

function peakRate({
  name = "adamw",
  learningRate = name === "adamw" ? 2e-3 : 0.05,
}: OptimizerSettings): number {
  return learningRate;
}

/** What determines the result, without what only watches or stores it. */
function identityOfTraining(options: TrainOptions, dtype: string): string {
  const {
    images,
    faithful,
    negatives,
    onProgress: _,
    checkpointFolder: __,
    checkpointEvery: ___,
    objectives: ____,
    recomputes: _____,
    weights,
    ...rest
  } = options;
  const settings = {
    ...rest,
    precision: dtype,
    ...(weights && { weights: weights.hash }),
    faithful: faithful && { ...faithful, images: null },
    negatives: negatives && { ...negatives, images: null },
  };
  return identityOf(
    settings,
    [images, faithful?.images, negatives?.images].filter((part) => part !== undefined),
  );
}

/** Lets timers and signals be served between steps. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
