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
import { addNoise, DiffusionError, type StableDiffusion, trainingTarget } from "../model/index.ts";
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
  /**
   * What the words begin as: a word of the vocabulary for all classes (default "the"), or one for each class.
   * Several words, or one that is split into pieces, begin at the mean of their vectors.
   */
  readonly initToken?: string | Readonly<Record<string, string>>;
  readonly seed: number;
  /** Samples that are computed at once; more than that are split. Default 128. */
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
export async function learnWords(sd: StableDiffusion, options: LearnWordsOptions): Promise<Words> {
  const { steps = STEPS, checkpointFolder, checkpointSeconds = 30, onProgress } = options;
  const inversion = new Inversion(sd, options);
  const folder = checkpointFolder && join(checkpointFolder, "inversion");
  try {
    let step = folder ? inversion.restore(folder) : 0;
    let saved = performance.now();
    let breathed = saved;
    while (step < steps) {
      inversion.takeStep(step++);
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
    return inversion.words();
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
  /** How each class's word is written. */
  readonly #tokens: readonly string[];
  /** For each class [templates, 77]. */
  readonly #ids: readonly Tensor[];
  readonly #posteriors: readonly Posteriors[];
  /** The words, [K, D]: a row for each class. */
  readonly #table: nn.Embedding;
  readonly #optimizer: optim.AdamW;
  readonly #generator = new Generator({ seed: 0 });
  /** All that the result depends on. */
  readonly #fingerprint: string;

  constructor(sd: StableDiffusion, options: LearnWordsOptions) {
    const {
      classes,
      learningRate = 2e-3,
      weightDecay = 1e-2,
      initToken = "the",
      precision = "fp32",
    } = options;
    this.#sd = sd;
    this.#options = options;
    this.#batchSize = options.batchSize ?? 4;
    this.#tokens = checkClasses(classes);
    const { dtype } = resolvePrecision(precision, sd.device);
    this.#compute = autocastTo(sd.device, dtype);
    sd.requiresGrad_(false);
    this.#ids = promptIds(sd, this.#tokens);
    this.#table = wordTable(initialVectors(sd, classes, initToken));
    this.#optimizer = new optim.AdamW(this.#table.parameters(), { lr: learningRate, weightDecay, eps: 1e-8 });
    this.#posteriors = classes.map(({ images }) => keep(this.#compute(() => encodePhotos(sd, images))));
    this.#fingerprint = JSON.stringify({
      model: sd.hash,
      classes: classes.map(({ name, images }) => [name, images.shape, pixelHash(images)]),
      steps: options.steps ?? STEPS,
      batchSize: this.#batchSize,
      learningRate,
      weightDecay,
      initToken,
      seed: options.seed,
      dtype,
    });
  }

  /** One step of the optimizer on samples of all classes, computed in chunks. */
  takeStep(step: number): void {
    const perChunk = Math.max(1, Math.floor((this.#options.chunkSize ?? 128) / this.#batchSize));
    scope(() => {
      const samples = this.#drawSamples(step);
      this.#optimizer.zeroGrad();
      for (let from = 0; from < samples.length; from += perChunk) {
        scope(() => {
          const chunk = collate(samples.slice(from, from + perChunk));
          this.#compute(() => inversionLoss(this.#sd, this.#table.weight, chunk))
            .sum()
            .div(this.#batchSize)
            .backward();
        });
      }
      this.#optimizer.step();
    });
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
    checkpoints.save(folder, { ...this.#parts, step, extra: this.#fingerprint });
  }

  /** Puts words and optimizer where the checkpoint left them; returns the steps done, 0 where there is none. */
  restore(folder: string): number {
    if (!checkpoints.exists(folder)) return 0;
    if (checkpoints.load<string>(folder).extra !== this.#fingerprint) {
      throw new DiffusionError(
        `The checkpoint "${folder}" belongs to other photos, settings or another model. Use another folder, or delete it to begin anew.`,
      );
    }
    return checkpoints.load(folder, this.#parts).step;
  }

  get #parts() {
    return { model: this.#table, optimizer: this.#optimizer };
  }

  /** What was learned, on the CPU. */
  words(): Words {
    const vectors = noGrad(() => scope(() => keep(this.#table.weight.detach().to("cpu").clone().unbind())));
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
    const posteriors = this.#posteriors.flatMap(({ mean, logvar }) => [mean, logvar]);
    for (const held of [...this.#ids, ...posteriors, this.#table.weight]) held.dispose();
    this.#optimizer.dispose();
  }
}

/** The token ids of every template with each word, for each class [templates, 77]. */
function promptIds(sd: StableDiffusion, tokens: readonly string[]): Tensor[] {
  const tokenizer = sd.tokenizer.withTokens(tokens, sd.textEncoder.config.vocab_size);
  return tokens.map((token) => {
    const prompts = TEMPLATES.map((template) => fillTemplate(template, token));
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
