import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DiffusionError } from "../../diffusion/index.ts";
import { wholeBatch } from "./autoencoder.ts";
import { ARCHITECTURES, imageSize, type PretrainSettings } from "./config.ts";
import type { Corpus } from "./corpus.ts";
import type { TrainResult } from "./loop.ts";

/** What really ran, for the model card. */
export interface CardFacts {
  readonly name: string;
  /** What trained the weights that this run started with; empty: they were random. */
  readonly earlierRuns: readonly TrainingRun[];
  readonly settings: PretrainSettings;
  readonly corpus: Corpus;
  readonly heldOut: number;
  readonly autoencoder: TrainResult;
  readonly denoiser: TrainResult;
  /** The sentence that `resolvePrecision` gives. */
  readonly precision: string;
  /** Picture files to be copied beside the card. */
  readonly sheet: string;
  readonly reconstructions: string;
  readonly prompts: readonly string[];
  /** What the corpus is and under which licence it comes, as Markdown. */
  readonly dataNote: string;
  /** Folder with log.jsonl. */
  readonly work: string;
}

/** What a model was trained by, in its folder: one entry a run of `pretrain`. */
const HISTORY = "training.json";

export interface TrainingRun {
  readonly stages: readonly {
    readonly stage: string;
    readonly steps: number;
    readonly batchSize: number;
    readonly seen: string;
    readonly seconds: number;
    readonly losses: string;
  }[];
}

/**
 * The runs of `pretrain` that a model comes from.
 * @throws for a model that does not say how it was trained: its successor's card would claim too little
 */
export async function readTrainingRuns(folder: string): Promise<readonly TrainingRun[]> {
  const file = join(folder, HISTORY);
  const text = await readFile(file, "utf8").catch(() => null);
  if (text === null) {
    throw new DiffusionError(
      `${file} is missing, so the card of a model that goes on from this one could not say what it learned from. Go on from a model that penumbra pretrain wrote.`,
    );
  }
  return (JSON.parse(text) as { runs: TrainingRun[] }).runs;
}

/** Writes README.md, training.json, samples.webp and round-trip.webp into a model's folder, and the corpus' licence if it states one. */
export async function writeModelCard(folder: string, facts: CardFacts): Promise<void> {
  const { settings, corpus, heldOut, autoencoder, denoiser, prompts } = facts;
  await copyFile(facts.sheet, join(folder, "samples.webp"));
  await copyFile(facts.reconstructions, join(folder, "round-trip.webp"));
  const log = await readLog(join(facts.work, "log.jsonl"));
  const { vae, unet, text } = ARCHITECTURES[settings.preset];
  const psnr = autoencoder.figures["held-out PSNR (dB)"];
  const edge = imageSize(settings.preset);
  const { crop, fullEvery, batchSize } = settings.autoencoder;
  const whole = fullEvery > 0 ? Math.ceil(autoencoder.step / fullEvery) : 0;
  const seen = `${count((autoencoder.step - whole) * batchSize)} crops of ${Math.min(crop, edge)} px, ${count(whole * wholeBatch(settings.autoencoder, edge))} whole images`;
  const run: TrainingRun = {
    stages: [
      {
        stage: "autoencoder",
        steps: autoencoder.step,
        batchSize,
        seen,
        seconds: Math.round(autoencoder.seconds),
        losses: lossesOf(log, "autoencoder"),
      },
      {
        stage: `text encoder and UNet${denoiser.complete ? "" : " (unfinished snapshot)"}`,
        steps: denoiser.step,
        batchSize: settings.denoiser.batchSize,
        seen: `${count(denoiser.step * settings.denoiser.batchSize)} images`,
        seconds: Math.round(denoiser.seconds),
        losses: lossesOf(log, "denoiser"),
      },
    ],
  };
  const runs = [...facts.earlierRuns, run];
  await writeFile(join(folder, HISTORY), `${JSON.stringify({ runs }, null, 2)}\n`);
  const lines = [
    `# ${facts.name}`,
    "",
    `A small latent diffusion model in the layout of Stable Diffusion 1.x (CLIPTextModel, UNet2DConditionModel, AutoencoderKL), trained from scratch by \`penumbra pretrain\`. It makes and changes images of ${edge} pixels.`,
    "",
    "## What it is for, and what not",
    "",
    "It lets Penumbra's demo, tests and studies run on a laptop without downloading Stable Diffusion. It has only seen renders like those of its corpus: it knows the corpus' kinds of objects, light and ground, and nothing else. For photographs of other things bring Stable Diffusion (`--model`).",
    "",
    "## Data and licence",
    "",
    `${facts.dataNote.trim()}`,
    "",
    `Read were ${count(corpus.fileOf.length)} images from ${count(corpus.files.length)} files with ${corpus.captions.length} different captions; ${heldOut} images (whole files) were held out. The CLIP vocabulary in \`tokenizer/\` is OpenAI's (MIT licence).`,
    "",
    "## Training",
    "",
    "| run | stage | steps | batch | seen | time | losses at the end |",
    "|---|---|---|---|---|---|---|",
    ...runs.flatMap(({ stages }, run) =>
      stages.map(
        ({ stage, steps, batchSize, seen, seconds, losses }) =>
          `| ${run + 1} | ${stage} | ${steps} | ${batchSize} | ${seen} | ${minutes(seconds)} | ${losses} |`,
      ),
    ),
    "",
    ...(runs.length > 1 ? ["Each run started with the weights that the one before it ended with.", ""] : []),
    `Device ${settings.device}, precision ${facts.precision}; seed ${settings.seed}; ${settings.denoiser.predictionType} prediction, min-SNR gamma ${settings.denoiser.minSnr}, weights averaged with decay ${settings.denoiser.emaDecay}, captions left out for ${100 * settings.denoiser.captionDropout} % of the images.`,
    `Autoencoder: ${vae.block_out_channels.join("-")} channels, ${vae.latent_channels} latent channels, ${2 ** (vae.block_out_channels.length - 1)}x down-sampling${psnr === undefined ? "" : `; round trip of held-out images ${psnr.toFixed(1)} dB PSNR`}. UNet: ${(unet.block_out_channels as readonly number[]).join("-")} channels. Text encoder: width ${text.hidden_size}, ${text.num_hidden_layers} layers; rows of tokens that no caption held are zero.`,
    "",
    "## Samples",
    "",
    "![text to image](samples.webp)",
    "",
    `Text to image, 20 DDIM steps, guidance 3, captions at even distances of the corpus' sorted list, none chosen by hand: ${prompts.map((prompt) => `"${prompt}"`).join(", ")}.`,
    "",
    "![round trip](round-trip.webp)",
    "",
    "Held-out images and, below each row, what the autoencoder makes of them.",
    "",
  ];
  await writeFile(join(folder, "README.md"), lines.join("\n"));
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

async function readLog(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function lossesOf(log: readonly Record<string, unknown>[], stage: string): string {
  const last = log.filter((entry) => entry.stage === stage && "rate" in entry).at(-1) ?? {};
  const skipped = ["stage", "step", "seconds", "rate", "learningRate"];
  return Object.entries(last)
    .filter(([name]) => !skipped.includes(name))
    .map(([name, value]) => `${name} ${Number(value).toPrecision(3)}`)
    .join(", ");
}
