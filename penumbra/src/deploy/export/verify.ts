import * as torch from "@penumbra/torch";
import { squareOf, type WholeImage } from "../../images/index.ts";
import { type Classifier, DeployError, type Verdict } from "../classifier/index.ts";
import { INPUT } from "./classifier-graph.ts";
import { type ModelPhoto, wholePhoto } from "./model-photos.ts";
import { Graph } from "./onnx/graph.ts";
import { loadModel, type RuntimeModel, type RuntimeTensor } from "./onnx-runtime.ts";
import { drawPreprocessing } from "./preprocessing.ts";

/** How far confidence and unknown score of an exported model may be from the classifier's. */
export const LIMIT = 1e-4;
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
   * Against what the classifier says of the files themselves, large JPEGs of which are decoded smaller: verdicts that
   * are the same, and the largest difference of confidence or unknown score.
   */
  readonly files: { readonly equal: number; readonly largest: number };
}

/** What says of decoded pixels, uint8 [1, 3, size, size], what the exported model must say. */
export type Judge = (pixels: torch.Tensor) => Promise<Verdict> | Verdict;

/**
 * Runs an exported model on photos at their full size, one by one, beside the classifier: its verdicts at the pixels
 * that the model has made of them, and these pixels beside those of the classifier.
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
  const { imageSize, fit, interpolation } = classifier.preprocessing;
  const resizing = await loadModel(resizingModel(classifier));
  const model = await loadModel(bytes);
  const files = { equal: 0, largest: 0 };
  const pixels = { equal: 0, largest: 0 };
  let [count, largestDifference] = [0, 0];
  try {
    for await (const photo of photos) {
      const whole = await wholePhoto(classifier, photo);
      const made = await resizing.run({ [INPUT]: asInput(whole) });
      const square = Uint8Array.from(made.pixels!.data as Float32Array);
      const off = largestOf(square, await squareOf(whole, imageSize, { fit, interpolation }));
      if (off > PIXEL_LIMIT) {
        throw new DeployError(
          `The exported model makes other pixels of ${photo.used.id} (${whole.width} x ${whole.height}) than the classifier: they are up to ${off} of 255 levels apart. Report this with the photo.`,
        );
      }
      if (off === 0) pixels.equal++;
      pixels.largest = Math.max(pixels.largest, off);
      const [exported] = await judgeExported(model, asInput(whole), classifier.classes);
      const wanted = await judgeSquare(judge, square, imageSize);
      const difference = differenceOf(exported!, wanted);
      if (!isSame(exported!, wanted) || !(difference <= LIMIT))
        throw refusal(photo, exported!, wanted, difference);
      largestDifference = Math.max(largestDifference, difference);
      const ofFile = await judgeSquare(judge, await classifier.decodePhoto(photo.bytes), imageSize);
      if (isSame(exported!, ofFile)) files.equal++;
      files.largest = Math.max(files.largest, differenceOf(exported!, ofFile));
      count++;
    }
  } finally {
    await Promise.all([model.release(), resizing.release()]);
  }
  return { photos: count, largestDifference, pixels, files };
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

/** A photo as the input of an exported model. */
export function asInput({ data, width, height }: WholeImage): RuntimeTensor {
  return { type: "uint8", dims: [1, height, width, 3], data };
}

/** The first part of an exported model alone. */
function resizingModel({ preprocessing }: Classifier): Uint8Array {
  const graph = new Graph();
  const images = graph.input(INPUT, "uint8", ["N", "height", "width", 3]);
  const { imageSize } = preprocessing;
  graph.output("pixels", drawPreprocessing(graph, images, preprocessing), "float32", [
    "N",
    3,
    imageSize,
    imageSize,
  ]);
  return graph.toModel("resizing", "").toBytes();
}

async function judgeSquare(judge: Judge, square: Uint8Array, size: number): Promise<Verdict> {
  const pixels = torch.fromTyped(square, [1, 3, size, size]);
  try {
    return await judge(pixels);
  } finally {
    pixels.dispose();
  }
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

function refusal(
  { used }: ModelPhoto,
  exported: ExportedVerdict,
  own: Verdict,
  difference: number,
): DeployError {
  const told = ({ className, isUnknown, confidence, unknownScore }: ExportedVerdict) =>
    `${isUnknown ? "unknown, resembles " : ""}${className}, confidence ${confidence.toFixed(6)}, unknown score ${unknownScore.toFixed(6)}`;
  return new DeployError(
    `The exported model does not say what the classifier says. Of ${used.id} it says "${told(exported)}", the classifier "${told(own)}": ${difference.toExponential(1)} apart, and ${LIMIT} is allowed. Nothing was written; report this.`,
  );
}
