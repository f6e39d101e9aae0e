import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  cuda,
  deriveSeed,
  keep,
  noGrad,
  resolvePrecision,
  safetensors,
  scope,
  type Tensor,
} from "@penumbra/torch";
import {
  autocastTo,
  ClipTokenizer,
  type Compute,
  DiffusionError,
  StableDiffusion,
  textToImage,
} from "../../diffusion/index.ts";
import { writeFolderAsync } from "../../files/index.ts";
import type { AutoencoderKL } from "../../models/index.ts";
import { assemble, pretrainSchedule } from "./assemble.ts";
import { AutoencoderTrainee, psnr, roundTrip } from "./autoencoder.ts";
import { CaptionTable } from "./captions.ts";
import { readTrainingRuns, writeModelCard } from "./card.ts";
import { ARCHITECTURES, imageSize, type PretrainSettings } from "./config.ts";
import { type Corpus, readCorpus } from "./corpus.ts";
import { type Denoiser, DenoiserTrainee } from "./denoiser.ts";
import { encodeCorpus, type Latents } from "./latents.ts";
import { type TrainResult, train } from "./loop.ts";
import { indices } from "./sampling.ts";
import { spread, writeBeside, writeSheet } from "./sheets.ts";

/** One file in so many is kept from training, to measure the round trip on. */
const HELD_OUT_EVERY = 64;
const NO_DATA_NOTE =
  "Nothing was stated about the corpus (pass --data-note). Its licence decides how this model may be used.";
const RECONSTRUCTIONS = 32;
const SAMPLES = 16;

export interface PretrainOptions {
  /** Folder with `captions.jsonl`, see `readCorpus`. */
  readonly corpus: string;
  /** Where the finished model goes, in the diffusers layout. */
  readonly out: string;
  /** Checkpoints, log, sheets and snapshots of unfinished models. Default: `out` + ".work". */
  readonly work?: string;
  /** Folder with CLIP's vocab.json and merges.txt. */
  readonly tokenizer: string;
  readonly settings: PretrainSettings;
  /** Folder of a finished model of the preset's sizes: training starts with its weights instead of random ones. */
  readonly from?: string;
  /** What the corpus is and its licence, as Markdown for the model card. */
  readonly dataNote?: string;
  readonly onLine?: (line: string) => void;
  /** Ends after the current step with a checkpoint; the next call goes on from there. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a small Stable Diffusion on captioned images, from scratch or on from a finished one: first the
 * autoencoder, then text encoder and UNet together on its latents. Everything is resumable: call it again with
 * the same folders and settings.
 *
 * With budgets in steps, an interrupted run ends with the same bits as an uninterrupted one on the same
 * machine; budgets in minutes follow the clock. While the second stage runs, `work/snapshot` holds the model
 * as of the last checkpoint.
 *
 * @returns the finished model's folder, or null when the signal ended it before
 * @throws for a corpus without readable images, a checkpoint of other settings, or a loss that is not finite
 */
export async function pretrain(options: PretrainOptions): Promise<string | null> {
  const { settings, signal, onLine = () => {} } = options;
  const work = options.work ?? `${options.out}.work`;
  const { device } = settings;
  const precision = resolvePrecision(settings.precision, device);
  const compute = autocastTo(device, precision.dtype);
  if (device.startsWith("cuda")) {
    cuda.setTf32(true);
    cuda.setCudnnBenchmark(true);
  }
  const origin = options.from === undefined ? undefined : loadOrigin(options.from, settings);
  const earlierRuns = options.from === undefined ? [] : await readTrainingRuns(options.from);
  const size = imageSize(settings.preset);
  const corpus = await readCorpus(options.corpus, { size, limit: settings.limit });
  for (const problem of corpus.problems) onLine(`corpus: left out ${problem}`);
  const { training, heldOut } = divide(corpus, settings.seed, device);
  onLine(
    `corpus: ${corpus.fileOf.length} images of ${corpus.files.length} files, ${corpus.captions.length} captions, ${heldOut.items.length} images held out; ${precision.reason}`,
  );

  const budgets = {
    folder: work,
    checkpointMinutes: settings.checkpointMinutes,
    inspectMinutes: settings.sheetMinutes,
    logSeconds: settings.logSeconds,
    onLine,
    signal,
  };
  const first = new AutoencoderTrainee({
    settings,
    images: training.images,
    compute,
    from: origin?.vae,
    inspect: (vae, step) =>
      inspectAutoencoder(
        vae,
        heldOut.images,
        join(work, "sheets", `autoencoder-${step}.png`),
        device,
        compute,
      ),
  });
  const autoencoder = await train(first, { ...budgets, ...settings.autoencoder });
  if (!autoencoder.complete) return null;

  const latents = await corpusLatents(first.vae, training.images, settings, compute, work, onLine);
  const tokenizer = ClipTokenizer.load(options.tokenizer);
  const captions = new CaptionTable(corpus.captions, tokenizer);
  const model = (denoiser: Denoiser) =>
    assemble({
      settings,
      tokenizer,
      vocabulary: captions.vocabulary,
      vae: first.vae,
      scalingFactor: latents.scalingFactor,
      denoiser,
    });
  const prompts = samplePrompts(corpus.captions, SAMPLES);
  const sheet = join(work, "sheets", "samples.webp");
  const reconstructions = join(work, "sheets", "round-trip.webp");
  await inspectAutoencoder(first.vae, heldOut.images, reconstructions, device, compute);
  const sample = (denoiser: Denoiser, path: string) =>
    writeSamples(model(denoiser), prompts, path, settings.seed);
  const write = async (denoiser: Denoiser, result: TrainResult, folder: string) => {
    if (!existsSync(sheet)) await sample(denoiser, sheet);
    await writeFolderAsync(folder, async (aside) => {
      model(denoiser).save(aside, { dtype: "float16" });
      await writeModelCard(aside, {
        name: basename(options.out),
        earlierRuns,
        dataNote: options.dataNote ?? NO_DATA_NOTE,
        settings,
        corpus,
        heldOut: heldOut.items.length,
        autoencoder,
        denoiser: result,
        precision: precision.reason,
        sheet,
        reconstructions,
        prompts,
        work,
      });
    });
  };
  const second = new DenoiserTrainee({
    settings,
    latents,
    captions,
    captionOf: training.items.map((item) => corpus.captionOf[item]!),
    scheduler: pretrainSchedule(settings.denoiser.predictionType),
    compute,
    from: origin,
    inspect: async (average, step) => {
      await sample(average, sheet);
      await copyFile(sheet, join(work, "sheets", `denoiser-${step}.webp`));
      return {};
    },
    saved: (average, result) => write(average, result, join(work, "snapshot")),
  });
  const denoiser = await train(second, { ...budgets, ...settings.denoiser });
  if (!denoiser.complete) return null;
  await write(second.average, denoiser, options.out);
  onLine(`pretrain: wrote ${options.out}`);
  return options.out;
}

/** @throws DiffusionError for a model of other sizes or another kind of prediction */
function loadOrigin(folder: string, { preset, device, denoiser }: PretrainSettings): StableDiffusion {
  const sd = StableDiffusion.load(folder, { device });
  const architecture = ARCHITECTURES[preset];
  const parts = { vae: sd.vae.config, unet: sd.unet.config, text: sd.textEncoder.config };
  const other = Object.entries(parts).flatMap(([part, config]) =>
    Object.entries(architecture[part as keyof typeof parts])
      .filter(([key]) => key !== "scaling_factor" && key in config)
      .filter(([key, value]) => JSON.stringify(config[key as keyof typeof config]) !== JSON.stringify(value))
      .map(([key]) => `${part} "${key}"`),
  );
  if (sd.schedulerConfig.prediction_type !== denoiser.predictionType)
    other.push('scheduler "prediction_type"');
  if (other.length > 0) {
    throw new DiffusionError(
      `"${folder}" differs from preset "${preset}" in ${other.join(", ")}. Go on from a model of the same settings, or train from scratch.`,
    );
  }
  return sd;
}

interface Part {
  /** Places in the corpus. */
  readonly items: readonly number[];
  /** uint8 [N, 3, S, S] */
  readonly images: Tensor;
}

/** Holds out whole files (objects, never single views), chosen by name, so that a larger corpus keeps them out too. */
function divide(corpus: Corpus, seed: number, device: string): { training: Part; heldOut: Part } {
  const isHeldOut = corpus.files.map((file) => deriveSeed(seed, "held out", file) % HELD_OUT_EVERY === 0);
  // A corpus of a few files may hold out none: its first file is then shown, and said to be trained on too.
  if (!isHeldOut.includes(true) && corpus.files.length > 1) isHeldOut[0] = true;
  const all = corpus.fileOf.map((_, item) => item);
  const part = (items: number[], target: string): Part => ({
    items,
    images: keep(scope(() => corpus.images.indexSelect(0, indices(items, "cpu")).to(target))),
  });
  const parts = {
    training: part(
      all.filter((item) => !isHeldOut[corpus.fileOf[item]!]),
      device,
    ),
    heldOut: part(
      all.filter((item) => isHeldOut[corpus.fileOf[item]!]),
      "cpu",
    ),
  };
  corpus.images.dispose();
  return parts;
}

async function inspectAutoencoder(
  vae: AutoencoderKL,
  heldOut: Tensor,
  path: string,
  device: string,
  compute: Compute,
) {
  const images = spread(heldOut, 128);
  const others = roundTrip(vae, images, device, compute);
  const decibels = psnr(images, others);
  await writeBeside(path, spread(images, RECONSTRUCTIONS), spread(others, RECONSTRUCTIONS));
  return { "held-out PSNR (dB)": decibels };
}

async function writeSamples(
  sd: StableDiffusion,
  prompts: readonly string[],
  path: string,
  seed: number,
): Promise<void> {
  const images = textToImage(sd, {
    prompts,
    steps: 20,
    guidanceScale: 3,
    seeds: prompts.map((prompt, place) => deriveSeed(seed, "sample", prompt, place)),
  });
  await writeSheet(path, images);
  images.dispose();
}

/** Captions at even distances of the sorted list: the same ones each time, from all over the corpus. */
function samplePrompts(captions: readonly string[], count: number): string[] {
  const sorted = [...captions].sort();
  return Array.from({ length: count }, (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)]!);
}

/** Latents of the training images; computed once, then read from the work folder. */
async function corpusLatents(
  vae: AutoencoderKL,
  images: Tensor,
  settings: PretrainSettings,
  compute: Compute,
  work: string,
  onLine: (line: string) => void,
): Promise<Latents> {
  const path = join(work, "latents.safetensors");
  const stored = scope(() => readLatents(path, images.device));
  if (stored) return keep(stored);
  let last = performance.now();
  const latents = encodeCorpus(vae, images, {
    flips: settings.denoiser.flips,
    compute,
    onProgress: (done, total) => {
      if (performance.now() - last < settings.logSeconds * 1000) return;
      last = performance.now();
      onLine(`latents: ${done} of ${total}`);
    },
  });
  safetensors.write(
    path,
    { mean: latents.mean, std: latents.std },
    { scalingFactor: String(latents.scalingFactor) },
  );
  onLine(`latents: scaling factor ${latents.scalingFactor.toPrecision(4)}`);
  return latents;
}

function readLatents(path: string, device: string): Latents | null {
  try {
    const { tensors, metadata } = safetensors.read(path);
    const [mean, std] = [tensors.mean, tensors.std];
    if (!mean || !std) return null;
    return noGrad(() => ({
      mean: mean.to(device),
      std: std.to(device),
      scalingFactor: Number(metadata.scalingFactor),
    }));
  } catch {
    return null; // not there yet, or cut off: it is made anew
  }
}
