import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { readJson, readJsonLines, writeFileAtomic } from "../../files/index.ts";
import { GeneratorError } from "../errors.ts";
import type { TrainResult } from "./trainee.ts";

/** What a model was trained by, in its folder: one entry a run. */
const HISTORY = "training.json";

/** One stage of a run, as it really went. */
export interface TrainedStage {
  readonly stage: string;
  readonly steps: number;
  readonly batchSize: number;
  /** What was shown to it, in words. */
  readonly seen: string;
  readonly seconds: number;
  /** At the end, in words. */
  readonly losses: string;
}

export interface TrainingRun {
  readonly stages: readonly TrainedStage[];
  /** How well it did at the end; missing where nothing was measured. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** The words that a generator's cards have in common: part of its entry in the table. */
export interface CardWords {
  /** What the model is. */
  readonly introduction: string;
  /** What it is for, and what not. */
  readonly purpose: string;
}

/** A picture in the card. */
export interface CardPicture {
  /** The file to be copied beside the card; its name is kept. */
  readonly path: string;
  readonly name: string;
  readonly alt: string;
  readonly caption: string;
}

/** What one model's card says: what really ran, never what was meant to. */
export interface ModelCard extends CardWords {
  readonly name: string;
  /** What the corpus is, under which licence it comes, and what was read of it; a paragraph each. */
  readonly data: readonly string[];
  /** What trained the weights that this run started with; empty: they were random. */
  readonly earlierRuns: readonly TrainingRun[];
  readonly run: TrainingRun;
  /** How it was trained; a line each. */
  readonly training: readonly string[];
  readonly pictures: readonly CardPicture[];
}

/** Writes README.md, training.json and the pictures into a model's folder. */
export async function writeModelCard(folder: string, card: ModelCard): Promise<void> {
  const runs = [...card.earlierRuns, card.run];
  for (const { path, name } of card.pictures) await copyFile(path, join(folder, name));
  await writeFileAtomic(join(folder, HISTORY), `${JSON.stringify({ runs }, null, 2)}\n`);
  await writeFileAtomic(join(folder, "README.md"), markdown(card, runs));
}

function markdown(card: ModelCard, runs: readonly TrainingRun[]): string {
  const paragraphs = [
    `# ${card.name}`,
    card.introduction,
    "## What it is for, and what not",
    card.purpose,
    "## Data and licence",
    ...card.data,
    "## Training",
    runsTable(runs),
    ...(runs.length > 1 ? ["Each run started with the weights that the one before it ended with."] : []),
    card.training.join("\n"),
    "## Samples",
    ...card.pictures.flatMap(({ name, alt, caption }) => [`![${alt}](${name})`, caption]),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function runsTable(runs: readonly TrainingRun[]): string {
  return [
    "| run | stage | steps | batch | seen | time | losses at the end |",
    "|---|---|---|---|---|---|---|",
    ...runs.flatMap(({ stages }, run) =>
      stages.map(
        ({ stage, steps, batchSize, seen, seconds, losses }) =>
          `| ${run + 1} | ${stage} | ${steps} | ${batchSize} | ${seen} | ${minutes(seconds)} | ${losses} |`,
      ),
    ),
  ].join("\n");
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/**
 * The runs that a model comes from.
 * @throws GeneratorError for a model that does not say how it was trained: its successor's card would claim too little
 */
export async function readTrainingRuns(folder: string): Promise<readonly TrainingRun[]> {
  const file = join(folder, HISTORY);
  try {
    return (await readJson<{ runs: TrainingRun[] }>(file)).runs;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new GeneratorError(
      `${file} is missing, so the card of a model that goes on from this one could not say what it learned from. Go on from a model that penumbra pretrain wrote.`,
      { cause },
    );
  }
}

/** Names of a log line's fields that are no losses. */
const NO_LOSSES = ["stage", "step", "seconds", "rate", "learningRate"];

/** A stage for the card, with the losses that `train` logged last in its folder. */
export async function trainedStage(
  folder: string,
  trainee: string,
  result: TrainResult,
  facts: Pick<TrainedStage, "stage" | "batchSize" | "seen">,
): Promise<TrainedStage> {
  const log = await readJsonLines<Record<string, unknown>>(join(folder, "log.jsonl"));
  const last = log.filter((entry) => entry.stage === trainee && "rate" in entry).at(-1);
  if (!last)
    throw new GeneratorError(`${folder}/log.jsonl says nothing of the stage "${trainee}". Train it again.`);
  const losses = Object.entries(last)
    .filter(([name]) => !NO_LOSSES.includes(name))
    .map(([name, value]) => `${name} ${Number(value).toPrecision(3)}`);
  const { step, seconds } = result;
  return { ...facts, steps: step, seconds: Math.round(seconds), losses: losses.join(", ") };
}
