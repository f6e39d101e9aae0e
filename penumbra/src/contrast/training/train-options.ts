import type { PrecisionSetting, Tensor } from "@penumbra/torch";
import type { AugmentSpec } from "../../images/index.ts";
import type { EncoderWeights } from "../../models/index.ts";
import { ContrastError } from "../errors.ts";
import type { RedrawWord } from "../losses/genscl.ts";
import type { NegativeUse } from "../losses/negative-uses.ts";
import { type LossSettings, type Objective, readLossSettings, usesOf } from "../losses/objective.ts";
import { type ObjectiveTable, objectiveOf, objectives } from "../losses/objectives.ts";
import type { EncoderConfig } from "./encoder.ts";
import { type FineTuning, TRAINED_LAYERS } from "./fine-tuning.ts";
import type { KeptWeights } from "./kept-weights.ts";
import type { TrainedEncoder } from "./trained-encoder.ts";

/** Chance that one of a photo's faithful redraws stands in for it, as in DA-Fusion (Trabucco et al. 2023). */
export const FAITHFUL_PROBABILITY = 0.5;

export interface OptimizerSettings {
  /** Default "adamw". */
  readonly name?: "adamw" | "sgd";
  /** Peak learning rate; it rises over the warm-up and falls by half a cosine to 0. Default 2e-3 (sgd: 0.05). */
  readonly learningRate?: number;
  /** Default 1e-4. */
  readonly weightDecay?: number;
  /** Steps of linear warm-up. Default a tenth of all steps. */
  readonly warmup?: number;
  /** sgd only. Default 0.9. */
  readonly momentum?: number;
}

/** Images as they are kept: uint8 [N, 3, H, W]. */
export type ImageTensor = Tensor;

export interface TrainOptions {
  /** What to train for, by its name in `objectives`. */
  readonly objective: string;
  /** The table that it is looked up in: pass `{ ...objectives, mine }` to train for one of your own. Default: the room's own. */
  readonly objectives?: ObjectiveTable;
  /** Real training photos, uint8 [N, 3, H, W]. */
  readonly images: ImageTensor;
  /** Class of each, 0 … C - 1. */
  readonly labels: readonly number[];
  /** C. Default: the highest label + 1. */
  readonly classes?: number;
  readonly network?: EncoderConfig;
  /** Published weights to start from; of `network`, only the name counts then. Default: random weights. */
  readonly weights?: EncoderWeights;
  /** How much of the encoder is trained. Default: all of it. */
  readonly fineTuning?: FineTuning;
  /** Gradient checkpointing: much less memory, a third more time, the same bits. Default false. */
  readonly recomputes?: boolean;
  /** Settings of the objective, as its schema has them. */
  readonly loss?: LossSettings;
  /** Faithful redraws: when photo i is drawn, with this probability one of ITS redraws replaces it. */
  readonly faithful?: {
    /** uint8 [S, 3, H, W]. */
    readonly images: ImageTensor;
    /** The photo that each was made from, as an index into `images`, [S]. */
    readonly parents: readonly number[];
    /** With which class's word and how strongly each was redrawn, [S]: for objectives with soft labels. */
    readonly words?: readonly RedrawWord[];
    /** DA-Fusion's alpha. Default 0.5, as there. */
    readonly faithfulProbability?: number;
  };
  /** Near-OOD redraws: never taken for known. They share augmentation and forward pass with the photos. */
  readonly negatives?: {
    /** What they are used as. Default: the first use that the objective has, for a contrastive one "columns". */
    readonly use?: NegativeUse;
    /** uint8 [M, 3, H, W]. */
    readonly images: ImageTensor;
    /** Class of the photo that each was made from, [M]; needed for the scope "source-class". */
    readonly labels?: readonly number[];
    /** K, a fixed quota of every step; 1 view of each. */
    readonly perStep: number;
  };
  /**
   * An encoder that was trained before, with a classifier (cross-entropy's, or the joint loss's): its answers for the same
   * augmented images join the labels (Hinton et al. 2015; Kim et al. 2022). It stays as it is.
   */
  readonly teacher?: TrainedEncoder;
  /**
   * Looks at training and validation photos between steps: loss and accuracy of both, the best weights kept, and an early
   * end where they get no better. The learning rate keeps its course over all `steps`.
   */
  readonly evaluation?: {
    /** uint8 [E, 3, H, W]: of other objects than the training photos. */
    readonly images: ImageTensor;
    /** Class of each. */
    readonly labels: readonly number[];
    /** Steps between two looks; the last step has one too. */
    readonly every: number;
    /** Weights that are kept: those of the last step, or with the least validation loss or the highest validation accuracy. Default "last". */
    readonly keep?: KeptWeights;
    /** Training ends after so many looks in a row without a better one; 0 = never. Default 0. */
    readonly patience?: number;
  };
  /**
   * Share of the running average of the weights (EMA) that a step keeps, 0 … 1; at first it follows faster. The average is
   * what is evaluated and kept. Default 0: the weights themselves.
   */
  readonly ema?: number;
  readonly steps: number;
  /** Photos per step, B. Default 64. */
  readonly batchSize?: number;
  /** m: every step has as many photos of each of its classes; batchSize is a multiple of it. Default 0: as they come. */
  readonly photosPerClass?: number;
  /**
   * Q: the newest projections of photos of other classes that contrastive objectives see as further negatives.
   * Default 0: none.
   */
  readonly memory?: number;
  /** Random versions of each photo, V. Default 2. Cross-entropy takes each as an image of its own. */
  readonly views?: number;
  readonly optimizer?: OptimizerSettings;
  readonly augment: AugmentSpec;
  readonly seed: number;
  /** Default "cpu". */
  readonly device?: string;
  /** Default "auto": bf16 where the processor or device is fast in it. */
  readonly precision?: PrecisionSetting;
  /** Where to keep the state of an unfinished training. With it, training goes on where it was interrupted, and the default generators with it. */
  readonly checkpointFolder?: string;
  /** Steps between two checkpoints. Default 100. */
  readonly checkpointEvery?: number;
  /** Told after every step, with its loss. */
  readonly onProgress?: (done: number, total: number, loss: number) => void;
}

/** What a training uses its negatives as; null where it has none. */
export function negativeUseOf({ negatives, objective, objectives }: TrainOptions): NegativeUse | null {
  return negatives ? (negatives.use ?? usesOf(objectiveOf(objective, objectives))[0] ?? null) : null;
}

/** The number of classes. @throws ContrastError when the options do not fit together */
export function requireTrainOptions(options: TrainOptions): number {
  const { images, labels, faithful, negatives, steps, batchSize = 64, views = 2, loss = {} } = options;
  const objective = objectiveOf(options.objective, options.objectives);
  const settings = readLossSettings(objective, loss);
  requireImages(images, "images");
  const count = images.shape[0] as number;
  if (labels.length !== count)
    fail(`there are ${labels.length} labels for ${count} images`, "Pass one label an image");
  const classes = options.classes ?? 1 + labels.reduce((most, label) => Math.max(most, label), -1);
  requireIndices(labels, classes, "label", "classes");
  if (new Set(labels).size < 2) fail("all images are of one class", "Give at least two classes");
  for (const [name, value] of Object.entries({ steps, batchSize, views })) {
    if (!Number.isInteger(value) || value < 1) fail(`${name} is ${value}`, "Set a whole number above 0");
  }
  const { photosPerClass = 0, memory = 0 } = options;
  for (const [name, value] of Object.entries({ photosPerClass, memory })) {
    if (!Number.isInteger(value) || value < 0) fail(`${name} is ${value}`, "Set a whole number, 0 = off");
  }
  if (photosPerClass > 0 && batchSize % photosPerClass !== 0) {
    fail(
      `a batch of ${batchSize} photos cannot have ${photosPerClass} of each of its classes`,
      "Set batchSize to a multiple of photosPerClass",
    );
  }
  if (memory > 0 && !objective.takesMemory) {
    fail(
      `the objective ${options.objective} has no place for past projections`,
      `Set memory to 0, or take ${takers(options.objectives).join(" or ")}`,
    );
  }
  requireTeacher(options, objective, classes);
  const leastViews = objective.leastViews?.(settings) ?? 1;
  if (views < leastViews) {
    fail(
      `the objective ${options.objective} needs ${leastViews} views of each photo, not ${views}`,
      `Set views to ${leastViews} or more`,
    );
  }
  const { layers = "full", layerDecay = 1 } = options.fineTuning ?? {};
  if (!TRAINED_LAYERS.test(layers)) fail(`fineTuning.layers is ${layers}`, "Set full, head or last-N");
  if (!(layerDecay > 0 && layerDecay <= 1))
    fail(`fineTuning.layerDecay is ${layerDecay}`, "Set above 0, up to 1");
  if (faithful) {
    requireImages(faithful.images, "faithful redraws", images);
    if (faithful.parents.length !== faithful.images.shape[0]) {
      fail(
        `there are ${faithful.parents.length} parents for ${faithful.images.shape[0]} faithful redraws`,
        "Pass one a redraw",
      );
    }
    requireIndices(faithful.parents, count, "parent", "images");
    requireWords(faithful.words, faithful.parents.length, classes);
    const { faithfulProbability = FAITHFUL_PROBABILITY } = faithful;
    if (!(faithfulProbability >= 0 && faithfulProbability <= 1))
      fail(`faithfulProbability is ${faithfulProbability}`, "Set 0 to 1");
  }
  if (negatives) {
    const uses = usesOf(objective);
    if (uses.length === 0) {
      fail(
        `the objective ${options.objective} has no place for negatives`,
        'Take another one, such as "supcon", or leave them out',
      );
    }
    if (negatives.use !== undefined && !uses.includes(negatives.use)) {
      fail(
        `the objective ${options.objective} cannot use negatives as "${negatives.use}"`,
        `Use them as ${uses.join(" or ")}`,
      );
    }
    requireImages(negatives.images, "negatives", images);
    if (!Number.isInteger(negatives.perStep) || negatives.perStep < 1) {
      fail(
        `negatives.perStep is ${negatives.perStep}`,
        "Set a whole number above 0, or leave the negatives out",
      );
    }
    const labelCount = negatives.labels?.length;
    if (labelCount !== undefined && labelCount !== negatives.images.shape[0]) {
      fail(
        `there are ${labelCount} labels for ${negatives.images.shape[0]} negatives`,
        "Pass one a negative",
      );
    }
    if (labelCount === undefined && objective.needsNegativeLabels(settings)) {
      fail("the objective's settings need the class of each negative's photo", 'Pass "negatives.labels"');
    }
  }
  requireEvaluation(options, classes);
  return classes;
}

function requireTeacher(
  { teacher, objective: name, objectives: table }: TrainOptions,
  objective: Objective,
  classes: number,
): void {
  if (!teacher) return;
  if (!objective.teacher) {
    const takers = Object.keys(table ?? objectives).filter((other) => objectiveOf(other, table).teacher);
    fail(
      `the objective ${name} has no place for a teacher`,
      `Leave the teacher out, or take ${takers.join(" or ")}`,
    );
  }
  if (teacher.objective === null || !objectiveOf(teacher.objective, table).logitsOf) {
    const teachers = Object.keys(table ?? objectives).filter((other) => objectiveOf(other, table).logitsOf);
    fail(
      `a teacher that was trained for ${teacher.objective ?? "nothing"} has no classifier`,
      `Take one that was trained for ${teachers.join(" or ")}`,
    );
  }
  if (teacher.classes !== classes) {
    fail(
      `the teacher knows ${teacher.classes} classes instead of ${classes}`,
      "Train it on the same classes",
    );
  }
}

/** The objectives that have a place for past projections. */
function takers(table: ObjectiveTable = objectives): string[] {
  return Object.keys(table).filter((name) => objectiveOf(name, table).takesMemory);
}

function requireEvaluation({ images, evaluation, ema = 0 }: TrainOptions, classes: number): void {
  if (!(ema >= 0 && ema < 1)) fail(`ema is ${ema}`, "Set 0 (off) up to below 1, such as 0.99");
  if (!evaluation) return;
  const { labels, every, keep = "last", patience = 0 } = evaluation;
  requireImages(evaluation.images, "validation photos", images);
  if (labels.length !== evaluation.images.shape[0]) {
    fail(
      `there are ${labels.length} labels for ${evaluation.images.shape[0]} validation photos`,
      "Pass one label a photo",
    );
  }
  requireIndices(labels, classes, "label of a validation photo", "classes");
  if (!Number.isInteger(every) || every < 1)
    fail(`evaluation.every is ${every}`, "Set a whole number above 0");
  if (!Number.isInteger(patience) || patience < 0) {
    fail(`evaluation.patience is ${patience}`, "Set a whole number, or 0 to train to the end");
  }
  if (patience > 0 && keep === "last")
    fail(
      "evaluation.patience needs to know what better means",
      "Set evaluation.keep to loss or accuracy, or patience to 0",
    );
}

function requireImages(images: Tensor, what: string, like?: Tensor): void {
  const [count = 0, channels, ...size] = images.shape;
  if (images.dtype !== "uint8" || images.ndim !== 4 || channels !== 3 || count === 0) {
    fail(
      `the ${what} are ${images.dtype} [${images.shape}]`,
      "Pass uint8 [count, 3, height, width] with at least one image",
    );
  }
  if (like && String(size) !== String(like.shape.slice(2))) {
    fail(
      `the ${what} have the size ${size.join(" x ")}, the images ${like.shape.slice(2).join(" x ")}`,
      "Resize them alike",
    );
  }
}

function requireWords(words: readonly RedrawWord[] | undefined, redraws: number, classes: number): void {
  if (!words) return;
  if (words.length !== redraws)
    fail(`there are ${words.length} words for ${redraws} redraws`, "Pass one a redraw");
  requireIndices(
    words.map(({ label }) => label),
    classes,
    "class of a word",
    "classes",
  );
  const wrong = words.find(({ strength }) => !(strength >= 0 && strength <= 1));
  if (wrong) fail(`a redraw has the strength ${wrong.strength}`, "Strengths are 0 to 1");
}

function requireIndices(values: readonly number[], end: number, what: string, ofWhat: string): void {
  const wrong = values.find((value) => !Number.isInteger(value) || value < 0 || value >= end);
  if (wrong !== undefined) fail(`the ${what} ${wrong} is none of ${end} ${ofWhat}`, "Number them from 0");
}

function fail(problem: string, remedy: string): never {
  throw new ContrastError(`The encoder cannot be trained: ${problem}. ${remedy}.`);
}
