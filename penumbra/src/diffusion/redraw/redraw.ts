import { cat, cuda, deriveSeed, resolvePrecision, scope, stack, type Tensor, zeros } from "@penumbra/torch";
import { drawImages, type ImageLine, type ParentPhoto, withFile } from "../../data/index.ts";
import { keptOf, toUint8 } from "../../images/index.ts";
import { DiffusionError } from "../model/index.ts";
import {
  beginImageToImage,
  DENOISING,
  defaultSampler,
  denoiserSlice,
  type FolderDrawing,
  isOutOfMemory,
  type ReadySampler,
  type ResolvedStrength,
  readySampler,
  resolveStrength,
  type SamplerChoice,
  smallestStrength,
  takeSteps,
  withKept,
} from "../samplers/index.ts";
import { checkWords, type Words } from "../words/index.ts";
import { type BoundaryGuide, isLed, leadToBoundary } from "./boundary.ts";
import { Encoded, vectorHash } from "./encoded.ts";
import { type PlannedRedraw, planRedraws, type RedrawRequest } from "./plan.ts";
import { type ChosenRecipe, RECIPES, type RecipeName } from "./recipes/index.ts";

/** What is known of one redraw. */
export interface RedrawLine extends ImageLine {
  readonly recipe: RecipeName;
  readonly prompt: string;
  /** What guidance led away from, where that was something. */
  readonly negativePrompt?: string;
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
  /** Of the first pass. */
  readonly guidanceScale: number;
  /** Strengths one after the other, where there are several. */
  readonly passes?: readonly number[];
  /** What of the photo was kept, where something was. */
  readonly kept?: string;
  /** What else the recipe decided: the share of another class in the word, for example. */
  readonly facts?: Readonly<Record<string, number | string>>;
  /** What the networks were computed in. */
  readonly dtype: string;
  readonly modelHash: string;
}

export interface RedrawOptions extends FolderDrawing {
  /** Learned with this very model. */
  readonly words: Words;
  readonly photos: readonly ParentPhoto[];
  /** uint8 [N, 3, H, W]: the photos, at the model's image size. */
  readonly pixels: Tensor;
  readonly recipes: readonly ChosenRecipe[];
  /** Which images of these recipes. Default: every variant of every recipe, of every photo. */
  readonly requests?: readonly RedrawRequest[];
  readonly seed: number;
  /** Masks of photos by their ids, for recipes that keep a part: float [1, H, W], 1 where the object is. */
  readonly masks?: ReadonlyMap<string, Tensor>;
  /** Leads the images of guided recipes. */
  readonly guide?: BoundaryGuide;
  /** Called after each step: images that are there, with what is done of those that are being drawn. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Redraws photos by recipes (see recipes/): SDEdit as in DA-Fusion (Trabucco et al. 2023, section 3)
 * under the prompt "a photo of a <word>", unless a recipe has others. Photos and prompts are encoded once for all
 * images; files are written while the next batch is drawn.
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
  const { folder, sd, pixels, onProgress } = options;
  const { guidanceScale = DENOISING.guidanceScale, batchSize = DENOISING.batchSize } = options;
  checkInput(options);
  const plan = planRedraws(options);
  const unled = options.guide ? undefined : plan.find(isLed);
  if (unled) {
    throw new DiffusionError(
      `The recipe "${unled.recipe.name}" leads images by a judge of real photos, and none is there. Pass \`guide\`, as a study does, or set the recipe's weight to 0.`,
    );
  }
  const lines = describePlan(options, plan);
  const latents = pixels.shape.slice(2).map((side) => side / sd.vae.factor);
  using encoded = new Encoded(sd, pixels, options.precision ?? DENOISING.precision);
  await drawImages({
    ...{ folder, lines, onProgress },
    batchSize: denoiserSlice(sd, latents, batchSize, guidanceScale > 1),
    draw: (places, onShare) => {
      const items = places.map((place) => plan[place]!);
      return draw(options, encoded, items, onShare);
    },
    // Images of about one strength share a batch: its steps are then full from the first to the last.
    order: (a, b) => a.calls - b.calls,
  });
  return lines;
}

function checkInput({ sd, words, photos, pixels, recipes, masks }: RedrawOptions): void {
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
  const keeping = recipes.find(({ keep = "nothing" }) => keep !== "nothing");
  const unmasked = keeping && photos.find(({ id }) => !masks?.has(id));
  if (unmasked) {
    throw new DiffusionError(
      `The recipe "${keeping.name}" keeps the ${keeping.keep} of each photo, but "${unmasked.id}" has no mask. Add its mask, or leave "keep" out.`,
    );
  }
}

/** What will be known of each image of a plan, in its order. */
function describePlan(options: RedrawOptions, plan: readonly PlannedRedraw[]): RedrawLine[] {
  const { sd, photos, steps = DENOISING.steps, guidanceScale = DENOISING.guidanceScale } = options;
  const { precision = DENOISING.precision } = options;
  const { choice } = samplerOf(options);
  const { dtype } = resolvePrecision(precision, sd.device);
  return plan.map((item) => {
    const photo = photos[item.photo]!;
    const isGuided = item.passes.every((pass) => (pass.guidanceScale ?? guidanceScale) > 1);
    if (item.negativePrompt !== "" && !isGuided) throw noGuidance(item);
    const all = item.passes.map(({ strength }) => {
      const resolved = resolveStrength(sd.schedulerConfig, steps, strength, choice);
      if (resolved.calls === 0) throw noStep(item, strength, steps);
      return resolved;
    });
    const strongest = all[item.passes.findIndex(({ strength }) => strength === item.strength)]!;
    const { keep = "nothing", maskGrowth } = item.recipe;
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
      prompt: item.prompt,
      ...(item.negativePrompt !== "" && { negativePrompt: item.negativePrompt }),
      word: item.word,
      wordClass: item.wordClass,
      strength: item.strength,
      sampler: choice,
      ...levelsOf(strongest),
      calls: all.reduce((sum, { calls }) => sum + calls, 0),
      steps,
      guidanceScale: item.passes[0]!.guidanceScale ?? guidanceScale,
      ...(all.length > 1 && { passes: item.passes.map(({ strength }) => strength) }),
      ...(keep !== "nothing" && { kept: `${keep}, mask grown by ${maskGrowth} of 512` }),
      ...(Object.keys(item.facts).length > 0 && { facts: item.facts }),
      seed: item.seed,
      dtype,
      modelHash: sd.hash,
    };
    const held = item.vectors.filter(({ token }) => item.prompt.includes(token));
    const vectors = held.map(({ vector }) => vectorHash(vector)).join();
    const others = [
      ...(keep === "nothing" ? [] : [vectorHash(options.masks!.get(photo.id)!)]),
      ...(isLed(item) ? [options.guide!.hash] : []),
    ];
    return withFile<RedrawLine>(line, others.length === 0 ? vectors : [vectors, ...others]);
  });
}

function noGuidance({ recipe, negativePrompt }: PlannedRedraw): DiffusionError {
  return new DiffusionError(
    `The recipe "${recipe.name}" has the negative prompt "${negativePrompt}", and nothing would lead away from it: guidance does, above a scale of 1. Raise guidanceScale, or leave negativePrompt out.`,
  );
}

function noStep({ recipe }: PlannedRedraw, strength: number, steps: number): DiffusionError {
  return new DiffusionError(
    `The recipe "${recipe.name}" has the strength ${strength}, which takes no step of ${steps}: its images would be the photos again. Give ${smallestStrength(steps)} or more, or more steps.`,
  );
}

function levelsOf({ timestep, signal, noise }: ResolvedStrength) {
  return { timestep, signal, noise };
}

function samplerOf({ sd, sampler }: RedrawOptions): ReadySampler {
  return readySampler(sampler ?? defaultSampler(sd.schedulerConfig));
}

/** uint8 [B, 3, H, W]; by halves where a GPU's memory is too small for all. */
async function draw(
  options: RedrawOptions,
  encoded: Encoded,
  items: readonly PlannedRedraw[],
  onShare: (share: number) => void,
): Promise<Tensor> {
  try {
    return await drawAll(options, encoded, items, onShare);
  } catch (error) {
    if (items.length === 1 || !isOutOfMemory(error)) throw error;
    cuda.emptyCache();
    const middle = Math.ceil(items.length / 2);
    const first = await draw(options, encoded, items.slice(0, middle), (share) => onShare(share / 2));
    const second = await draw(options, encoded, items.slice(middle), (share) => onShare((1 + share) / 2));
    const whole = cat([first, second]);
    for (const half of [first, second]) half.dispose();
    return whole;
  }
}

async function drawAll(
  options: RedrawOptions,
  encoded: Encoded,
  items: readonly PlannedRedraw[],
  onShare: (share: number) => void,
): Promise<Tensor> {
  const rounds = Math.max(...items.map(({ passes }) => passes.length));
  /** [3, H, W] of each item, in 0..1 */
  let images: Tensor[] = encoded.images01(items.map(({ photo }) => photo)).unbind();
  try {
    for (let round = 0; round < rounds; round++) {
      const places = items.flatMap(({ passes }, place) => (passes.length > round ? [place] : []));
      const drawn = await drawPass(options, encoded, {
        items: places.map((place) => items[place]!),
        images01: scope(() => stack(places.map((place) => images[place]!))),
        round,
        onShare: (share) => onShare((round + share) / rounds),
      });
      const fresh = drawn.unbind();
      drawn.dispose();
      const next = images.map((image, place) =>
        places.includes(place) ? fresh[places.indexOf(place)]! : image,
      );
      for (const old of images) if (!next.includes(old)) old.dispose();
      images = next;
    }
    return scope(() => toUint8(stack(images)).to("cpu"));
  } finally {
    for (const image of images) image.dispose();
  }
}

/** float32 [B, 3, H, W] in 0..1, on the CPU. @param work.images01 is disposed */
async function drawPass(
  options: RedrawOptions,
  encoded: Encoded,
  work: {
    readonly items: readonly PlannedRedraw[];
    readonly images01: Tensor;
    readonly round: number;
    readonly onShare: (share: number) => void;
  },
): Promise<Tensor> {
  const { sd, sampler, steps, guidanceScale = DENOISING.guidanceScale, precision, signal, guide } = options;
  const { items, images01, round, onShare } = work;
  const passes = items.map((item) => item.passes[round]!);
  const kept = scope(() => keptMasks(options, items));
  const drawing = scope(() =>
    beginImageToImage(sd, images01, {
      context: encoded.contexts(items),
      negativeContext: encoded.contexts(
        items.map(({ negativePrompt, vectors }) => ({ prompt: negativePrompt, vectors })),
      ),
      strengths: passes.map(({ strength }) => strength),
      guidanceScale: passes.map((pass) => pass.guidanceScale ?? guidanceScale),
      seeds: items.map(({ seed }) => (round === 0 ? seed : deriveSeed(seed, "pass", round))),
      ...(round === 0 && { posterior: encoded.posterior(items.map(({ photo }) => photo)) }),
      ...{ steps, sampler, precision, kept },
      ...(guide && items.some(isLed) && { steer: leadToBoundary(sd, guide, items) }),
    }),
  );
  try {
    const drawn = await takeSteps(drawing, { signal, onStep: ({ done, total }) => onShare(done / total) });
    const result = scope(() => withKept(drawn, images01, kept).to("cpu"));
    if (result !== drawn) drawn.dispose();
    return result;
  } finally {
    for (const held of [drawing, images01, ...(kept ? [kept] : [])]) held[Symbol.dispose]();
  }
}

/** What is kept of each item's photo, [B, 1, H, W]; undefined where nothing is of any. */
function keptMasks(
  { photos, masks, pixels }: RedrawOptions,
  items: readonly PlannedRedraw[],
): Tensor | undefined {
  if (items.every(({ recipe }) => (recipe.keep ?? "nothing") === "nothing")) return undefined;
  return stack(
    items.map(({ photo, recipe: { keep = "nothing", maskGrowth } }) =>
      keep === "nothing"
        ? zeros([1, ...pixels.shape.slice(2)])
        : keptOf(masks!.get(photos[photo]!.id)!, keep, maskGrowth),
    ),
  );
}
