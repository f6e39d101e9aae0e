import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { cuda, type Precision, resolvePrecision } from "@penumbra/torch";
import { ClipTokenizer, type StableDiffusion, TEMPLATES } from "../../diffusion/index.ts";
import { writeFolderAsync } from "../../files/index.ts";
import { autocastTo, type Compute } from "../../models/index.ts";
import { GeneratorError } from "../errors.ts";
import type { TrainingOptions } from "../generator.ts";
import { writeModelCard } from "../trainer/card.ts";
import { type Corpus, corpusOf } from "../trainer/corpus.ts";
import { type CorpusPart, holdOut } from "../trainer/hold-out.ts";
import { type TrainOptions, train } from "../trainer/loop.ts";
import type { TrainResult } from "../trainer/trainee.ts";
import { imageSize } from "./architectures.ts";
import { assemble, pretrainSchedule } from "./assemble.ts";
import { AutoencoderTrainee } from "./autoencoder.ts";
import { CaptionTable } from "./captions.ts";
import { modelCard } from "./card.ts";
import { type DenoiserState, DenoiserTrainee, stateOf } from "./denoiser.ts";
import { corpusLatents, type Latents } from "./latents.ts";
import { loadOrigin, type Origin, runSeed } from "./origin.ts";
import { samplePrompts, writeRoundTrips, writeSamples } from "./samples.ts";
import type { PretrainSettings } from "./settings.ts";

const SAMPLES = 16;

export type PretrainOptions = TrainingOptions<PretrainSettings>;

/**
 * Trains a small Stable Diffusion on captioned images, from scratch or on from a finished one: first the
 * autoencoder, then text encoder and UNet together on its latents. Everything is resumable: call it again with
 * the same folders and settings.
 *
 * An interrupted run ends with the same bits as an uninterrupted one on the same machine. While the second stage runs,
 * `work/snapshot` holds the model as of the last checkpoint.
 *
 * @returns the finished model's folder (diffusers layout), or null when the signal ended it before
 * @throws for a corpus without readable images, a checkpoint of other settings, or a loss that is not finite
 */
export async function pretrain(options: PretrainOptions): Promise<string | null> {
  const room = await prepare(options);
  const first = autoencoderOf(room);
  const autoencoder =
    options.settings.autoencoder.keep === true
      ? UNTRAINED
      : await train(first, { ...room.budgets, ...options.settings.autoencoder });
  if (!autoencoder.complete) return null;
  const gallery = await prepareGallery(room, first, autoencoder);
  const denoiser = await trainDenoiser(room, gallery);
  if (!denoiser) return null;
  await writeModel(room, gallery, denoiser.state, denoiser.result, options.out);
  room.onLine(`pretrain: wrote ${options.out}`);
  return options.out;
}

/** Text encoder and UNet, trained or as they were; null when the signal ended it before. */
async function trainDenoiser(room: Workroom, gallery: Gallery) {
  const { origin, settings, budgets } = room;
  if (settings.denoiser.keep) {
    const state = stateOf(origin!.model, gallery.captions.vocabulary);
    return { state, result: UNTRAINED };
  }
  const trainee = denoiserOf(room, gallery);
  const result = await train(trainee, { ...budgets, ...settings.denoiser });
  return result.complete ? { state: trainee.averagedState, result } : null;
}

/** Of what was kept. */
const UNTRAINED: TrainResult = { complete: true, step: 0, seconds: 0, figures: {} };

/** What both stages need. */
interface Workroom {
  readonly options: PretrainOptions;
  /** The settings with the seed of this run's items and noise. */
  readonly settings: PretrainSettings;
  readonly work: string;
  readonly precision: Precision;
  readonly compute: Compute;
  readonly origin: Origin | undefined;
  readonly corpus: Corpus;
  readonly training: CorpusPart;
  readonly heldOut: CorpusPart;
  readonly budgets: Omit<TrainOptions, "steps" | "minutes" | "batchSize" | "learningRate" | "warmup">;
  readonly onLine: (line: string) => void;
}

async function prepare(options: PretrainOptions): Promise<Workroom> {
  const { settings, signal, onLine = () => {}, work = `${options.out}.work` } = options;
  const { device, preset, limit, seed } = settings;
  const precision = resolvePrecision(settings.precision, device);
  if (device.startsWith("cuda")) {
    cuda.setTf32(true);
    cuda.setCudnnBenchmark(true);
  }
  const origin = options.from === undefined ? undefined : await loadOrigin(options.from, settings);
  checkWhatIsKept(settings, origin);
  const corpus = await corpusOf(options.corpus, { size: imageSize(preset), limit });
  for (const problem of corpus.problems) onLine(`corpus: left out ${problem}`);
  const { training, heldOut } = holdOut(corpus, seed, device);
  onLine(
    `corpus: ${corpus.fileOf.length} images of ${corpus.files.length} files, ${corpus.captions.length} captions, ${heldOut.items.length} images held out; ${precision.reason}`,
  );
  const { checkpointMinutes, sheetMinutes: inspectMinutes, logSeconds } = settings;
  const onProgress = (done: number, total: number) => options.onProgress?.(done, total, "steps");
  const budgets = { folder: work, checkpointMinutes, inspectMinutes, logSeconds, onLine, onProgress, signal };
  const compute = autocastTo(device, precision.dtype);
  const streams = { ...settings, seed: runSeed(seed, origin?.runs.length ?? 0) };
  return {
    options,
    settings: streams,
    work,
    precision,
    compute,
    origin,
    corpus,
    training,
    heldOut,
    budgets,
    onLine,
  };
}

/** @throws GeneratorError where there is nothing to keep, or what is kept does not fit what is trained */
function checkWhatIsKept({ autoencoder, denoiser }: PretrainSettings, origin: Origin | undefined): void {
  const kept = autoencoder.keep ? "autoencoder.keep" : denoiser.keep ? "denoiser.keep" : undefined;
  if (kept && !origin)
    throw new GeneratorError(
      `${kept} leaves networks of a finished model as they are, but there is none. Give one with --from, or leave "keep" out.`,
    );
  if (denoiser.keep && autoencoder.keep !== "encoder")
    throw new GeneratorError(
      `denoiser.keep leaves the UNet as it is, which knows the latents of its own encoder alone, but ${autoencoder.keep ? "then nothing is trained" : "autoencoder.keep is false"}. Say "autoencoder.keep: encoder" too.`,
    );
}

function autoencoderOf(room: Workroom): AutoencoderTrainee {
  const { settings, work, compute, origin, training, heldOut } = room;
  return new AutoencoderTrainee({
    settings,
    images: training.images,
    compute,
    from: origin?.model.vae,
    inspect: (vae, step) =>
      writeRoundTrips(vae, heldOut.images, join(work, "sheets", `autoencoder-${step}.png`), {
        device: settings.device,
        compute,
      }),
  });
}

/** What the second stage needs of the first, and what shows and keeps its results. */
interface Gallery {
  /** None where text encoder and UNet are kept. */
  readonly latents: Latents | undefined;
  readonly captions: CaptionTable;
  readonly prompts: readonly string[];
  /** Files of pictures. */
  readonly sheet: string;
  readonly roundTrips: string;
  readonly autoencoder: TrainResult;
  /** The whole model with these weights of text encoder and UNet. */
  readonly model: (denoiser: DenoiserState) => StableDiffusion;
}

async function prepareGallery(
  { options, settings, work, compute, origin, corpus, training, heldOut, onLine }: Workroom,
  { vae }: AutoencoderTrainee,
  autoencoder: TrainResult,
): Promise<Gallery> {
  await mkdir(work, { recursive: true }); // the first stage makes it, where there is one
  const encoded = settings.denoiser.keep
    ? undefined
    : await corpusLatents(vae, training.images, { settings, compute, work, onLine });
  const kept = settings.autoencoder.keep && origin?.model.vae.config.scaling_factor;
  const scalingFactor = kept || encoded!.scalingFactor;
  const latents = encoded && { ...encoded, scalingFactor };
  const tokenizer = tokenizerOf(options, origin, corpus);
  const captions = new CaptionTable(corpus.captions, tokenizer);
  const { vocabulary } = captions;
  const roundTrips = join(work, "sheets", "round-trip.webp");
  await writeRoundTrips(vae, heldOut.images, roundTrips, { device: settings.device, compute });
  return {
    latents,
    captions,
    prompts: samplePrompts(corpus.captions, SAMPLES),
    sheet: join(work, "sheets", "samples.webp"),
    roundTrips,
    autoencoder,
    model: (denoiser) => assemble({ settings, tokenizer, vocabulary, vae, scalingFactor, denoiser }),
  };
}

function tokenizerOf(
  { settings, tokenizer }: PretrainOptions,
  origin: Origin | undefined,
  { captions }: Corpus,
): ClipTokenizer {
  const { vocabulary: pairs, captionLength: maxLength } = settings;
  if (pairs === "clip") return ClipTokenizer.load(tokenizer);
  if (origin) return origin.model.tokenizer;
  return ClipTokenizer.learn([...captions, ...TEMPLATES], { pairs, maxLength });
}

function denoiserOf(room: Workroom, gallery: Gallery): DenoiserTrainee {
  const { settings, work, compute, origin, corpus, training } = room;
  const { latents, captions, prompts, sheet, model } = gallery;
  return new DenoiserTrainee({
    settings,
    latents: latents!,
    captions,
    captionOf: training.items.map((item) => corpus.captionOf[item]!),
    scheduler: pretrainSchedule(settings.denoiser),
    compute,
    from: origin?.model,
    inspect: async (average, step) => {
      await writeSamples(model(average), prompts, sheet, settings.seed);
      await copyFile(sheet, join(work, "sheets", `denoiser-${step}.webp`));
      return {};
    },
    saved: (average, result) => writeModel(room, gallery, average, result, join(work, "snapshot")),
  });
}

/** Writes the whole model with its card; an old folder is replaced. */
async function writeModel(
  { options, work, precision, origin, corpus, heldOut }: Workroom,
  { model, prompts, sheet, roundTrips, autoencoder }: Gallery,
  average: DenoiserState,
  denoiser: TrainResult,
  folder: string,
): Promise<void> {
  const { settings, dataNote } = options;
  if (!existsSync(sheet)) await writeSamples(model(average), prompts, sheet, settings.seed);
  const card = await modelCard({
    name: basename(options.out),
    earlierRuns: origin?.runs ?? [],
    dataNote,
    settings,
    corpus,
    heldOut: heldOut.items.length,
    autoencoder,
    denoiser,
    precision: precision.reason,
    sheet,
    roundTrips,
    prompts,
    work,
  });
  await writeFolderAsync(folder, async (aside) => {
    model(average).save(aside, { dtype: "float16" });
    await writeModelCard(aside, card);
  });
}
