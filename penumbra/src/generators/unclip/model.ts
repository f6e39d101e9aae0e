import { cat, deriveSeed, manualSeed, nn, noGrad, scope, type Tensor } from "@penumbra/torch";
import { fillTemplate } from "../../diffusion/index.ts";
import { DdpmTrainee } from "../ddpm/index.ts";
import type { DrawingItem, LoadedGenerator } from "../draw/artist.ts";
import { GeneratorError } from "../errors.ts";
import { indices } from "../trainer/crops.ts";
import { noiseOf } from "../trainer/noise.ts";
import { asBytes, asFloat } from "../trainer/photo-batches.ts";
import { folderHash, readDescription } from "../trainer/photo-model.ts";
import { column } from "../trainer/shares.ts";
import type { PhotoParts, StagedTraining } from "../trainer/train-on-photos.ts";
import { ClipTrainee } from "./clip-trainee.ts";
import { changedBatches, keptText, ToldDecoder, ToldPrior, toldImages } from "./conditioned.ts";
import { decode, embedImages, encoderPixels, type ReadText, readTexts, rowsOf, samplePrior } from "./draw.ts";
import {
  edgeOf,
  isPublished,
  newUnclip,
  readUnclip,
  tokensOf,
  type UnclipParts,
  writeUnclip,
} from "./parts.ts";
import { UnclipSettings } from "./settings.ts";
import { slerp, textDifference } from "./slerp.ts";
import {
  copySuperResolution,
  enlarge,
  readSuperResolution,
  type SuperResolution,
} from "./super-resolution.ts";

/** Initial weights as CLIP's authors and GLIDE's draw them. Draws from the default generator. */
function initialise(parts: UnclipParts): void {
  for (const [name, parameter] of [...parts.text.namedParameters(), ...parts.image.namedParameters()])
    if (/_embedding\.weight$/.test(name) && parameter.ndim === 2) nn.init.normal_(parameter, 0, 0.02);
  nn.init.normal_(parts.prior.positionalEmbedding, 0, 0.02);
  nn.init.normal_(parts.prior.prdEmbedding, 0, 0.02);
  // Each residual branch of the decoder begins as nothing (Ho et al. 2020, appendix B).
  for (const [name, parameter] of parts.decoder.namedParameters())
    if (/(^|\.)(conv2|to_out\.0|conv_out)\.(weight|bias)$/.test(name)) noGrad(() => parameter.zero_());
}

function moveTo(parts: UnclipParts, device: string): UnclipParts {
  for (const network of [parts.text, parts.image, parts.prior, parts.projection]) network.to({ device });
  parts.decoder.to({ device, memoryFormat: "channelsLast" });
  return parts;
}

/** What is said of images of each class; the last one is empty. */
function textsOf({ prompt }: UnclipSettings, classes: readonly string[]): string[] {
  return [...classes.map((name) => fillTemplate(prompt, name)), ""];
}

/** Encoders of images and texts first; then, on their embeddings, the prior and the decoder. */
export function unclipTraining(options: PhotoParts<UnclipSettings>): StagedTraining {
  const { settings, classes, images, batches, device, compute, from } = options;
  const { seed, clipShare, priorShare, learningRate, emaDecay } = settings;
  manualSeed(deriveSeed(seed, "unclip", "initial weights"));
  const texts = textsOf(settings, classes);
  const build = () => moveTo(from ? readUnclip(from.folder) : newUnclip(settings, texts), device);
  const [parts, average] = [build(), build()];
  if (from) checkSize(parts, settings, from.folder);
  else initialise(parts);
  const tokens = tokensOf(parts.tokenizer, texts, device);
  const common = { compute, seed, learningRate, emaDecay };
  const diffusion = { ...common, early: null, earlyShare: 1 };
  const embed = (x: Tensor) => compute(() => embedImages(average, x)).to("float32");
  const empty = indices([texts.length - 1], device);
  const clip = () =>
    new ClipTrainee({
      ...{ ...common, encoders: parts, averages: average, ids: tokens.ids },
      viewWeight: settings.viewWeight,
      batches: changedBatches(batches, ({ x, labels }) => ({ x: encoderPixels(parts, x), labels })),
    });
  // What the finished encoder reads: texts are read when the stage that needs them begins.
  const read = () => keptText(readTexts(average, tokens));
  const prior = () => {
    setScale([parts, average], images, embed);
    const known = read();
    return new DdpmTrainee({
      ...{ ...diffusion, name: "prior", scheduler: parts.priorSchedule, learnsVariance: false },
      denoiser: new ToldPrior(parts.prior, known),
      average: new ToldPrior(average.prior, known),
      dropout: { label: texts.length - 1, share: settings.wordDropout },
      batches: changedBatches(batches, ({ x, labels }) => ({
        x: average.prior.normalised(embed(x)),
        labels,
      })),
    });
  };
  const decoder = () => {
    const none = keptText(scope(() => rowsOf(read(), empty)));
    return new DdpmTrainee({
      ...{ ...diffusion, name: "decoder", scheduler: parts.decoderSchedule, learnsVariance: true },
      denoiser: new ToldDecoder(parts.decoder, parts.projection, none),
      average: new ToldDecoder(average.decoder, average.projection, none),
      dropout: null,
      batches: toldImages(batches, embed, { share: settings.embeddingDropout, seed }),
    });
  };
  return {
    stages: [
      { share: clipShare, begin: clip },
      { share: priorShare, begin: prior },
      { share: 1 - clipShare - priorShare, begin: decoder },
    ],
    samples: (count) =>
      scope(() => {
        const painter = new Painter(average, settings, classes, device);
        const items = Array.from({ length: count }, (_, i) => ({
          ...{ photo: 0, otherPhoto: 0, label: i % classes.length, otherLabel: i % classes.length },
          ...{ dial: 0, seed: deriveSeed(seed, "sample", i) },
        }));
        return asBytes(painter.draw("crossed", items, asFloat(images.narrow(0, 0, 1)))).to("cpu");
      }),
    save: (folder) => {
      writeUnclip(folder, average);
      if (from) copySuperResolution(from.folder, folder);
    },
    figures: () => ({ "photos whose class's words are nearest": nearestWords(average, options, embed) }),
    sharesOf: (steps) => {
      const all = steps.reduce((sum, count) => sum + count, 0);
      return { clipShare: steps[0]! / all, priorShare: steps[1]! / all };
    },
  };
}

/** @throws GeneratorError where a model that is learned on draws images of another size */
function checkSize({ decoder }: UnclipParts, { imageSize }: UnclipSettings, folder: string): void {
  const size = edgeOf(decoder);
  if (size === imageSize) return;
  throw new GeneratorError(
    `The model in "${folder}" draws images of ${size} px, imageSize is ${imageSize}. Set imageSize to ${size}.`,
  );
}

/** Images that it is measured on at most. */
const MEASURED = 256;

/** Share of images to which the words of their own class are nearest: what the encoders have learned. */
function nearestWords(
  parts: UnclipParts,
  { settings, classes, images, labels, device }: PhotoParts<UnclipSettings>,
  embed: (images: Tensor) => Tensor,
): number {
  return noGrad(() =>
    scope(() => {
      const count = Math.min(MEASURED, labels.length);
      const step = Math.floor(labels.length / count);
      const places = Array.from({ length: count }, (_, i) => i * step);
      const tokens = tokensOf(parts.tokenizer, textsOf(settings, classes).slice(0, -1), device);
      const texts = readTexts(parts, tokens).embeds;
      const unit = (x: Tensor) => x.div(x.square().sum([1], { keepdim: true }).sqrt());
      const seen = embed(asFloat(images.indexSelect(0, indices(places, device))));
      const nearest = unit(seen).matmul(unit(texts).t()).argmax({ dim: 1 }).toNumbers();
      return nearest.filter((label, i) => label === labels[places[i]!]).length / count;
    }),
  );
}

/** Images that are embedded at once. */
const EMBEDDED_AT_ONCE = 128;

/** Mean and deviation of the embeddings of all images, uint8 [N, 3, S, S]: the scale in which the prior works. */
function setScale(models: readonly UnclipParts[], images: Tensor, embed: (images: Tensor) => Tensor): void {
  noGrad(() =>
    scope(() => {
      const chunks = images.split(EMBEDDED_AT_ONCE);
      const embeds = cat(chunks.map((some) => scope(() => embed(asFloat(some)))));
      const mean = embeds.mean([0], { keepdim: true });
      const std = embeds.std([0], { unbiased: false, keepdim: true }).clamp({ min: 1e-3 });
      for (const { prior } of models) {
        prior.clipMean.copy_(mean);
        prior.clipStd.copy_(std);
      }
    }),
  );
}

/** Images of another size. @param images float [B, 3, s, s] in -1..1 */
function resized(images: Tensor, size: number): Tensor {
  if (images.shape[2] === size) return images;
  return images._upsampleBicubic2dAa([size, size], false).clamp({ min: -1, max: 1 });
}

/** Draws by the ways of the entry in the table. */
class Painter {
  readonly #parts: UnclipParts;
  readonly #settings: UnclipSettings;
  readonly #texts: ReadText;
  readonly #device: string;
  readonly #superResolution: SuperResolution | null;

  /** Its texts live as long as the scope that it is made in. */
  constructor(
    parts: UnclipParts,
    settings: UnclipSettings,
    classes: readonly string[],
    device: string,
    superResolution: SuperResolution | null = null,
  ) {
    this.#parts = parts;
    this.#settings = settings;
    this.#device = device;
    this.#superResolution = superResolution;
    this.#texts = readTexts(parts, tokensOf(parts.tokenizer, textsOf(settings, classes), device));
  }

  /** Edge of its images in pixels. */
  get imageSize(): number {
    return this.#superResolution?.imageSize ?? edgeOf(this.#parts.decoder);
  }

  /** @param photos float32 [N, 3, S, S] in -1..1 @returns [items, 3, S, S] */
  draw(way: string, items: readonly DrawingItem[], photos: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const from = photos.indexSelect(0, this.#rows(items, "photo"));
        const strengths = items.map(({ dial }) => (way === "variation" ? dial : 1));
        return this.#decode(EMBEDDINGS_OF[way]!(this, items, photos), from, strengths, items);
      }),
    );
  }

  embeds(items: readonly DrawingItem[], photos: Tensor, which: "photo" | "otherPhoto"): Tensor {
    return embedImages(this.#parts, photos.indexSelect(0, this.#rows(items, which)));
  }

  /** The text of each item's class. */
  texts(items: readonly DrawingItem[], which: "label" | "otherLabel"): ReadText {
    return rowsOf(this.#texts, this.#rows(items, which));
  }

  dials(items: readonly DrawingItem[]): Tensor {
    return column(
      items.map(({ dial }) => dial),
      2,
      this.#device,
    );
  }

  /** By the prior, from the words of both classes. */
  crossed(items: readonly DrawingItem[]): Tensor {
    const { priorSteps: steps, priorGuidance: guidanceScale } = this.#settings;
    const told = [this.texts(items, "label"), this.texts(items, "otherLabel")] as const;
    const shape = [this.#parts.prior.config.embedding_dim];
    return samplePrior(this.#parts, told, this.#none, {
      ...{ steps, guidanceScale, share: this.dials(items), ...this.#noise(items, "embedding", shape) },
    });
  }

  /** Embeddings by chance, spread as those of all photos are. */
  random(items: readonly DrawingItem[]): Tensor {
    const { prior } = this.#parts;
    const seeds = items.map(({ seed }) => seed);
    return prior.embedsOf(noiseOf(seeds, "random embedding", [prior.config.embedding_dim], this.#device));
  }

  get #none(): ReadText {
    const last = this.#texts.embeds.shape[0]! - 1;
    return rowsOf(this.#texts, indices([last], this.#device));
  }

  #rows(items: readonly DrawingItem[], which: "photo" | "otherPhoto" | "label" | "otherLabel"): Tensor {
    return indices(
      items.map((item) => item[which]),
      this.#device,
    );
  }

  #noise(items: readonly DrawingItem[], what: string, shape: readonly number[]) {
    const seeds = items.map(({ seed }) => seed);
    return {
      latents: noiseOf(seeds, what, shape, this.#device),
      stepNoise: (which: readonly number[], step: number) =>
        noiseOf(
          which.map((item) => seeds[item]!),
          `${what}, step ${step}`,
          shape,
          this.#device,
        ),
    };
  }

  /** @param from photos, noised as far as `strengths` say before they are drawn, and again before they are enlarged */
  #decode(embeds: Tensor, from: Tensor, strengths: readonly number[], items: readonly DrawingItem[]): Tensor {
    const { sampler, sampleSteps: steps, guidanceScale, superResolutionSteps } = this.#settings;
    const size = edgeOf(this.#parts.decoder);
    const { latents: noise, stepNoise } = this.#noise(items, "noise", [3, size, size]);
    const small = decode(this.#parts, {
      ...{ embeds, from: resized(from, size), strengths, noise, stepNoise, steps, guidanceScale, sampler },
      text: this.#none,
    });
    if (!this.#superResolution) return small;
    const { imageSize } = this.#superResolution;
    const { latents, stepNoise: largeNoise } = this.#noise(items, "large noise", [3, imageSize, imageSize]);
    return enlarge(this.#superResolution, {
      ...{ small, from, strengths, noise: latents, stepNoise: largeNoise, steps: superResolutionSteps },
    });
  }
}

type EmbeddingsOf = (painter: Painter, items: readonly DrawingItem[], photos: Tensor) => Tensor;

/** What is decoded, by the name of the way: [items, D]. */
const EMBEDDINGS_OF: Readonly<Record<string, EmbeddingsOf>> = {
  variation: (painter, items, photos) => painter.embeds(items, photos, "photo"),
  drift: (painter, items, photos) =>
    slerp(painter.embeds(items, photos, "photo"), painter.random(items), painter.dials(items)),
  interpolation: (painter, items, photos) => {
    const [own, other] = [
      painter.embeds(items, photos, "photo"),
      painter.embeds(items, photos, "otherPhoto"),
    ];
    return slerp(own, other, painter.dials(items));
  },
  "text-difference": (painter, items, photos) => {
    const own = painter.embeds(items, photos, "photo");
    const [from, to] = [painter.texts(items, "label"), painter.texts(items, "otherLabel")];
    return slerp(own, textDifference(own, from.embeds, to.embeds), painter.dials(items));
  },
  crossed: (painter, items) => painter.crossed(items),
};

/** Guidance of the published pipelines, which the folders do not say. */
const PUBLISHED = { priorGuidance: 4, guidanceScale: 8 };

/**
 * Loads a finished model, or a published one: a folder as diffusers writes it.
 * @param options.classes that a published model, which knows any words, is to be told
 * @throws GeneratorError, ModelError or DiffusionError for a folder that holds no such model
 */
export function loadUnclip(
  folder: string,
  { device = "cpu", classes: wanted = ["image"] }: { device?: string; classes?: readonly string[] } = {},
): LoadedGenerator {
  const { classes, settings: raw } = isPublished(folder)
    ? { classes: wanted, settings: PUBLISHED }
    : readDescription(folder, "unclip");
  const settings = UnclipSettings.parse(raw);
  const parts = moveTo(readUnclip(folder), device);
  const superResolution = readSuperResolution(folder);
  for (const network of superResolution ? [superResolution.first, superResolution.last] : [])
    network.to({ device, memoryFormat: "channelsLast" });
  const painter = new Painter(parts, settings, classes, device, superResolution);
  return {
    imageSize: painter.imageSize,
    classes,
    hash: folderHash(folder),
    draw: (way, items, photos) => painter.draw(way, items, photos).to("float32"),
  };
}
