import type { WholeImage } from "../../images/index.ts";
import { type Classifier, DeployError, type Verdict } from "../classifier/index.ts";
import { INPUT } from "./classifier-graph.ts";
import { interleaved } from "./encoder-numbers.ts";
import { type ModelPhoto, wholePhoto } from "./model-photos.ts";
import { loadModel, type RuntimeModel, type RuntimeTensor } from "./onnx-runtime.ts";

/** How far confidence and unknown score of an exported model may be from the classifier's. */
export const LIMIT = 1e-4;
/**
 * How far a score may be off by rounding, as a share of itself. Where few objects calibrate, and one of them has that
 * very score, p rises so steeply there that this moves it by more than {@link LIMIT}.
 */
const ROUNDING = 1e-5;
/** Levels of 255 that a resized pixel may be off: positions between pixels that rounding decides. */
const PIXEL_LIMIT = 8;

/** What an exported model says of one photo. */
export interface ExportedVerdict {
  readonly className: string;
  readonly isUnknown: boolean;
  readonly confidence: number;
  readonly unknownScore: number;
}

/** How an exported model compares with the classifier that it was made of. */
export interface Verification {
  readonly photos: number;
  /** Largest difference of confidence or unknown score, at the same pixels. */
  readonly largestDifference: number;
  /** Photos whose resized pixels are those of the classifier to the bit, and the largest difference in levels of 255. */
  readonly pixels: { readonly equal: number; readonly largest: number };
  /**
   * Against what the classifier says at its own pixels: verdicts that are the same, and the largest difference of
   * confidence or unknown score.
   */
  readonly files: { readonly equal: number; readonly largest: number };
  /** Objects of several photos that were judged by all their views, and are in the largest difference too. */
  readonly objects: number;
}

/** What says of the views of an object what the exported model must say: red, green and blue plane of each. */
export type Judge = (views: readonly Uint8Array[]) => Promise<Verdict> | Verdict;

/**
 * Runs an exported model on photos at their full size, one by one, beside the classifier: its verdicts at the pixels
 * that the model has made of them, and these pixels beside those of the classifier. Then on all photos of each object
 * at the classifier's size, as its views.
 *
 * @param judge the classifier, in the numbers of the exported model
 * @throws DeployError for a verdict, score or pixel that is not the classifier's
 */
export async function verifyExport(
  bytes: Uint8Array,
  classifier: Classifier,
  photos: AsyncIterable<ModelPhoto>,
  judge: Judge,
): Promise<Verification> {
  const { imageSize } = classifier.preprocessing;
  const model = await loadModel(bytes);
  const files = { equal: 0, largest: 0 };
  const pixels = { equal: 0, largest: 0 };
  let [count, largestDifference] = [0, 0];
  const objects = new Map<string, Uint8Array[]>();
  const compare = (whose: string, exported: ExportedVerdict, wanted: Verdict) => {
    const difference = differenceOf(exported, wanted);
    const { known } = classifier.reference(wanted.views);
    const off = ROUNDING * Math.abs(wanted.score);
    const rounding = known.pValue(wanted.score + off) - known.pValue(wanted.score - off);
    const isAsSure = Math.abs(exported.confidence - wanted.confidence) <= LIMIT;
    const isAsUnknown = Math.abs(exported.unknownScore - wanted.unknownScore) <= LIMIT + rounding;
    if (!isSame(exported, wanted) || !isAsSure || !isAsUnknown)
      throw refusal(whose, exported, wanted, difference);
    largestDifference = Math.max(largestDifference, difference);
  };
  try {
    for await (const photo of photos) {
      const whole = await wholePhoto(classifier, photo);
      const input = asInput([whole]);
      const square = planes((await resized(model, input)).data as Uint8Array);
      const own = await classifier.decodePhoto(photo.bytes);
      const off = largestOf(square, own);
      if (off > PIXEL_LIMIT) {
        throw new DeployError(
          `The exported model makes other pixels of ${photo.used.id} (${whole.width} x ${whole.height}) than the classifier: they are up to ${off} of 255 levels apart. Report this with the photo.`,
        );
      }
      if (off === 0) pixels.equal++;
      pixels.largest = Math.max(pixels.largest, off);
      const [exported] = await judgeExported(model, input, classifier.classes);
      const wanted = await judge([square]);
      compare(photo.used.id, exported!, wanted);
      const ofFile = off === 0 ? wanted : await judge([own]);
      if (isSame(exported!, ofFile)) files.equal++;
      files.largest = Math.max(files.largest, differenceOf(exported!, ofFile));
      objects.set(photo.used.object, [...(objects.get(photo.used.object) ?? []), own]);
      count++;
    }
    for (const [object, views] of objects) {
      if (views.length === 1) continue;
      const exported = await judgeExportedObject(model, interleaved(views, imageSize), classifier.classes);
      compare(`${object} with ${views.length} views`, exported, await judge(views));
    }
  } finally {
    await model.release();
  }
  const several = [...objects.values()].filter(({ length }) => length > 1).length;
  return { photos: count, largestDifference, pixels, files, objects: several };
}

/** What an exported model says of photos, uint8 [N, height, width, 3]. */
export async function judgeExported(
  model: RuntimeModel,
  images: RuntimeTensor,
  classes: readonly string[],
): Promise<ExportedVerdict[]> {
  const outputs = await model.run({ [INPUT]: images }, ["class", "confidence", "unknownScore", "isUnknown"]);
  const { data: labels } = outputs.class!;
  return Array.from(labels as BigInt64Array, (label, i) => ({
    className: classes[Number(label)]!,
    isUnknown: Boolean(outputs.isUnknown!.data[i]),
    confidence: Number(outputs.confidence!.data[i]),
    unknownScore: Number(outputs.unknownScore!.data[i]),
  }));
}

/** What an exported model says of photos, uint8 [N, height, width, 3], that are views of one object. */
export async function judgeExportedObject(
  model: RuntimeModel,
  images: RuntimeTensor,
  classes: readonly string[],
): Promise<ExportedVerdict> {
  const outputs = await model.run({ [INPUT]: images }, [
    ...["objectClass", "objectConfidence", "objectUnknownScore", "objectIsUnknown"],
  ]);
  return {
    className: classes[Number(outputs.objectClass!.data[0])]!,
    isUnknown: Boolean(outputs.objectIsUnknown!.data[0]),
    confidence: Number(outputs.objectConfidence!.data[0]),
    unknownScore: Number(outputs.objectUnknownScore!.data[0]),
  };
}

/**
 * The views of an object as one input of an exported model: where they differ in size, as the model itself resizes each.
 */
export async function viewsAsInput(
  model: RuntimeModel,
  views: readonly WholeImage[],
): Promise<RuntimeTensor> {
  const [{ width, height }] = views as [WholeImage];
  if (views.every((view) => view.width === width && view.height === height)) return asInput(views);
  const squares: WholeImage[] = [];
  for (const view of views) {
    const { dims, data } = await resized(model, asInput([view]));
    squares.push({ data: data as Uint8Array, height: dims[1]!, width: dims[2]! });
  }
  return asInput(squares);
}

/** Photos as an exported model resizes them, uint8 [N, imageSize, imageSize, 3]. */
async function resized(model: RuntimeModel, images: RuntimeTensor): Promise<RuntimeTensor> {
  if (!model.outputNames.includes("resized"))
    throw new DeployError("The model was exported by an older version. Export the classifier again.");
  return (await model.run({ [INPUT]: images }, ["resized"])).resized!;
}

/** Photos of one size as the input of an exported model. */
function asInput(photos: readonly WholeImage[]): RuntimeTensor {
  const [{ width, height }] = photos as [WholeImage];
  const data = new Uint8Array(photos.length * 3 * width * height);
  for (const [index, photo] of photos.entries()) data.set(photo.data, index * photo.data.length);
  return { type: "uint8", dims: [photos.length, height, width, 3], data };
}

/** Red, green and blue of each pixel as three planes. */
function planes(pixels: Uint8Array): Uint8Array {
  const count = pixels.length / 3;
  return Uint8Array.from(pixels, (_, i) => pixels[3 * (i % count) + Math.floor(i / count)]!);
}

function isSame(a: ExportedVerdict, b: Verdict): boolean {
  return a.className === b.className && a.isUnknown === b.isUnknown;
}

function differenceOf(a: ExportedVerdict, b: Verdict): number {
  return Math.max(Math.abs(a.confidence - b.confidence), Math.abs(a.unknownScore - b.unknownScore));
}

function largestOf(a: Uint8Array, b: Uint8Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

function refusal(whose: string, exported: ExportedVerdict, own: Verdict, difference: number): DeployError {
  const told = ({ className, isUnknown, confidence, unknownScore }: ExportedVerdict) =>
    `${isUnknown ? "unknown, resembles " : ""}${className}, confidence ${confidence.toFixed(6)}, unknown score ${unknownScore.toFixed(6)}`;
  return new DeployError(
    `The exported model does not say what the classifier says. Of ${whose} it says "${told(exported)}", the classifier "${told(own)}": ${difference.toExponential(1)} apart, and ${LIMIT} is allowed. Nothing was written; report this.`,
  );
}
