import { cat, scope, stack, type Tensor, tensor } from "@penumbra/torch";
import { type Encoder, extractStages, fitLinearProbe, type LinearProbe } from "../../contrast/index.ts";
import type { Photo, Split } from "../../data/index.ts";
import { resize } from "../../images/index.ts";
import { fitNearness, foldsOf, type Judged, type Nearness } from "../../sift/index.ts";
import { quantile } from "../../unknowns/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelsOf, photosHash, pixelsHash, pixelsOf, type StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";

/** The penalty of a judge's classifier: nothing is chosen for it. */
const L2 = 1e-2;

/** One judge: what it says of images made of photos of its fold. */
interface Judge {
  readonly encoder: Encoder;
  readonly nearness: Nearness;
  readonly probe: LinearProbe;
}

/** What an image was made of. */
export interface JudgedImage {
  /** Place of its photo among the training photos. */
  readonly parent: number;
  /** Known class that it was drawn towards. */
  readonly wordClass: string;
}

/** All judges of a seed. */
export interface Judges {
  /** Distance beyond which an image is too far. */
  readonly upper: number;
  /** How the band fits real photos that nothing was trained on. */
  readonly check: BandCheck;
  /**
   * @param images what each was made of
   * @param pixels uint8 [N, 3, H, W]
   */
  judge(images: readonly JudgedImage[], pixels: Tensor): Judged[];
  /**
   * Distance of images to the nearest class, by the same judges; a mean over looks, see `looksAt`.
   * @param parents places of the photos that the images were made of, among the training photos
   * @param images01 float32 [N, 3, H, W] in 0..1, of any size
   * @returns float64 [N] on the CPU, differentiable
   */
  nearest(parents: readonly number[], images01: Tensor): Tensor;
}

export interface BandCheck {
  /** Share of the known validation photos inside their class, by distance. */
  readonly knownInside: number;
  /** Share of the near validation unknowns inside some class, and in the band; null without such. */
  readonly nearInside: number | null;
  readonly nearInBand: number | null;
}

/** Fits the judges of a seed and decides about the band, by training and validation photos. */
export async function fitJudges(
  context: StudyContext,
  split: Split,
  encoders: readonly Artifact[],
): Promise<Judges> {
  const { config, classes, device } = context;
  const { folds, layers, measures, known, upper } = config.sift;
  const fold = foldsOf(split.train, folds);
  const pixels = {
    train: await pixelsOf(context, split.train, config.imageSize),
    validation: await pixelsOf(context, split.validation, config.imageSize),
    near:
      split.nearValidation.length > 0
        ? await pixelsOf(context, split.nearValidation, config.imageSize)
        : null,
  };
  const stagesOf = (encoder: Encoder, images: Tensor) => {
    const all = extractStages(encoder, images, { device });
    const { length } = all;
    for (const early of all.slice(0, Math.max(0, length - layers))) early.dispose();
    return all.slice(Math.max(0, length - layers));
  };
  const judges = encoders.map((artifact, held): Judge => {
    const { encoder } = readEncoder(context, artifact);
    const part = (isHeld: boolean) => {
      const places = split.train.flatMap((_, photo) => ((fold[photo] === held) === isHeld ? [photo] : []));
      const images = pick(pixels.train, places);
      const stages = stagesOf(encoder, images);
      images.dispose();
      return {
        stages,
        labels: labelsOf(
          places.map((place) => split.train[place] as Photo),
          classes,
        ),
      };
    };
    const seen = folds === 1 ? part(true) : part(false);
    const calibrating =
      folds === 1
        ? { stages: stagesOf(encoder, pixels.validation), labels: labelsOf(split.validation, classes) }
        : part(true);
    const nearness = fitNearness(seen, calibrating, { classes: classes.length, known, measures });
    const probe = fitLinearProbe(seen.stages.at(-1) as Tensor, seen.labels, {
      classes: classes.length,
      l2: L2,
    });
    encoder.eval();
    return { encoder, nearness, probe };
  });
  const judgeBy = (
    { encoder, nearness, probe }: Judge,
    images: Tensor,
    labels: readonly number[],
    wordLabels = labels,
  ): Judged[] => {
    const stages = stagesOf(encoder, images);
    const distances = nearness.distances(stages);
    const logits = probe.logits(stages.at(-1) as Tensor);
    const probabilities = logits.softmax(1).tolist() as number[][];
    for (const each of [...stages, logits]) each.dispose();
    return distances.map((row, image) => {
      const nearest = Math.min(...row);
      const chances = probabilities[image] as number[];
      const label = labels[image] as number;
      const most = Math.max(...chances);
      const chanceOf = (label: number) => (label < 0 ? most : (chances[label] as number));
      return {
        own: label < 0 ? Number.POSITIVE_INFINITY : (row[label] as number),
        nearest,
        nearestClass: classes[row.indexOf(nearest)] as string,
        probability: chanceOf(label),
        wordProbability: chanceOf(wordLabels[image] as number),
        answer: classes[chances.indexOf(most)] as string,
      };
    });
  };
  const ofAll = (images: Tensor | null, photos: readonly Photo[]) =>
    images === null ? [] : judges.flatMap((judge) => judgeBy(judge, images, labelsOf(photos, classes)));
  const near = ofAll(pixels.near, split.nearValidation);
  const ofKnown = ofAll(pixels.validation, split.validation);
  for (const images of Object.values(pixels)) images?.dispose();
  const most = upper === "auto" ? upperOf(near) : upper;
  const share = (judged: readonly Judged[], isSo: (image: Judged) => boolean) =>
    judged.length === 0 ? null : judged.filter(isSo).length / judged.length;
  return {
    upper: most,
    check: {
      knownInside: share(ofKnown, ({ own }) => own <= 1) ?? 0,
      nearInside: share(near, ({ nearest }) => nearest <= 1),
      nearInBand: share(near, ({ nearest }) => nearest > 1 && nearest <= most),
    },
    judge(images, pixels) {
      const judged = new Array<Judged>(images.length);
      for (const [held, judge] of judges.entries()) {
        const places = images.flatMap(({ parent }, place) => (fold[parent] === held ? [place] : []));
        if (places.length === 0) continue;
        const made = places.map((place) => images[place] as JudgedImage);
        const own = pick(pixels, places);
        const of = judgeBy(
          judge,
          own,
          labelsOf(
            made.map(({ parent }) => split.train[parent] as Photo),
            classes,
          ),
          made.map(({ wordClass }) => classes.indexOf(wordClass)),
        );
        own.dispose();
        for (const [index, place] of places.entries()) judged[place] = of[index] as Judged;
      }
      return judged;
    },
    nearest(parents, images) {
      const { imageSize: size } = config;
      const fits = images.shape[2] === size && images.shape[3] === size;
      return scope(() => {
        const sized = fits ? images : resize(images, [size, size]);
        const groups = judges.map((judge, held) => ({
          judge,
          places: parents.flatMap((parent, place) => (fold[parent] === held ? [place] : [])),
        }));
        const some = groups.filter(({ places }) => places.length > 0);
        const parts = some.map(({ judge: { encoder, nearness }, places }) => {
          const distances = looksAt(pick(sized, places)).map((look) =>
            nearness.measure(encoder.stages(look).slice(-layers)).amin({ dim: [1] }),
          );
          return stack(distances).mean([0]);
        });
        const order = some.flatMap(({ places }) => places);
        return cat(parts).indexSelect(
          0,
          tensor(
            parents.map((_, place) => order.indexOf(place)),
            { dtype: "int64" },
          ),
        );
      });
    },
  };
}

/** Pixels that a look is shifted by, of an image of 64. */
const SHIFT = 2 / 64;

/**
 * The images, and shifted a little to each side: a mean over looks leads an image to where the class ends, when it
 * might else be led to what a single network mistakes (expectation over transformation, Athalye et al. 2018).
 */
function looksAt(images: Tensor): Tensor[] {
  const [height, width] = images.shape.slice(2) as [number, number];
  const shift = Math.max(1, Math.round(SHIFT * Math.min(height, width)));
  const wide = images.reflectionPad2d([shift, shift, shift, shift]);
  const at = (down: number, right: number) =>
    wide.narrow(2, shift * (1 + down), height).narrow(3, shift * (1 + right), width);
  return [images, at(-1, 0), at(1, 0), at(0, -1), at(0, 1)];
}

/** All that decides about the judges of a seed, for the identity of what they judge. */
export function judgesIdentity(
  context: StudyContext,
  { train, validation, nearValidation }: Split,
  encoders: readonly Artifact[],
): Readonly<Record<string, Artifact | string>> {
  return {
    ...Object.fromEntries(encoders.map((encoder, fold) => [`judge${fold}`, encoder])),
    train: photosHash(train),
    validation: pixelsHash(context, validation),
    nearValidation: pixelsHash(context, nearValidation),
  };
}

/** Without validation unknowns: twice as far out as real photos lie. */
const DEFAULT_UPPER = 2;
/** Share of the near validation unknowns that the band reaches out to. */
const REACH = 0.9;

/** As far out as most near validation unknowns lie; a little beyond the known at the least. */
function upperOf(near: readonly Judged[]): number {
  if (near.length === 0) return DEFAULT_UPPER;
  return Math.max(
    1.1,
    quantile(
      near.map(({ nearest }) => nearest),
      REACH,
    ),
  );
}

function pick(images: Tensor, places: readonly number[]): Tensor {
  return images.indexSelect(0, tensor([...places], { dtype: "int64", device: images.device }));
}
