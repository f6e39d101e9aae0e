import { createHash } from "node:crypto";
import { type PrecisionSetting, resolvePrecision, scope, type Tensor, tensor } from "@penumbra/torch";
import { drawImages, type ImageLine, withFile } from "../../data/index.ts";
import { toUint8 } from "../../images/index.ts";
import { DiffusionError, type StableDiffusion } from "../model/index.ts";
import {
  defaultSampler,
  imageToImage,
  type ReadySampler,
  type ResolvedStrength,
  readySampler,
  resolveStrength,
  type SamplerChoice,
  smallestStrength,
} from "../samplers/index.ts";
import { checkWords, fillTemplate, PLAIN_TEMPLATE, type Words, wordOf } from "../words/index.ts";
import { type PlannedRedraw, planRedraws, type RedrawRequest } from "./plan.ts";
import { type ChosenRecipe, RECIPES, type RecipeName } from "./recipes/index.ts";

/** What is known of one redraw. */
export interface RedrawLine extends ImageLine {
  readonly recipe: RecipeName;
  readonly prompt: string;
  readonly word: string;
  readonly strength: number;
  /** The algorithm that denoised, with all its settings. */
  readonly sampler: SamplerChoice;
  /** Timestep that the strength means for these steps; null where none is taken. */
  readonly timestep: number | null;
  /** Amplitudes of image and noise at that timestep. */
  readonly signal: number;
  readonly noise: number;
  /** Calls of the UNet (with guidance each counts twice the work). */
  readonly calls: number;
  readonly steps: number;
  readonly guidanceScale: number;
  /** What the networks were computed in. */
  readonly dtype: string;
  readonly modelHash: string;
}

export interface RedrawOptions {
  readonly sd: StableDiffusion;
  /** Learned with this very model. */
  readonly words: Words;
  readonly photos: readonly {
    readonly id: string;
    readonly object: string;
    readonly className: string;
    /** Hash of the file; a changed photo is redrawn. */
    readonly hash?: string;
    /** "known", where given: unknowns are for testing only. */
    readonly role?: "known" | "near" | "far";
  }[];
  /** uint8 [N, 3, H, W]: the photos, at the model's image size. */
  readonly pixels: Tensor;
  readonly recipes: readonly ChosenRecipe[];
  /** Which images of these recipes. Default: every variant of every recipe, of every photo. */
  readonly requests?: readonly RedrawRequest[];
  /** The algorithm that denoises. Default: the one that the model's scheduler asks for. */
  readonly sampler?: SamplerChoice;
  /** Steps from pure noise to the image; a strength s takes about s of them. Default 50. */
  readonly steps?: number;
  /** Default 7.5. */
  readonly guidanceScale?: number;
  readonly seed: number;
  /** Gets images/ and manifest.jsonl. */
  readonly folder: string;
  /** Images drawn at once. Default 16. */
  readonly batchSize?: number;
  /** Default "fp32". */
  readonly precision?: PrecisionSetting;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Redraws photos by recipes (see recipes/): SDEdit as in DA-Fusion (Trabucco et al. 2023, section 3)
 * under the prompt "a photo of a <word>".
 *
 * Every image is written whole, then its line is added to `manifest.jsonl`. An image that is there with its line
 * is not made again: file names are hashes of all that decides about the image, so a changed setting makes new
 * files. What an image looks like does not depend on batch size, order or interruptions, beyond rounding.
 *
 * @returns the lines of the images asked for, photo by photo; the manifest may hold more from other calls
 * @throws DiffusionError when pixels and photos differ in number, words are of another model or missing for a
 *   class, a photo is not of a known class, or a recipe cannot be followed
 */
export async function redraw(options: RedrawOptions): Promise<RedrawLine[]> {
  const { folder, batchSize = 16, onProgress } = options;
  checkInput(options);
  const plan = planRedraws(options);
  const lines = describePlan(options, plan);
  await drawImages({
    ...{ folder, lines, batchSize, onProgress },
    draw: (places) =>
      draw(
        options,
        places.map((place) => plan[place]!),
      ),
    // Images of about one strength share a batch: its steps are then full from the first to the last.
    order: (a, b) => a.calls - b.calls,
  });
  return lines;
}

function checkInput({ sd, words, photos, pixels }: RedrawOptions): void {
  if (pixels.shape[0] !== photos.length) {
    throw new DiffusionError(
      `redraw was given ${photos.length} photos and pixels of shape [${pixels.shape}]. Pass one image for each photo, in the same order.`,
    );
  }
  checkWords(words, sd.hash);
  const unknown = photos.find(({ role }) => role !== undefined && role !== "known");
  if (unknown) {
    throw new DiffusionError(
      `The photo "${unknown.id}" is a ${unknown.role} unknown and may not be redrawn: what is made of it would leak into training. Pass training photos of known classes only.`,
    );
  }
}

/** What will be known of each image of a plan, in its order. */
function describePlan(options: RedrawOptions, plan: readonly PlannedRedraw[]): RedrawLine[] {
  const { sd, words, photos, steps = 50, guidanceScale = 7.5, precision = "fp32" } = options;
  const { choice } = samplerOf(options);
  const { dtype } = resolvePrecision(precision, sd.device);
  const fingerprints = new Map(words.words.map((word) => [word.className, fingerprint(word.vector)]));
  return plan.map((item) => {
    const photo = photos[item.photo]!;
    const resolved = resolveStrength(sd.schedulerConfig, steps, item.strength, choice);
    if (resolved.calls === 0) throw noStep(item, steps);
    const line: Omit<RedrawLine, "file"> = {
      parent: photo.id,
      parentHash: photo.hash ?? null,
      object: photo.object,
      className: photo.className,
      generator: "latent-diffusion",
      recipe: item.recipe.name,
      kind: RECIPES[item.recipe.name].kind,
      variant: item.variant,
      attempt: item.attempt,
      prompt: fillTemplate(PLAIN_TEMPLATE, item.word),
      word: item.word,
      wordClass: item.wordClass,
      strength: item.strength,
      sampler: choice,
      ...levelsOf(resolved),
      steps,
      guidanceScale,
      seed: item.seed,
      dtype,
      modelHash: sd.hash,
    };
    return withFile<RedrawLine>(line, fingerprints.get(item.wordClass));
  });
}

function noStep({ strength, recipe }: PlannedRedraw, steps: number): DiffusionError {
  return new DiffusionError(
    `The recipe "${recipe.name}" has the strength ${strength}, which takes no step of ${steps}: its images would be the photos again. Give ${smallestStrength(steps)} or more, or more steps.`,
  );
}

function levelsOf({ timestep, signal, noise, calls }: ResolvedStrength) {
  return { timestep, signal, noise, calls };
}

function samplerOf({ sd, sampler }: RedrawOptions): ReadySampler {
  return readySampler(sampler ?? defaultSampler(sd.schedulerConfig));
}

/** uint8 [B, 3, H, W] */
function draw(options: RedrawOptions, items: readonly PlannedRedraw[]): Tensor {
  const { sd, words, pixels, sampler, steps = 50, guidanceScale = 7.5, precision = "fp32" } = options;
  return scope(() => {
    const rows = tensor(
      items.map(({ photo }) => photo),
      { dtype: "int64" },
    );
    const images01 = pixels.to("cpu").indexSelect(0, rows).to("float32").div(255);
    const used = [...new Set(items.map(({ wordClass }) => wordClass))].sort();
    const redrawn = imageToImage(sd, images01, {
      prompts: items.map(({ word }) => fillTemplate(PLAIN_TEMPLATE, word)),
      words: used.map((className) => wordOf(words, className)),
      strengths: items.map(({ strength }) => strength),
      seeds: items.map(({ seed }) => seed),
      steps,
      sampler,
      guidanceScale,
      precision,
    });
    return toUint8(redrawn).to("cpu");
  });
}

/** Tells learned vectors apart: words of one class and model still differ by photos, steps and seed. */
function fingerprint(vector: Tensor): string {
  const bytes = vector.detach().to("cpu").to("float32").toTyped();
  return createHash("sha256").update(new Uint8Array(bytes.buffer)).digest("hex").slice(0, 16);
}
