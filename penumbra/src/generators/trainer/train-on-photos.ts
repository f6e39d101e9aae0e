import { basename, join } from "node:path";
import { cuda, type Precision, resolvePrecision, type Tensor } from "@penumbra/torch";
import { writeFolderAsync } from "../../files/index.ts";
import { autocastTo, type Compute } from "../../models/index.ts";
import type { TrainingOptions } from "../generator.ts";
import {
  type CardWords,
  readTrainingRuns,
  type TrainedStage,
  type TrainingRun,
  trainedStage,
  writeModelCard,
} from "./card.ts";
import { type Corpus, corpusOf } from "./corpus.ts";
import { indices } from "./crops.ts";
import { train } from "./loop.ts";
import { PhotoBatches } from "./photo-batches.ts";
import { readDescription, writeDescription } from "./photo-model.ts";
import type { PhotoSettings } from "./photo-settings.ts";
import { writeSheet } from "./sheets.ts";
import type { Trainee, TrainResult } from "./trainee.ts";

/** What a generator's network is built from. */
export interface PhotoParts<Settings extends PhotoSettings> {
  readonly settings: Settings;
  /** Names of the classes: a label is a place here. One, where the networks are not told the class. */
  readonly classes: readonly string[];
  readonly batches: PhotoBatches;
  /** uint8 [N, 3, S, S] on the device: all that is learned from. */
  readonly images: Tensor;
  /** Of the images. */
  readonly labels: readonly number[];
  readonly device: string;
  readonly compute: Compute;
  /** A finished model whose weights are the first ones. */
  readonly from: { readonly folder: string; readonly isSameClasses: boolean } | undefined;
  readonly onLine: (line: string) => void;
}

/** What becomes of the networks of a training. */
export interface PhotoOutcome {
  /** Called once, after the last step, with all that was learned from. */
  finish?(): void;
  /** uint8 [n, 3, S, S]: what it draws now, by seeds that stay the same; classes in turn. */
  samples(count: number): Tensor;
  /** Writes the networks that draw. */
  save(folder: string): void;
  /** Figures of how well it does, at an inspection. */
  figures?(step: number): Record<string, number>;
  /** What a person should know of the finished model, a line each. */
  notes?(): readonly string[];
  /** Settings with which the stages get so many of all steps again, where there are several. */
  sharesOf?(steps: readonly number[]): Readonly<Record<string, number>>;
}

/** A generator's network in training, and what becomes of it. */
export interface PhotoTrainee extends Trainee, PhotoOutcome {}

/** Networks that are trained one after the other, and what becomes of them; the last ones draw. */
export interface StagedTraining extends PhotoOutcome {
  readonly stages: readonly [TrainingStage, ...TrainingStage[]];
}

/** A part of a training with steps and checkpoints of its own. */
export interface TrainingStage {
  /** Of the steps, or of the time. All of a training's come to 1. */
  readonly share: number;
  /** What is trained. Called when the stages before it are done. */
  begin(): Trainee;
}

/** What an entry of the table of generators says of its models. */
export interface PhotoEntry {
  readonly name: string;
  readonly card: CardWords;
  /** Whether a folder holds published weights that training can begin with, though nothing is known of theirs. */
  isPublished?(folder: string): boolean;
}

const SAMPLES = 32;

/** Without names of classes in the captions there is one class, of all images. */
const ALL = "all";

/**
 * Trains a network on images of classes (each different caption is one), or goes on where the same call was
 * stopped, and writes its folder: weights, `generator.json`, a card and a sheet of samples. An interrupted run ends with the
 * same bits as an uninterrupted one on the same machine.
 *
 * @returns the finished model's folder, or null when the signal ended it before
 * @throws GeneratorError for a corpus without readable images, or a model to go on from that does not fit
 * @throws Error when a loss is no longer finite, or a checkpoint is of other settings
 */
export async function trainOnPhotos<Settings extends PhotoSettings>(
  entry: PhotoEntry,
  options: TrainingOptions<Settings>,
  build: (parts: PhotoParts<Settings>) => PhotoTrainee | StagedTraining,
): Promise<string | null> {
  const { settings, signal, out, work = `${out}.work`, onLine = () => {} } = options;
  const { device, seed, batchSize, flips, conditional } = settings;
  const precision = resolvePrecision(settings.precision, device);
  if (device.startsWith("cuda")) cuda.setTf32(true);
  const origin = options.from === undefined ? undefined : await readOrigin(options.from, entry);
  const corpus = await corpusOf(options.corpus, { size: settings.imageSize, limit: settings.limit });
  for (const problem of corpus.problems) onLine(`corpus: left out ${problem}`);
  const classes = conditional ? [...corpus.captions].sort() : [ALL];
  const labels = corpus.captionOf.map((caption) =>
    conditional ? classes.indexOf(corpus.captions[caption]!) : 0,
  );
  onLine(
    `corpus: ${corpus.fileOf.length} images of ${corpus.files.length} files, ${classes.length} classes; ${precision.reason}`,
  );
  const images = corpus.images.to(device);
  try {
    const built = build({
      settings,
      classes,
      images,
      labels,
      batches: new PhotoBatches(images, labels, { batchSize, flips, seed }),
      device,
      compute: autocastTo(device, precision.dtype),
      from:
        options.from === undefined
          ? undefined
          : {
              folder: options.from,
              isSameClasses: JSON.stringify(origin?.classes) === JSON.stringify(classes),
            },
      onLine,
    });
    const inspect = async (step: number) => {
      const sheet = join(work, "sheets", `${entry.name}-${step}.png`);
      const samples = built.samples(SAMPLES);
      await writeSheet(sheet, samples);
      samples.dispose();
      return built.figures?.(step) ?? {};
    };
    const { checkpointMinutes, sheetMinutes: inspectMinutes, logSeconds } = settings;
    const stages = "stages" in built ? built.stages : [{ share: 1, begin: () => built }];
    const trained: StageResult[] = [];
    for (const [i, { share, begin }] of stages.entries()) {
      const trainee = begin();
      if (i === stages.length - 1) trainee.inspect = inspect;
      const before = stages.slice(0, i).reduce((sum, stage) => sum + stage.share, 0);
      const result = await train(trainee, {
        ...{ ...settings, steps: Math.max(1, Math.round(share * settings.steps)) },
        ...(settings.minutes !== undefined && { minutes: share * settings.minutes }),
        ...{ folder: work, checkpointMinutes, inspectMinutes, logSeconds, onLine, signal },
        onProgress: progressOf(options.onProgress, settings, before, share),
      });
      if (!result.complete) return null;
      trained.push({ name: trainee.name, result });
    }
    built.finish?.();
    await writeModel({ entry, options, work, corpus, classes, precision, origin, outcome: built, trained });
    for (const note of built.notes?.() ?? []) onLine(`${entry.name}: ${note}`);
    onLine(`${entry.name}: wrote ${out}`);
    return out;
  } finally {
    images.dispose();
  }
}

/** A stage's name and how it ended. */
interface StageResult {
  readonly name: string;
  readonly result: TrainResult;
}

/**
 * Tells of a stage as a part of the whole, where it is not all of it: in steps, or in seconds of a time, of which later
 * stages have not counted their steps yet.
 */
function progressOf(
  onProgress: TrainingOptions["onProgress"],
  { steps, minutes }: Pick<PhotoSettings, "steps" | "minutes">,
  before: number,
  share: number,
): ((done: number, total: number) => void) | undefined {
  if (!onProgress) return undefined;
  if (share === 1) return (done, total) => onProgress(done, total, "steps");
  const [all, unit] =
    minutes === undefined ? ([steps, "steps"] as const) : ([60 * minutes, "seconds"] as const);
  return (done, total) =>
    onProgress(Math.round(all * (before + (share * done) / total)), Math.round(all), unit);
}

interface Origin {
  readonly classes: readonly string[];
  readonly runs: readonly TrainingRun[];
  /** What the card says of an origin that does not say itself how it was trained; null where it does. */
  readonly note: string | null;
}

async function readOrigin(folder: string, { name, isPublished }: PhotoEntry): Promise<Origin> {
  if (isPublished?.(folder)) {
    const note = `It began with the published weights in "${basename(folder)}", of whose training nothing is known here.`;
    return { classes: [], runs: [], note };
  }
  const { classes } = readDescription(folder, name);
  return { classes, runs: await readTrainingRuns(folder), note: null };
}

async function writeModel<Settings extends PhotoSettings>(facts: {
  readonly entry: PhotoEntry;
  readonly options: TrainingOptions<Settings>;
  readonly work: string;
  readonly corpus: Corpus;
  readonly classes: readonly string[];
  readonly precision: Precision;
  readonly origin: Origin | undefined;
  readonly outcome: PhotoOutcome;
  readonly trained: readonly StageResult[];
}): Promise<void> {
  const { entry, options, work, corpus, classes, precision, origin, outcome, trained } = facts;
  const { settings, out } = options;
  const sheet = join(work, "sheets", "samples.webp");
  const samples = outcome.samples(SAMPLES);
  await writeSheet(sheet, samples);
  samples.dispose();
  const { batchSize, device, seed } = settings;
  const stages: TrainedStage[] = [];
  for (const { name: stage, result } of trained) {
    const seen = `${(result.step * batchSize).toLocaleString("en")} images`;
    stages.push(await trainedStage(work, stage, result, { stage, batchSize, seen }));
  }
  const { figures } = trained.at(-1)!.result;
  const steps = trained.map(({ result }) => result.step);
  await writeFolderAsync(out, async (aside) => {
    outcome.save(aside);
    await writeDescription(aside, {
      generator: entry.name,
      classes: [...classes],
      settings: {
        ...settings,
        steps: steps.reduce((sum, count) => sum + count, 0),
        ...outcome.sharesOf?.(steps),
      },
    });
    await writeModelCard(aside, {
      ...entry.card,
      name: basename(out),
      data: [
        (options.dataNote ?? NO_DATA_NOTE).trim(),
        `Read were ${corpus.fileOf.length} images from ${corpus.files.length} files with ${corpus.captions.length} different captions. Classes: ${classes.join(", ")}.`,
      ],
      earlierRuns: origin?.runs ?? [],
      run: { stages, figures },
      training: [
        ...(origin?.note ? [origin.note] : []),
        `Device ${device}, precision ${precision.reason}; seed ${seed}; ${settings.imageSize} px; weights averaged with decay ${settings.emaDecay}.`,
        ...Object.entries(figures).map(([name, value]) => `${name}: ${value.toPrecision(4)}.`),
        ...(outcome.notes?.() ?? []),
      ],
      pictures: [
        {
          path: sheet,
          name: "samples.webp",
          alt: "samples",
          caption: "What it draws, classes in turn, none chosen by hand.",
        },
      ],
    });
  });
}

const NO_DATA_NOTE =
  "Nothing was stated about the images (pass --data-note). Their licence decides how this model may be used.";

/** Labels for samples: the classes in turn, int64 [count]. */
export function labelsInTurn(classes: number, count: number, device: string): Tensor {
  return indices(
    Array.from({ length: count }, (_, i) => i % classes),
    device,
  );
}
