import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { scope } from "@penumbra/torch";
import { mapConcurrently } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { auroc } from "../../unknowns/index.ts";
import {
  Classifier,
  DeployError,
  loadClassifier,
  type Reference,
  readProvenance,
  readUsedPhotos,
  type UsedPhoto,
  type Verdict,
} from "../classifier/index.ts";
import { type ExportPrecision, PRECISIONS, type Range } from "./arithmetic.ts";
import { drawClassifier } from "./classifier-graph.ts";
import { type ExportedEncoder, loadExportedEncoder, rangesOf } from "./encoder-numbers.ts";
import { type ModelPhoto, readModelPhoto } from "./model-photos.ts";
import { OPSET } from "./onnx/graph.ts";
import { type Judge, type Verification, verifyExport } from "./verify.ts";

export interface ExportOptions {
  /** The file that is written, such as parts.onnx. */
  readonly out: string;
  /** In which numbers the encoder computes. Default "fp32". */
  readonly precision?: ExportPrecision;
  /** Where the photos lie that the classifier was made with. Default: where they lay then. */
  readonly photos?: string;
  /** Which of the classifier's detectors. Default: the one that its training chose. */
  readonly detector?: string;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** How well calibration photos are named, and told from near unknowns (null where the classifier has seen none). */
export interface QualityFigures {
  readonly accuracy: number;
  readonly auroc: number | null;
}

/** What was written. */
export interface Exported {
  readonly file: string;
  readonly bytes: number;
  readonly verification: Verification;
  /** Where the encoder computes in fewer bits: the classifier as it is, and as exported. */
  readonly quality?: { readonly before: QualityFigures; readonly after: QualityFigures };
}

/**
 * Writes a classifier as one ONNX file: from uint8 pixels of any size to class, confidence, unknown score and verdict,
 * with class names and model card in its metadata. It is compared with the classifier on all its calibration photos
 * before it is written.
 *
 * With fewer bits the encoder gives other features, so that temperature, p-values and threshold are computed anew from
 * what the exported encoder says of the calibration photos: the level holds for the file too.
 *
 * @param folder the classifier, such as models/parts
 * @throws DeployError for what has no form in ONNX, photos that are not there, and a model that says something else
 * @example await exportOnnx("models/parts", { out: "parts.onnx", precision: "int8" });
 */
export async function exportOnnx(
  folder: string,
  { out, precision = "fp32", photos, detector, onProgress = () => {} }: ExportOptions,
): Promise<Exported> {
  using classifier = loadClassifier(folder, { ...(detector !== undefined && { detector }) });
  // Refuses what cannot be drawn before anything is read.
  scope(() => drawClassifier(classifier.parts, [classifier.reference(1)], { precision: "fp32" }));
  const provenance = readProvenance(folder);
  const root = photos ?? provenance.photos;
  if (root === undefined) {
    throw new DeployError(
      `${folder} does not say where its photos lay, and the exported model is compared with the classifier on them. Say it: --photos FOLDER`,
    );
  }
  const used = await readUsedPhotos(folder);
  const calibration = used.filter(({ use }) => use === "calibration");
  const near = used.filter(({ use }) => use === "near");
  const fewer =
    precision === "fp32"
      ? undefined
      : await inFewerBits(classifier, { root, calibration, near }, precision, onProgress);
  try {
    const shown = fewer?.classifier ?? classifier;
    const references = referencesOf(shown);
    const graph = drawClassifier(shown.parts, references, { precision, ranges: fewer?.ranges ?? [] });
    const metadata = await metadataOf(folder, shown, references, precision);
    const bytes = graph.toModel(classifier.name, provenance.penumbra, metadata).toBytes();
    const reading = readEach(root, calibration, (done) => onProgress("compare", done, calibration.length));
    const verification = await verifyExport(bytes, shown, reading, judgeOf(shown, fewer?.encoder));
    await writeFileAtomic(out, bytes);
    return {
      ...{ file: out, bytes: bytes.length, verification },
      ...(fewer && { quality: fewer.quality }),
    };
  } finally {
    await fewer?.encoder.release();
    for (const stage of fewer?.classifier.parts.calibration.stages ?? []) stage.dispose();
  }
}

/** Views of one object that an exported model has a reference of its own for at most, as a service takes them. */
const MOST_VIEWS = 64;

/** What objects of 1, 2, … views are held against: with more views than any of those that calibrate, nothing changes. */
function referencesOf(classifier: Classifier): Reference[] {
  const photos = new Map<string, number>();
  for (const object of classifier.parts.calibration.objects)
    photos.set(object, 1 + (photos.get(object) ?? 0));
  const most = Math.min(MOST_VIEWS, Math.max(...photos.values()));
  return Array.from({ length: most }, (_, i) => classifier.reference(i + 1));
}

/** The classifier, with the exported encoder where that gives other features. */
function judgeOf(classifier: Classifier, encoder: ExportedEncoder | undefined): Judge {
  return async (views) => {
    if (encoder) {
      const stages = await encoder.stages(views);
      const [verdict] = classifier.judgeRows(stages, [views.length]);
      for (const stage of stages) stage.dispose();
      return verdict!;
    }
    const pixels = classifier.stack(views);
    const [verdict] = classifier.judge(pixels, [views.length]);
    pixels.dispose();
    return verdict!;
  };
}

async function* readEach(
  root: string,
  used: readonly UsedPhoto[],
  onRead: (done: number) => void,
): AsyncGenerator<ModelPhoto> {
  for (const [index, photo] of used.entries()) {
    yield await readModelPhoto(root, photo);
    onRead(index + 1);
  }
}

interface FewerBits {
  /** With the calibration that the exported encoder gives. It shares all other parts with the classifier. */
  readonly classifier: Classifier;
  readonly ranges: readonly Range[];
  readonly encoder: ExportedEncoder;
  readonly quality: NonNullable<Exported["quality"]>;
}

interface PhotosOfUse {
  readonly root: string;
  readonly calibration: readonly UsedPhoto[];
  readonly near: readonly UsedPhoto[];
}

/** The classifier with an encoder of fewer bits, and what that costs. */
async function inFewerBits(
  classifier: Classifier,
  { root, calibration, near }: PhotosOfUse,
  precision: ExportPrecision,
  onProgress: NonNullable<ExportOptions["onProgress"]>,
): Promise<FewerBits> {
  const { parts } = classifier;
  const decode = async (what: string, some: readonly UsedPhoto[]) => {
    const decoded: Uint8Array[] = [];
    let done = 0;
    await mapConcurrently(some, async (photo, index) => {
      const { bytes } = await readModelPhoto(root, photo);
      decoded[index] = await classifier.decodePhoto(bytes);
      onProgress(what, ++done, some.length);
    });
    return decoded;
  };
  const known = await decode("calibration photos", calibration);
  const unknown = await decode("near unknowns", near);
  const ranges = PRECISIONS[precision].needsRanges ? await rangesOf(parts, known) : [];
  const encoder = await loadExportedEncoder(parts, { precision, ranges });
  const stages = await encoder.stages(known);
  const made = new Classifier({ ...parts, calibration: { ...parts.calibration, stages } });
  const one = (photos: readonly Uint8Array[]) => photos.map(() => 1);
  const judged = async (photos: readonly Uint8Array[]) => {
    if (photos.length === 0) return { before: [], after: [] };
    const pixels = classifier.stack(photos);
    const before = classifier.judge(pixels, one(photos));
    pixels.dispose();
    const rows = await encoder.stages(photos);
    const after = made.judgeRows(rows, one(photos));
    for (const row of rows) row.dispose();
    return { before, after };
  };
  const [onKnown, onNear] = [await judged(known), await judged(unknown)];
  const labels = calibration.map(({ className }) => className);
  const figures = (of: "before" | "after"): QualityFigures => ({
    accuracy: onKnown[of].filter(({ className }, i) => className === labels[i]).length / labels.length,
    auroc: unknown.length === 0 ? null : auroc(scoresOf(onKnown[of]), scoresOf(onNear[of])),
  });
  return {
    ...{ classifier: made, ranges, encoder },
    quality: { before: figures("before"), after: figures("after") },
  };
}

function scoresOf(verdicts: readonly Verdict[]): Float64Array {
  return Float64Array.from(verdicts, ({ score }) => score);
}

/** What whoever uses the file should know, without the classifier's folder. */
async function metadataOf(
  folder: string,
  classifier: Classifier,
  references: readonly Reference[],
  precision: ExportPrecision,
): Promise<Record<string, string>> {
  const { known, temperature } = references[0]!;
  const { imageSize, fit, interpolation } = classifier.preprocessing;
  const card = await readFile(join(folder, "README.md"), "utf8").catch(() => "");
  return {
    classes: JSON.stringify(classifier.classes),
    card,
    detector: classifier.detector,
    level: String(classifier.level),
    temperature: String(temperature),
    temperaturesByViews: JSON.stringify(references.map((reference) => reference.temperature)),
    threshold: String(known.threshold(classifier.level)),
    calibrationObjects: String(known.objects),
    preprocessing: JSON.stringify({ imageSize, fit, interpolation }),
    precision,
    opset: String(OPSET),
  };
}
