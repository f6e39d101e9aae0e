import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  autocast,
  deriveSeed,
  Generator,
  keep,
  nn,
  noGrad,
  optim,
  type PrecisionSetting,
  resolvePrecision,
  safetensors,
  scope,
  stack,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { DiffusionError } from "../errors.ts";
import { addNoise, trainingTarget } from "../model/noise-schedule.ts";
import type { StableDiffusion } from "../model/stable-diffusion.ts";
import { drawSamples, encodePhotos, type InversionBatch, together } from "./inversion-samples.ts";
import { fillTemplate, TEMPLATES } from "./templates.ts";
import { type Words, wordToken } from "./words.ts";

/** The photos of one class. */
export interface ClassPhotos {
  readonly name: string;
  /** uint8 [n, 3, H, W]; squashed to the model's size where they differ from it. */
  readonly images: Tensor;
}

export interface LearnWordsOptions {
  readonly classes: readonly ClassPhotos[];
  /** Default 1000, as DA-Fusion's fine_tune.py. */
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
  const { classes, steps = 1000, batchSize = 4, learningRate = 2e-3, weightDecay = 1e-2, seed } = options;
  const { chunkSize = 128, precision = "fp32", initToken = "the", checkpointFolder, onProgress } = options;
  const { checkpointSeconds = 30 } = options;
  const tokens = checkClasses(classes);
  const { device } = sd;
  const { dtype } = resolvePrecision(precision, device);
  const compute = <T>(fn: () => T): T =>
    dtype === "float32" ? fn() : autocast({ device: device.replace(/:.*/, ""), dtype }, fn);
  sd.requiresGrad_(false);
  const tokenizer = sd.tokenizer.withTokens(tokens, sd.textEncoder.config.vocab_size);
  const ids = tokens.map((token) =>
    keep(tokenizer.encodeBatch(TEMPLATES.map((template) => fillTemplate(template, token))).to(device)),
  ); // for each class [templates, 77]
  const words = nn.parameter(initialVectors(sd, classes, initToken)); // [K, D]
  const optimizer = new optim.AdamW([words], { lr: learningRate, weightDecay, eps: 1e-8 });
  const posteriors = classes.map(({ images }) => keep(compute(() => encodePhotos(sd, images))));
  const generator = new Generator({ seed: 0 });

  const fingerprint = JSON.stringify({
    model: sd.hash,
    classes: classes.map(({ name, images }) => [name, images.shape, pixelHash(images)]),
    steps,
    batchSize,
    learningRate,
    weightDecay,
    initToken,
    seed,
    dtype,
  });
  const checkpoint = checkpointFolder && join(checkpointFolder, "inversion.safetensors");
  if (checkpointFolder) mkdirSync(checkpointFolder, { recursive: true });
  let step = checkpoint ? restore(checkpoint, fingerprint, words, optimizer) : 0;
  let saved = performance.now();
  let breathed = saved;
  try {
    for (; step < steps; step++) {
      scope(() => {
        const samples = classes.map(({ name }, k) =>
          drawSamples(
            {
              seed: deriveSeed(seed, "word", name, step),
              batchSize,
              photos: posteriors[k]!,
              ids: ids[k]!,
              generator,
            },
            sd,
          ),
        );
        optimizer.zeroGrad();
        const perChunk = Math.max(1, Math.floor(chunkSize / batchSize));
        for (let from = 0; from < samples.length; from += perChunk) {
          scope(() => {
            const chunk = together(samples.slice(from, from + perChunk));
            compute(() => inversionLoss(sd, words, chunk))
              .sum()
              .div(batchSize)
              .backward();
          });
        }
        optimizer.step();
      });
      const now = performance.now();
      onProgress?.(step + 1, steps);
      if (checkpoint && now - saved > checkpointSeconds * 1000) {
        save(checkpoint, fingerprint, words, optimizer, step + 1);
        saved = now;
      }
      if (now - breathed > BREATHE_MS) {
        breathed = now;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const vectors = noGrad(() =>
      scope(() =>
        words
          .detach()
          .to("cpu")
          .unbind()
          .map((row) => keep(row.clone())),
      ),
    );
    if (vectors.some((vector) => !Number.isFinite(scope(() => vector.sum().item())))) {
      throw new DiffusionError(
        "Learning the words diverged (numbers are no longer finite). Lower the learning rate or use precision fp32.",
      );
    }
    return {
      words: classes.map(({ name }, k) => ({ className: name, token: tokens[k]!, vector: vectors[k]! })),
      modelHash: sd.hash,
    };
  } finally {
    for (const held of [...ids, ...posteriors.flatMap(Object.values), words]) (held as Tensor).dispose();
    optimizer.dispose();
  }
}

function pixelHash(images: Tensor): string {
  const bytes = scope(() => images.to("cpu").contiguous().toTyped() as Uint8Array);
  return createHash("sha256").update(bytes).digest("hex");
}

/** The words as they are written. */
function checkClasses(classes: readonly ClassPhotos[]): string[] {
  if (classes.length === 0)
    throw new DiffusionError("There are no classes to learn words for. Give at least one class with photos.");
  const seen = new Map<string, string>();
  return classes.map(({ name, images }) => {
    if (images.ndim !== 4 || images.shape[0] === 0 || images.dtype !== "uint8") {
      throw new DiffusionError(
        `Class "${name}": photos are ${images.dtype} [${images.shape}]; uint8 [n, 3, H, W] with n >= 1 is needed.`,
      );
    }
    const token = wordToken(name);
    const other = seen.get(token);
    if (other !== undefined) {
      throw new DiffusionError(
        `The classes "${other}" and "${name}" would share the word ${token}. Rename one of them.`,
      );
    }
    seen.set(token, name);
    return token;
  });
}

/** [K, D]: the mean vector of the tokens that each word begins as. */
function initialVectors(
  sd: StableDiffusion,
  classes: readonly ClassPhotos[],
  init: string | Readonly<Record<string, string>>,
): Tensor {
  const table = sd.textEncoder.embeddings.tokenEmbedding.weight;
  return noGrad(() =>
    scope(() =>
      stack(
        classes.map(({ name }) => {
          const text = typeof init === "string" ? init : init[name];
          const ids = sd.tokenizer.tokens(text ?? "");
          if (ids.length === 0) {
            throw new DiffusionError(
              `initToken for the class "${name}" is ${JSON.stringify(text ?? null)}; give a word of the vocabulary, for example "the".`,
            );
          }
          return table
            .detach()
            .indexSelect(0, tensor(ids, { dtype: "int64", device: sd.device }))
            .to("float32")
            .mean([0]);
        }),
      ),
    ),
  );
}

function save(path: string, fingerprint: string, words: Tensor, optimizer: optim.AdamW, step: number): void {
  const state = optimizer.stateDict();
  const moments = Object.entries(state.tensors).map(([name, value]) => [`optimizer.${name}`, value]);
  safetensors.write(
    path,
    { words: words.detach(), ...Object.fromEntries(moments) },
    { fingerprint, step: String(step) },
  );
}

/** Puts words and optimizer where the checkpoint left them; returns the steps done. */
function restore(path: string, fingerprint: string, words: Tensor, optimizer: optim.AdamW): number {
  if (!existsSync(path)) return 0;
  return scope(() => {
    const { tensors, metadata } = safetensors.read(path);
    if (metadata.fingerprint !== fingerprint) {
      throw new DiffusionError(
        `The checkpoint "${path}" belongs to other photos, settings or another model. Use another folder, or delete it to begin anew.`,
      );
    }
    noGrad(() => words.copy_(tensors.words!));
    const moments = Object.entries(tensors).filter(([name]) => name.startsWith("optimizer."));
    const state = optimizer.stateDict();
    optimizer.loadStateDict({
      ...state,
      tensors: Object.fromEntries(moments.map(([name, value]) => [name.slice("optimizer.".length), value])),
    });
    return Number(metadata.step);
  });
}
