import * as torch from "@penumbra/torch";
import { type DType, scope, type Tensor } from "@penumbra/torch";
import { type Encoder, extractStages, type LinearProbe } from "../../contrast/index.ts";
import { mapConcurrently } from "../../data/index.ts";
import { decodeImage, type Fit, type Interpolation, type White } from "../../images/index.ts";
import { type FittedDetector, fitTemperature, type Samples } from "../../unknowns/index.ts";
import { averageViews, type CalibrationObjects, KnownScores, viewSets } from "./calibration.ts";
import { DeployError } from "./errors.ts";
import { looksAtPixels, pixelScores } from "./pixel-scores.ts";
import type { Verdict } from "./verdict.ts";

/** How files become what the encoder sees. */
export interface Preprocessing {
  /** Side of the square, in pixels. */
  readonly imageSize: number;
  readonly fit: Fit;
  readonly interpolation: Interpolation;
  /** What is white in photos of 16 bits and of floats. */
  readonly white: White;
}

/**
 * What a classifier keeps of N photos to judge them by: the features of each stage of its encoder, [N, D_s], the last
 * being the encoder's; before them, where its detector looks at pixels, the score of each photo, [N, 1]. Means over
 * rows are what an object's views say together: the mean of their features, and of such scores.
 */
export interface Rows {
  readonly stages: readonly Tensor[];
}

/** The parts of a classifier. */
export interface ClassifierParts {
  readonly name: string;
  /** Known classes: label = index. */
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly encoder: Encoder;
  readonly probe: LinearProbe;
  /** Its name in the table of detectors. */
  readonly detectorName: string;
  readonly detector: FittedDetector;
  /** Known objects that no training saw. */
  readonly calibration: CalibrationObjects & Rows;
  /** An object is called unknown when its p-value is at most this. */
  readonly level: number;
  readonly device: string;
}

/** A photo: the path of a file, or its bytes. */
export type PhotoSource = string | Uint8Array;

/** What scores of objects with some number of views are held against. */
export interface Reference {
  readonly known: KnownScores;
  readonly temperature: number;
}

/** An encoder, the linear classifier on it and a detector of unknowns, calibrated on objects that none of them saw. */
export class Classifier implements Disposable {
  readonly #parts: ClassifierParts;
  readonly #references = new Map<number, Reference>();

  constructor(parts: ClassifierParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  /** The known classes, in the order of their labels. */
  get classes(): readonly string[] {
    return this.#parts.classes;
  }

  /** The name of its detector of unknowns. */
  get detector(): string {
    return this.#parts.detectorName;
  }

  /** An object is called unknown when its p-value is at most this: the share of known objects that may be flagged. */
  get level(): number {
    return this.#parts.level;
  }

  get preprocessing(): Preprocessing {
    return this.#parts.preprocessing;
  }

  /** What it is made of, for whoever writes it in another form. The classifier owns the tensors. */
  get parts(): ClassifierParts {
    return this.#parts;
  }

  /**
   * Says of each object which known class it is of, how surely, and whether it is unknown.
   *
   * @param objects one photo each, or several photos (views) of one object
   * @throws ImageError for a photo that cannot be read
   * @throws DeployError for an object without a photo
   * @example
   * const classifier = loadClassifier("models/parts");
   * const [verdict] = await classifier.predict(["photo.jpg"]);
   * console.log(verdictName(verdict), verdict.confidence);
   */
  async predict(objects: readonly (PhotoSource | readonly PhotoSource[])[]): Promise<Verdict[]> {
    const views = objects.map((object) => (isViews(object) ? object : [object]));
    const pixels = await this.decode(views.flat());
    try {
      return this.judge(
        pixels,
        views.map(({ length }) => length),
      );
    } finally {
      pixels.dispose();
    }
  }

  /**
   * Photos as the encoder takes them.
   * @returns uint8 [N, 3, imageSize, imageSize] on the CPU
   * @throws ImageError for a photo that cannot be read
   */
  async decode(photos: readonly PhotoSource[]): Promise<Tensor> {
    const decoded: Uint8Array[] = [];
    await mapConcurrently(photos, async (photo, index) => {
      decoded[index] = await this.decodePhoto(photo);
    });
    return this.stack(decoded);
  }

  /** One photo as the encoder takes it: red, green and blue plane. @throws ImageError when it cannot be read */
  decodePhoto(photo: PhotoSource): Promise<Uint8Array> {
    const { imageSize, fit, interpolation, white } = this.#parts.preprocessing;
    return decodeImage(photo, imageSize, { fit, interpolation, white });
  }

  /** Decoded photos as one batch, uint8 [N, 3, imageSize, imageSize]. */
  stack(decoded: readonly Uint8Array[]): Tensor {
    return stackPhotos(decoded, this.#parts.preprocessing);
  }

  /**
   * As {@link predict}, of photos that are decoded.
   *
   * @param pixels uint8 [N, 3, imageSize, imageSize]: the views of the first object, then those of the second …
   * @param views how many photos each object has; their sum is N
   * @throws DeployError when the counts do not fit
   */
  judge(pixels: Tensor, views: readonly number[]): Verdict[] {
    const photos = views.reduce((sum, count) => sum + count, 0);
    if (photos !== pixels.shape[0] || views.some((count) => !(Number.isInteger(count) && count > 0)))
      throw new DeployError(
        `${pixels.shape[0]} photos cannot be objects of ${views.join(", ")} views. Every object has at least one photo, and all photos belong to one.`,
      );
    if (photos === 0) return [];
    return scope(() => this.judgeRows(this.rowsOf(pixels), views));
  }

  /** Width and type of each of its {@link Rows}. */
  get rowKinds(): readonly { readonly width: number; readonly dtype: DType }[] {
    const { encoder, detectorName } = this.#parts;
    const stages = encoder.stageDimensions.map((width) => ({ width, dtype: "float32" as const }));
    return looksAtPixels(detectorName) ? [{ width: 1, dtype: "float64" }, ...stages] : stages;
  }

  /**
   * Looks at decoded photos once, to judge them in any combination.
   * @param pixels uint8 [N, 3, imageSize, imageSize]
   */
  rowsOf(pixels: Tensor): Tensor[] {
    const { encoder, device, detectorName, detector, probe } = this.#parts;
    return scope(() => {
      const stages = extractStages(encoder, pixels, { device });
      if (!looksAtPixels(detectorName)) return stages;
      return [pixelScores(detector, { pixels, encoder, probe, device }), ...stages];
    });
  }

  /** As {@link judge}, of the {@link Rows} of the photos. */
  judgeRows(rows: readonly Tensor[], views: readonly number[]): Verdict[] {
    return scope(() => {
      const { classes, level } = this.#parts;
      const averaging = blockAverages(views);
      const { scores, logits } = this.#say(rows.map((each) => averaging.matmul(each.to("float64"))));
      return views.map((count, i) => {
        const { known, temperature } = this.reference(count);
        const score = scores[i]!;
        const pValue = known.pValue(score);
        const ranked = softmaxAt(logits[i]!, temperature)
          .map((probability, label) => ({ className: classes[label]!, probability }))
          .sort((a, b) => b.probability - a.probability);
        const { className, probability: confidence } = ranked[0]!;
        const isUnknown = pValue <= level;
        return {
          views: count,
          isUnknown,
          className,
          confidence,
          pValue,
          unknownScore: 1 - pValue,
          score,
          classes: ranked,
        };
      });
    });
  }

  /** Scores and temperature of the calibration objects, seen with as many views; computed once for each number. */
  reference(views: number): Reference {
    const found = this.#references.get(views);
    if (found) return found;
    const { calibration } = this.#parts;
    const reference = scope(() => {
      const sets = viewSets(calibration, views);
      const { scores, logits } = this.#say(calibration.stages.map((rows) => averageViews(sets, rows)));
      const known = new KnownScores(scores, sets.objects);
      return { known, temperature: fitTemperature(logits, sets.labels) };
    });
    this.#references.set(views, reference);
    return reference;
  }

  /** Score and logits of each object, by its averaged rows. */
  #say(averaged: readonly Tensor[]): { readonly scores: ArrayLike<number>; readonly logits: number[][] } {
    const { probe, detector, detectorName } = this.#parts;
    const isScored = looksAtPixels(detectorName);
    const samples = evidenceOf(isScored ? averaged.slice(1) : averaged, probe);
    return {
      scores: isScored ? averaged[0]!.flatten().toNumbers() : detector.score(samples),
      logits: samples.logits.tolist() as number[][],
    };
  }

  dispose(): void {
    const { encoder, probe, detector, calibration } = this.#parts;
    for (const tensor of [...Object.values(encoder.stateDict()), probe.weight, probe.bias]) tensor.dispose();
    for (const tensor of [...Object.values(detector.state.tensors), ...calibration.stages]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isViews(object: PhotoSource | readonly PhotoSource[]): object is readonly PhotoSource[] {
  return Array.isArray(object);
}

/** What a detector that a classifier can keep looks at, of the features of each stage, [N, D_s]. */
export function evidenceOf(stages: readonly Tensor[], probe: LinearProbe) {
  const features = stages.at(-1)!;
  const { weight, bias } = probe;
  return { stages, features, logits: probe.logits(features), classifier: { weight, bias } } satisfies Samples;
}

/** Decoded photos as one batch, uint8 [N, 3, imageSize, imageSize]. */
export function stackPhotos(decoded: readonly Uint8Array[], { imageSize }: Preprocessing): Tensor {
  const length = 3 * imageSize * imageSize;
  const pixels = new Uint8Array(decoded.length * length);
  for (const [index, photo] of decoded.entries()) pixels.set(photo, index * length);
  return torch.fromTyped(pixels, [decoded.length, 3, imageSize, imageSize]);
}

/** [objects, photos]: row i averages the photos of object i, which lie one after the other. */
export function blockAverages(views: readonly number[]): Tensor {
  const photos = views.reduce((sum, count) => sum + count, 0);
  const weights = new Float64Array(views.length * photos);
  let first = 0;
  for (const [row, count] of views.entries()) {
    weights.fill(1 / count, row * photos + first, row * photos + first + count);
    first += count;
  }
  return torch.fromTyped(weights, [views.length, photos]);
}

function softmaxAt(logits: readonly number[], temperature: number): number[] {
  const highest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp((logit - highest) / temperature));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}
