import { join } from "node:path";
import {
  checkpoints,
  deriveSeed,
  Generator,
  keep,
  nn,
  noGrad,
  optim,
  type PrecisionSetting,
  resolvePrecision,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { autocastTo, type Compute } from "../../models/index.ts";
import {
  addNoise,
  DiffusionError,
  MOST_VECTORS,
  type StableDiffusion,
  trainingTarget,
  wordTokens,
} from "../model/index.ts";
import { type ClassPhotos, checkClasses, initialVectors, pixelHash } from "./class-photos.ts";
import {
  collate,
  drawSamples,
  encodePhotos,
  type InversionBatch,
  type Posteriors,
} from "./inversion-samples.ts";
import { fillTemplate, TEMPLATES } from "./templates.ts";
import type { Words } from "./words.ts";

export interface LearnWordsOptions {
  readonly classes: readonly ClassPhotos[];
  /** Default 1000. */
  readonly steps?: number;
  /** Photos of each class at each step; default 4. */
  readonly batchSize?: number;
  /** Default 2e-3: DA-Fusion's 5e-4 scaled by its batch of 4. */
  readonly learningRate?: number;
  /** Default 1e-2; it acts on the words too, as in the reference. */
  readonly weightDecay?: number;
  /** Vectors of each word, 1 … 8. Default 1. */
  readonly vectors?: number;
  /** How the learning rate changes after its warm-up. Default "constant". */
  readonly schedule?: WordsSchedule;
  /** Steps in which the learning rate rises from 0. Default 0. */
  readonly warmup?: number;
  /**
   * Looks at photos that are not learned from: steps between two of them (0 = none), which words are kept (those of the
   * last step or of the look with the least loss), and after how many looks without a better one learning ends (0 =
   * never).
   */
  readonly evaluation?: WordsEvaluation;
  /** Photos that looks are at, by class; classes may be missing. */
  readonly heldOut?: readonly ClassPhotos[];
  /** Steps between two previews; default 0 = none. */
  readonly previewEvery?: number;
  /** Told the words as they are, which it must not keep. */
  readonly onPreview?: (step: number, words: Words) => Promise<void>;
  /**
   * Computes the UNet's intermediate results again in backward: less memory (penumbra-mini, 64 samples: 265 instead of
   * 438 MiB), a third more time. Changes no more than rounding. Default false.
   */
  readonly gradientCheckpointing?: boolean;
  /**
   * What the words begin as: a word of the vocabulary for all classes (default "the"), or one for each class. Where it
   * has as many tokens as a word has vectors each begins as one of them, else all begin at their mean.
   */
  readonly initToken?: string | Readonly<Record<string, string>>;
  readonly seed: number;
  /** Samples that are computed at once; more than that are split. Default: as many as take some 4 GiB, at most 128. */
  readonly chunkSize?: number;
  readonly precision?: PrecisionSetting;
  /** Where to keep what an interrupted run goes on from. */
  readonly checkpointFolder?: string;
  /** Default 30. */
  readonly checkpointSeconds?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** As DA-Fusion's fine_tune.py. */
const STEPS = 1000;
const LEARNING_RATE = 2e-3;

export const WORDS_SCHEDULES = ["constant", "linear", "cosine"] as const;
export type WordsSchedule = (typeof WORDS_SCHEDULES)[number];

export interface WordsEvaluation {
  readonly every: number;
  readonly keep: "last" | "best";
  readonly patience: number;
}

/** One look: losses per sample, of the samples that were learned from since the last look, and of held-out photos. */
export interface WordsLook {
  readonly step: number;
  readonly training: number;
  readonly heldOut: number;
}

/** Words, and how learning them went. */
export interface LearnedWords extends Words {
  readonly looks: readonly WordsLook[];
  /** The step whose words these are. */
  readonly step: number;
}

const NO_LOOKS: WordsEvaluation = { every: 0, keep: "last", patience: 0 };

/** Samples of each class that a look is at: the same ones every time. */
const LOOK_SAMPLES = 16;

/** Share of the peak learning rate at a step (from 0): warm-up, then constant, or falling to 0 at the end. */
function rateAt(step: number, steps: number, warmup: number, schedule: WordsSchedule): number {
  if (step < warmup) return (step + 1) / (warmup + 1);
  if (schedule === "constant") return 1;
  const done = (step - warmup) / Math.max(1, steps - warmup);
  return schedule === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
}

/** How often the event loop gets its turn, for signals and progress. */
const BREATHE_MS = 200;

/**
 * What textual inversion minimises, for each sample: the mean squared error of the denoiser's prediction of the
 * noise (or velocity) that was added (Gal et al. 2022, eq. 2; diffusers' examples/textual_inversion).
 *
 * @param words [K, D], the only thing that gets a gradient when the model is frozen
 * @returns float32 [B]
 */
export function inversionLoss(sd: StableDiffusion, words: Tensor, batch: InversionBatch): Tensor {
  const { latents, noise, timesteps, ids } = batch;
  const noised = addNoise(sd.schedulerConfig, latents, noise, timesteps);
  const target = trainingTarget(sd.schedulerConfig, latents, noise, timesteps);
  const context = sd.textEncoder.forward(ids, { words });
  const t = tensor([...timesteps], { dtype: "int64", device: latents.device });
  const weights = sd.unet.convIn.weight.dtype;
  const output = sd.unet.forward(noised.to({ dtype: weights, memoryFormat: "channelsLast" }), t, context);
  return output.to("float32").sub(target).square().mean([1, 2, 3]);
}

/**
 * Textual inversion (Gal et al. 2022) for all classes at once: one new row of the embedding table for each class,
 * everything else frozen, AdamW (.9, .999, 1e-8). The loss is the sum over classes of each class's mean, so every
 * row gets the gradient that it would get alone, and classes can be added without changing the others' words.
 *
 * Photo, flip, template, timestep and noise of a sample depend on seed, class, step and place alone: an interrupted
 * run goes on from its checkpoint with the same result.
 *
 * @throws DiffusionError when two classes have the same word, a class has no photos, the words to begin with are not
 *   in the vocabulary, or the checkpoint belongs to something else
 * @example
 * const words = await learnWords(sd, { classes: [{ name: "bolt", images }], seed: 0 });
 * const images = textToImage(sd, { prompts: ["a photo of a <bolt>"], words: words.words, seeds: [1] });
 */
export async function learnWords(sd: StableDiffusion, options: LearnWordsOptions): Promise<LearnedWords> {
  const { steps = STEPS, checkpointFolder, checkpointSeconds = 30, onProgress } = options;
  const { evaluation = NO_LOOKS, previewEvery = 0, onPreview } = options;
  const inversion = new Inversion(sd, options);
  const folder = checkpointFolder && join(checkpointFolder, "inversion");
  try {
    let step = folder ? inversion.restore(folder) : 0;
    let saved = performance.now();
    let breathed = saved;
    while (step < steps && !inversion.isStopped) {
      inversion.takeStep(step++);
      if (evaluation.every > 0 && (step % evaluation.every === 0 || step === steps)) inversion.look(step);
      if (previewEvery > 0 && step % previewEvery === 0) await onPreview?.(step, inversion.words());
      onProgress?.(step, steps);
      const now = performance.now();
      if (folder && now - saved > checkpointSeconds * 1000) {
        inversion.save(folder, step);
        saved = now;
      }
      if (now - breathed > BREATHE_MS) {
        breathed = now;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return inversion.result(step);
  } finally {
    inversion.dispose();
  }
}

/** The state of a training: what is learned, and what every step draws from. */
class Inversion {
  readonly #sd: StableDiffusion;
  readonly #options: LearnWordsOptions;
  readonly #batchSize: number;
  readonly #compute: Compute;
  /** Whether the model's weights were trainable before: autocast keeps its copies of those alone. */
  readonly #wasTrainable: boolean;
  /** How each class's word is written. */
  readonly #tokens: readonly string[];
  /** For each class [templates, 77]. */
  readonly #ids: readonly Tensor[];
  readonly #posteriors: readonly Posteriors[];
  /** The words, [K, D]: a row for each class. */
  readonly #table: nn.Embedding;
  readonly #optimizer: optim.AdamW;
  readonly #generator = new Generator({ seed: 0 });
  readonly #scaler: optim.GradScaler | null;
  readonly #heldOut: readonly Posteriors[];
  #looks: WordsLook[] = [];
  /** Words of the best look. */
  #best: { readonly step: number; readonly loss: number; readonly values: readonly number[] } | null = null;
  /** Sum of losses since the last look, and of how many samples. */
  #since = { loss: 0, samples: 0 };
  /** All that the result depends on. */
  readonly #fingerprint: string;

  constructor(sd: StableDiffusion, options: LearnWordsOptions) {
    const {
      classes,
      learningRate = LEARNING_RATE,
      weightDecay = 1e-2,
      initToken = "the",
      precision = "fp32",
      vectors = 1,
      heldOut = [],
    } = options;
    if (!Number.isInteger(vectors) || vectors < 1 || vectors > MOST_VECTORS)
      throw new DiffusionError(`A word has 1 to ${MOST_VECTORS} vectors, not ${vectors}. Set "vectors".`);
    this.#sd = sd;
    this.#options = options;
    this.#batchSize = options.batchSize ?? 4;
    this.#tokens = checkClasses(classes);
    const { dtype } = resolvePrecision(precision, sd.device);
    this.#compute = autocastTo(sd.device, dtype);
    this.#wasTrainable = sd.unet.convIn.weight.requiresGrad;
    sd.requiresGrad_(false);
    sd.unet.recomputes = options.gradientCheckpointing ?? false;
    this.#scaler = dtype === "float16" ? new optim.GradScaler() : null;
    this.#ids = promptIds(sd, this.#tokens, vectors);
    this.#table = wordTable(initialVectors(sd, classes, initToken, vectors));
    this.#optimizer = new optim.AdamW(this.#table.parameters(), { lr: learningRate, weightDecay, eps: 1e-8 });
    this.#posteriors = classes.map(({ images }) => keep(this.#compute(() => encodePhotos(sd, images))));
    const isHeldOut = (name: string) =>
      heldOut.find((each) => each.name === name && each.images.shape[0] !== 0);
    const held = (this.#evaluation.every > 0 ? classes : []).map(({ name }) => isHeldOut(name));
    if (this.#evaluation.every > 0 && held.every((each) => each === undefined))
      throw new DiffusionError(
        "There are no held-out photos to look at. Give some, or set evaluation.every to 0.",
      );
    this.#heldOut = held.map((each) =>
      each ? keep(this.#compute(() => encodePhotos(sd, each.images))) : NO_POSTERIORS,
    );
    this.#fingerprint = JSON.stringify({
      model: sd.hash,
      classes: classes.map(({ name, images }) => [name, images.shape, pixelHash(images)]),
      steps: options.steps ?? STEPS,
      batchSize: this.#batchSize,
      learningRate,
      weightDecay,
      initToken,
      vectors,
      schedule: options.schedule ?? "constant",
      warmup: options.warmup ?? 0,
      evaluation: this.#evaluation,
      heldOut: held.map((each) => each && [each.name, pixelHash(each.images)]),
      seed: options.seed,
      dtype,
    });
  }

  /** One step of the optimizer on samples of all classes, computed in chunks. */
  takeStep(step: number): void {
    const { steps = STEPS, learningRate = LEARNING_RATE, warmup = 0, schedule = "constant" } = this.#options;
    const atOnce = this.#options.chunkSize ?? samplesAtOnce(this.#sd);
    const perChunk = Math.max(1, Math.floor(atOnce / this.#batchSize));
    this.#optimizer.lr = learningRate * rateAt(step, steps, warmup, schedule);
    scope(() => {
      const samples = this.#drawSamples(step);
      this.#optimizer.zeroGrad();
      for (let from = 0; from < samples.length; from += perChunk) {
        scope(() => {
          const chunk = collate(samples.slice(from, from + perChunk));
          const losses = this.#compute(() => inversionLoss(this.#sd, this.#table.weight, chunk));
          const loss = losses.sum().div(this.#batchSize);
          (this.#scaler ? this.#scaler.scale(loss) : loss).backward();
          if (this.#evaluation.every === 0) return;
          this.#since.loss += losses.detach().sum().item() as number;
          this.#since.samples += losses.shape[0] as number;
        });
      }
      if (this.#scaler) {
        this.#scaler.step(this.#optimizer);
        this.#scaler.update();
      } else this.#optimizer.step();
    });
  }

  get #evaluation(): WordsEvaluation {
    return this.#options.evaluation ?? NO_LOOKS;
  }

  /** Whether the last looks were all worse than one before them. */
  get isStopped(): boolean {
    const { patience } = this.#evaluation;
    const best = this.#best?.step ?? 0;
    return patience > 0 && this.#looks.filter(({ step }) => step > best).length >= patience;
  }

  /** Takes the loss of held-out photos, of the same samples every time, and remembers the words where it is the least. */
  look(step: number): void {
    const { classes, seed } = this.#options;
    const losses = classes.flatMap(({ name }, k) => {
      const photos = this.#heldOut[k]!;
      if (photos === NO_POSTERIORS) return [];
      const drawn = { batchSize: LOOK_SAMPLES, photos, ids: this.#ids[k]!, generator: this.#generator };
      return scope(() => {
        const samples = drawSamples({ ...drawn, seed: deriveSeed(seed, "held-out", name) }, this.#sd);
        return noGrad(() => this.#compute(() => inversionLoss(this.#sd, this.#table.weight, samples)))
          .mean()
          .item() as number;
      });
    });
    const heldOut = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    this.#looks.push({ step, training: this.#since.loss / this.#since.samples, heldOut });
    this.#since = { loss: 0, samples: 0 };
    if (this.#best !== null && !(heldOut < this.#best.loss)) return;
    this.#best = { step, loss: heldOut, values: this.#table.weight.detach().toNumbers() };
  }

  #drawSamples(step: number): InversionBatch[] {
    const { classes, seed } = this.#options;
    return classes.map(({ name }, k) =>
      drawSamples(
        {
          seed: deriveSeed(seed, "word", name, step),
          batchSize: this.#batchSize,
          photos: this.#posteriors[k]!,
          ids: this.#ids[k]!,
          generator: this.#generator,
        },
        this.#sd,
      ),
    );
  }

  save(folder: string, step: number): void {
    checkpoints.save(folder, {
      ...this.#parts,
      step,
      extra: {
        ...{ fingerprint: this.#fingerprint, looks: this.#looks, best: this.#best, since: this.#since },
        scaler: this.#scaler?.state ?? null,
      } satisfies Mark,
    });
  }

  /** Puts words and optimizer where the checkpoint left them; returns the steps done, 0 where there is none. */
  restore(folder: string): number {
    if (!checkpoints.exists(folder)) return 0;
    const mark = checkpoints.load<Mark>(folder).extra;
    if (mark.fingerprint !== this.#fingerprint) {
      throw new DiffusionError(
        `The checkpoint "${folder}" belongs to other photos, settings or another model. Use another folder, or delete it to begin anew.`,
      );
    }
    this.#looks = [...mark.looks];
    this.#best = mark.best;
    this.#since = { ...mark.since };
    if (this.#scaler && mark.scaler) this.#scaler.state = mark.scaler;
    return checkpoints.load(folder, this.#parts).step;
  }

  get #parts() {
    return { model: this.#table, optimizer: this.#optimizer };
  }

  /** What was learned: the words of the last step, or of the best look. */
  result(step: number): LearnedWords {
    const isBest = this.#evaluation.keep === "best" && this.#best !== null;
    if (isBest)
      noGrad(() =>
        scope(() => {
          const { weight } = this.#table;
          weight.copy_(tensor([...this.#best!.values], { device: weight.device }).reshape(weight.shape));
        }),
      );
    return { ...this.words(), looks: this.#looks, step: isBest ? this.#best!.step : step };
  }

  /** The words as they are, on the CPU. */
  words(): Words {
    const count = this.#options.vectors ?? 1;
    const vectors = noGrad(() =>
      scope(() => {
        const rows = this.#table.weight.detach().to("cpu").clone();
        return keep(count === 1 ? rows.unbind() : rows.split(count).map((part) => part.clone()));
      }),
    );
    if (vectors.some((vector) => !Number.isFinite(scope(() => vector.sum().item())))) {
      throw new DiffusionError(
        "Learning the words diverged (numbers are no longer finite). Lower the learning rate or use precision fp32.",
      );
    }
    const words = this.#options.classes.map(({ name }, k) => ({
      className: name,
      token: this.#tokens[k]!,
      vector: vectors[k]!,
    }));
    return { words, modelHash: this.#sd.hash };
  }

  dispose(): void {
    this.#sd.unet.recomputes = false;
    this.#sd.requiresGrad_(this.#wasTrainable);
    const held = this.#heldOut.filter((each) => each !== NO_POSTERIORS);
    const posteriors = [...this.#posteriors, ...held].flatMap(({ mean, logvar }) => [mean, logvar]);
    for (const held of [...this.#ids, ...posteriors, this.#table.weight]) held.dispose();
    this.#optimizer.dispose();
  }
}

/** What an interrupted run goes on from, beside words and optimizer. */
interface Mark {
  readonly fingerprint: string;
  readonly looks: readonly WordsLook[];
  readonly best: { readonly step: number; readonly loss: number; readonly values: readonly number[] } | null;
  readonly since: { readonly loss: number; readonly samples: number };
  readonly scaler: optim.GradScalerState | null;
}

/** Stands for a class without held-out photos. */
const NO_POSTERIORS = {} as Posteriors;

/**
 * Samples forwards and backwards that take some 4 GiB, by the UNet's sizes: about 100 numbers are kept for every channel
 * of every position of a level (85 to 91 with penumbra-mini and 16 or 64 samples, fp32; larger models were not
 * measured). From the model alone, not from the memory that is free: how a step is split decides about its last bits.
 */
function samplesAtOnce(sd: StableDiffusion): number {
  const side = sd.imageSize / sd.vae.factor;
  const kept = sd.unet.config.block_out_channels.reduce(
    (sum, channels, level) => sum + channels * (side / 2 ** level) ** 2,
    0,
  );
  return Math.max(1, Math.min(128, Math.floor(2 ** 32 / (4 * 100 * kept))));
}

/** The token ids of every template with each word, for each class [templates, 77]. */
function promptIds(sd: StableDiffusion, words: readonly string[], count: number): Tensor[] {
  const tokens = words.map((token) => wordTokens(token, count));
  const tokenizer = sd.tokenizer.withTokens(tokens.flat(), sd.textEncoder.config.vocab_size);
  return tokens.map((own) => {
    const prompts = TEMPLATES.map((template) => fillTemplate(template, own.join(" ")));
    return keep(scope(() => tokenizer.encodeBatch(prompts).to(sd.device)));
  });
}

/** A table that begins with these rows, [K, D]. */
function wordTable(rows: Tensor): nn.Embedding {
  const [count, size] = rows.shape as [number, number];
  const table = nn.init.skip(() => new nn.Embedding(count, size)).to({ device: rows.device });
  noGrad(() => table.weight.copy_(rows));
  rows.dispose();
  return table;
}
