import * as torch from "@penumbra/torch";
import { type nn, optim, type Precision, scope, type Tensor } from "@penumbra/torch";
import { autocastTo, type Compute } from "../../models/index.ts";
import { ContrastError } from "../errors.ts";
import { type LossSettings, type Objective, readLossSettings } from "../losses/objective.ts";
import { objectiveOf } from "../losses/objectives.ts";
import { detectCollapse } from "../losses/plateau.ts";
import { Encoder } from "./encoder.ts";
import { Evaluator } from "./evaluation.ts";
import { type RateGroup, rateGroups, setTrainingMode } from "./fine-tuning.ts";
import { bestOf, type KeptWeights } from "./kept-weights.ts";
import { type MemorySize, ProjectionMemory } from "./memory.ts";
import { type Teacher, teacherOf } from "./teacher.ts";
import {
  negativeUseOf,
  type OptimizerSettings,
  requireTrainOptions,
  type TrainOptions,
} from "./train-options.ts";
import type { TrainedEncoder } from "./trained-encoder.ts";
import { makeSource, type TrainingImages } from "./training-images.ts";
import {
  identityOf,
  readCheckpoint,
  settleWeights,
  type TrainingState,
  weightsBeside,
  writeCheckpoint,
} from "./training-state.ts";

/**
 * Trains an encoder and its head from random or published weights, all of it or its last layers.
 *
 * Every step: B photos in shuffled rounds, each in V random versions (or, with the faithful probability, those of one of its
 * faithful redraws), and K negatives in one version, all through the SAME augmentation and ONE forward pass: batch
 * norm sees photos and negatives together, as PASCL and OpenOOD's OE have it, so that neither can be told by its own
 * statistics. At use, batch norm's averages are those of that mixture. Learning rate: linear warm-up, half a cosine.
 *
 * With `evaluation` the best weights so far can be kept, and training ends early where they get no better; with `ema`
 * the running average of the weights is what is evaluated and kept.
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
    const { state, source, evaluator } = training;
    for (const part of [state.optimizer, state.average, state.best, source, evaluator]) part?.dispose();
    for (const tensor of state.memory?.buffers() ?? []) tensor.dispose();
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
  readonly evaluator: Evaluator | null;
  readonly teacher: Teacher | null;
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
  const { ema = 0, evaluation } = options;
  const remembersBest = keptWeights(options) !== "last";
  const state: TrainingState = {
    ...{ encoder, head, optimizer, scaler, losses: [], evaluations: [] },
    ...weightsBeside(encoder, head, { ema, remembersBest }),
    memory: makeMemory(options, { encoder, head, classes, keepsTargets: objective.targetsOf !== undefined }),
  };
  const identity =
    checkpointFolder === undefined ? "" : identityOfTraining({ ...options, loss }, precision.dtype);
  if (checkpointFolder !== undefined) readCheckpoint(checkpointFolder, identity, state);
  const schedule = makeSchedule(steps, options.optimizer);
  const compute = autocastTo(device, precision.dtype);
  const source = makeSource(options, classes);
  return {
    objective,
    loss,
    precision,
    compute,
    schedule,
    state,
    source,
    teacher: teacherOf(options, compute),
    evaluator: evaluation ? new Evaluator({ ...options, evaluation }, classes, source) : null,
    seedOf: (step) => torch.deriveSeed(options.seed, "forward", step),
    identity,
  };
}

/** Takes the steps that are left, evaluates and writes checkpoints between them, and tells after each. */
async function takeSteps(training: Training, options: TrainOptions): Promise<void> {
  const { steps, weights, fineTuning = {}, checkpointFolder, checkpointEvery = 100, onProgress } = options;
  const { state, identity } = training;
  const beginTraining = () => {
    setTrainingMode(state.encoder, fineTuning, weights !== undefined);
    state.head.train();
  };
  beginTraining();
  while (state.losses.length < steps && !isStoppedEarly(state, options)) {
    state.losses.push(scope(() => takeStep(training, state.losses.length)));
    state.average?.update();
    if (isEvaluationDue(state.losses.length, options)) {
      scope(() => evaluate(training, options));
      beginTraining();
    }
    const done = state.losses.length;
    if (checkpointFolder !== undefined && done % checkpointEvery === 0 && done < steps) {
      writeCheckpoint(checkpointFolder, identity, state);
    }
    onProgress?.(done, steps, state.losses[done - 1] as number);
    await nextTurn();
  }
  state.optimizer.zeroGrad();
  settleWeights(state);
}

/** After every `every` steps, and after the last one. */
function isEvaluationDue(done: number, { steps, evaluation }: TrainOptions): boolean {
  return evaluation !== undefined && (done % evaluation.every === 0 || done === steps);
}

/** Looks at training and validation photos with the weights that would be kept, and remembers these if they are the best. */
function evaluate(training: Training, options: TrainOptions): void {
  const { evaluator, state, objective, loss, compute, teacher } = training;
  if (!evaluator) return;
  const { encoder, head, average, best, losses, evaluations } = state;
  const keep = keptWeights(options);
  const look = () => {
    evaluations.push(evaluator.at(losses.length, { encoder, head, objective, loss, compute, teacher }));
    if (keep !== "last" && bestOf(evaluations, keep) === evaluations.length - 1) best?.update();
  };
  if (average) average.apply(look);
  else look();
}

/** Whether the newest evaluations, as many as the patience is long, were no better than one before them. */
function isStoppedEarly({ evaluations }: TrainingState, options: TrainOptions): boolean {
  const keep = keptWeights(options);
  const { patience = 0 } = options.evaluation ?? {};
  if (keep === "last" || patience === 0 || evaluations.length === 0) return false;
  return evaluations.length - 1 - bestOf(evaluations, keep) >= patience;
}

function keptWeights({ evaluation }: TrainOptions): KeptWeights {
  return evaluation?.keep ?? "last";
}

/** One step: images, forward, loss, backward, update. Returns the loss. */
function takeStep(training: Training, step: number): number {
  const { compute, objective, schedule, source, state, teacher } = training;
  const { encoder, head, optimizer, scaler, memory } = state;
  const batch = source.batches.at(step);
  const drawn = source.draw(batch);
  const { pixels } = drawn; // [V B + K, 3, H, W], 0..1
  // Dropout draws from the default generator: each step by a seed of its own, so that training resumes with the step.
  const outputs = seeded(training.seedOf(step), pixels.device, () =>
    compute(() => head.forward(encoder.forward(pixels))).to("float32"),
  );
  const made = source.outputsOf(batch, drawn, outputs, teacher);
  const stepOutputs = { ...made, memory: memory?.read() ?? null };
  const loss = objective.loss(stepOutputs, training.loss);
  const value = loss.item();
  if (!Number.isFinite(value)) {
    throw new ContrastError(
      `The loss of step ${step} is ${value}. Lower the learning rate, lengthen the warm-up, or train in fp32.`,
    );
  }
  if (memory) {
    const newest = (all: Tensor) => all.narrow(0, 0, batch.images.length); // the first view
    const targets = objective.targetsOf?.(made, training.loss);
    memory.add({
      ...{ rows: newest(outputs), labels: made.labels, photos: batch.images },
      ...{ targets: targets ? newest(targets) : null, teacher: made.teacher && newest(made.teacher) },
    });
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
  const { memory = 0, teacher } = options;
  const { rows, negatives } = source;
  const size = { rows, negatives, memory, hasTeacher: teacher !== undefined, classes, use };
  const plateau = objective.plateau(size, loss);
  const { losses, evaluations } = state;
  const keep = keptWeights(options);
  const kept = keep === "last" ? undefined : evaluations[bestOf(evaluations, keep)];
  return {
    encoder: state.encoder.eval(),
    head: state.head.eval(),
    objective: options.objective,
    loss,
    classes,
    use,
    losses,
    evaluations,
    keptStep: kept?.step ?? losses.length,
    collapse: detectCollapse(losses, plateau, { remedy: objective.collapseRemedy }),
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

/** As wide as what the head gives. */
function makeMemory(
  { memory = 0, teacher, device = "cpu" }: TrainOptions,
  {
    encoder,
    head,
    ...kept
  }: { encoder: Encoder; head: nn.Module } & Pick<MemorySize, "classes" | "keepsTargets">,
) {
  if (memory === 0) return null;
  return scope(() => {
    const outputs = torch.noGrad(() => head.eval().forward(torch.zeros([1, encoder.dimensions], { device })));
    const size = { rows: memory, width: outputs.shape[1] as number, keepsTeacher: teacher !== undefined };
    return new ProjectionMemory({ ...size, ...kept }, device);
  });
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
    evaluation,
    teacher,
    ...rest
  } = options;
  const settings = {
    ...rest,
    precision: dtype,
    ...(weights && { weights: weights.hash }),
    ...(teacher && { teacher: { objective: teacher.objective, loss: teacher.loss, use: teacher.use } }),
    faithful: faithful && { ...faithful, images: null },
    negatives: negatives && { ...negatives, images: null },
    ...(evaluation && { evaluation: { ...evaluation, images: null } }),
  };
  const ofTeacher = teacher ? [teacher.encoder, teacher.head] : [];
  return identityOf(
    settings,
    [
      ...[images, faithful?.images, negatives?.images, evaluation?.images],
      ...ofTeacher.flatMap((module) => Object.values(module.stateDict())),
    ].filter((part) => part !== undefined),
  );
}

/** Lets timers and signals be served between steps. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
