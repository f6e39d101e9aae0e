import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { safetensors, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { loadEncoder, probeOf, saveEncoder, type TrainedEncoder } from "../../contrast/index.ts";
import { readJsonLines, writeFileAtomicSync } from "../../files/index.ts";
import { FITS, INTERPOLATIONS, type Look } from "../../images/index.ts";
import { foldBatchNorms } from "../../models/index.ts";
import { detectors, type FittedDetector, readDetector, writeDetector } from "../../unknowns/index.ts";
import type { CalibrationObjects } from "./calibration.ts";
import { Classifier, type ClassifierParts, type Rows } from "./classifier.ts";
import { DeployError } from "./errors.ts";
import { type GalleryContent, writeGallery } from "./gallery.ts";
import { looksAtPixels } from "./pixel-scores.ts";

/** A photo that a classifier was made with: whoever evaluates it must not use this photo again. */
export interface UsedPhoto {
  readonly id: string;
  readonly object: string;
  readonly className: string;
  /** SHA-256 of the file's bytes, hexadecimal. */
  readonly hash: string;
  /** What it looks like: another file of the same picture is known by it. */
  readonly look: Look;
  readonly use: "train" | "calibration" | "near";
}

/** How a classifier came about, told in its card; nothing of it is needed to use the classifier. */
export type Provenance = z.output<typeof provenanceSchema>;
const provenanceSchema = z.object({
  penumbra: z.string(),
  libtorch: z.string(),
  arm: z.string(),
  /** Why that arm, in a sentence. */
  reason: z.string(),
  seed: z.int(),
  /** Where its photos lay, as a whole path. */
  photos: z.string().optional(),
  /** The artifacts that it was made of: stage and identity. */
  artifacts: z.record(z.string(), z.string()),
});

/** What `classifier.json` holds. */
const fileSchema = z.object({
  format: z.literal(2),
  name: z.string().min(1),
  classes: z.array(z.string()).min(2),
  preprocessing: z.object({
    imageSize: z.int().positive(),
    fit: z.enum(FITS),
    interpolation: z.enum(INTERPOLATIONS).default("lanczos3"),
    white: z.object({ uint16: z.number().positive(), float32: z.number().positive() }),
  }),
  level: z.number().gt(0).lt(1),
  /** Those that were fitted, the chosen one first. */
  detectors: z.array(z.string()).min(1),
  provenance: provenanceSchema,
});

/** What the metadata of the calibration's features say: whose they are. */
const calibrationSchema = z.object({
  objects: z.array(z.string()).min(1),
  labels: z.array(z.int().nonnegative()).min(1),
});

const FILES = {
  description: "classifier.json",
  encoder: "encoder",
  probe: "probe.safetensors",
  detectors: "detectors",
  calibration: "calibration.safetensors",
  photos: "photos.jsonl",
} as const;

/** A detector as it is kept with a classifier. */
export interface SavedDetector {
  /** Its name in the table of detectors. */
  readonly name: string;
  readonly fitted: FittedDetector;
  /** What it says of the calibration photos, [N, 1], where it looks at pixels. */
  readonly scores?: Tensor;
}

/** What is written: the parts, with the training's result in place of the encoder alone, and how they came about. */
export interface SavedClassifier
  extends Omit<ClassifierParts, "encoder" | "device" | "detector" | "detectorName" | "calibration"> {
  readonly trained: TrainedEncoder;
  /** The first is the chosen one. */
  readonly detectors: readonly SavedDetector[];
  /** The stages are the encoder's. */
  readonly calibration: CalibrationObjects & Rows;
  readonly provenance: Provenance;
  readonly photos: readonly UsedPhoto[];
  /** Some of the photos that it learned from, to be shown beside what resembles them. */
  readonly gallery: GalleryContent;
}

/** Writes a classifier into a folder that is there and empty; `classifier.json` comes last. */
export function saveClassifier(folder: string, saved: SavedClassifier): void {
  const { trained, probe, detectors: fitted, calibration, provenance, photos, gallery, ...rest } = saved;
  saveEncoder(join(folder, FILES.encoder), trained);
  safetensors.write(
    join(folder, FILES.probe),
    { weight: probe.weight, bias: probe.bias },
    { l2: String(probe.l2) },
  );
  mkdirSync(join(folder, FILES.detectors));
  for (const { name, fitted: detector } of fitted)
    writeDetector(join(folder, detectorFile(name)), name, detector);
  const stages = calibration.stages.map((rows, index) => [stageName(index), rows] as const);
  const scores = fitted.flatMap(({ name, scores: rows }) =>
    rows ? [[scoresName(name), rows] as const] : [],
  );
  const { objects, labels } = calibration;
  const whose = { objects: JSON.stringify(objects), labels: JSON.stringify(labels) };
  safetensors.write(join(folder, FILES.calibration), Object.fromEntries([...stages, ...scores]), whose);
  writeGallery(folder, gallery);
  writeFileAtomicSync(
    join(folder, FILES.photos),
    photos.map((photo) => `${JSON.stringify(photo)}\n`).join(""),
  );
  const description: z.input<typeof fileSchema> = {
    format: 2,
    ...{ name: rest.name, classes: [...rest.classes], preprocessing: rest.preprocessing, level: rest.level },
    detectors: fitted.map(({ name }) => name),
    provenance,
  };
  writeFileAtomicSync(join(folder, FILES.description), `${JSON.stringify(description, null, 1)}\n`);
}

/**
 * Loads a classifier that `penumbra train` made.
 *
 * @param folder such as models/parts
 * @param options.device default "cpu"
 * @param options.detector which of its detectors says unknown. Default: the one that was chosen when it was trained
 * @throws DeployError when the folder holds no classifier, a part of it is missing, damaged or of another version, or it
 * has no such detector
 * @example
 * using classifier = loadClassifier("models/parts");
 * const verdicts = await classifier.predict(["a.jpg", ["b-left.jpg", "b-right.jpg"]]);
 */
export function loadClassifier(
  folder: string,
  { device = "cpu", ...asked }: { readonly device?: string; readonly detector?: string } = {},
): Classifier {
  const { name, classes, preprocessing, level, detector: detectorName } = readClassifierInfo(folder, asked);
  const part = <T>(file: string, read: (path: string) => T): T => {
    const path = join(folder, file);
    try {
      return read(path);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DeployError(`The classifier ${folder} cannot be loaded: ${path}: ${why}`, { cause });
    }
  };
  const { encoder, head } = part(FILES.encoder, (path) => loadEncoder(path, { device }));
  for (const tensor of Object.values(head.stateDict())) tensor.dispose();
  foldBatchNorms(encoder);
  return new Classifier({
    ...{ name, classes, preprocessing, level, device, encoder },
    probe: part(FILES.probe, readProbe),
    detectorName,
    detector: part(detectorFile(detectorName), (path) => readDetector(path, detectors).detector),
    calibration: part(FILES.calibration, (path) => readCalibration(path, detectorName)),
  });
}

/** What a classifier is, read without loading it. */
export interface ClassifierInfo
  extends Pick<ClassifierParts, "name" | "classes" | "preprocessing" | "level"> {
  /** The detectors that it has, the chosen one first. */
  readonly detectors: readonly string[];
  /** The one that says unknown. */
  readonly detector: string;
}

/** Reads what a classifier is. @throws DeployError as {@link loadClassifier} */
export function readClassifierInfo(
  folder: string,
  { detector: wanted }: { readonly detector?: string } = {},
): ClassifierInfo {
  const { provenance: _, format: __, ...info } = readDescription(folder);
  const detector = wanted ?? info.detectors[0]!;
  if (!info.detectors.includes(detector))
    throw new DeployError(
      `The classifier ${folder} has no detector "${detector}". It has ${info.detectors.join(", ")}; others are fitted where study.yaml lists them under "detectors".`,
    );
  return { ...info, detector };
}

/** How a classifier came about. @throws DeployError as {@link loadClassifier} */
export function readProvenance(folder: string): Provenance {
  return readDescription(folder).provenance;
}

/** The photos that a classifier was made with. @throws DeployError when the folder holds no classifier */
export async function readUsedPhotos(folder: string): Promise<UsedPhoto[]> {
  readDescription(folder);
  const path = join(folder, FILES.photos);
  const photos = await readJsonLines<Partial<UsedPhoto>>(path);
  if (photos.every(({ hash, look }) => hash !== undefined && look !== undefined))
    return photos as UsedPhoto[];
  throw new DeployError(`${path} is of another version. Train the classifier again.`);
}

function readDescription(folder: string): z.output<typeof fileSchema> {
  const path = join(folder, FILES.description);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new DeployError(
      `"${folder}" is no classifier: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}). Make one: penumbra train PHOTOS`,
      { cause },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DeployError(`${path} is damaged: ${(cause as Error).message}. Train the classifier again.`, {
      cause,
    });
  }
  const read = fileSchema.safeParse(json);
  if (!read.success) {
    const problems = read.error.issues.map(
      ({ path: field, message }) => `${field.join(".") || "file"}: ${message}`,
    );
    throw new DeployError(
      `${path} is of another version or damaged. ${problems.slice(0, 3).join("; ")}. Train the classifier again.`,
    );
  }
  return read.data;
}

function readProbe(path: string) {
  const { tensors, metadata } = safetensors.read(path);
  const { weight, bias } = tensors;
  if (!weight || !bias) throw new DeployError("it lacks weight or bias. Train the classifier again.");
  return probeOf(weight, bias, Number(metadata.l2));
}

function readCalibration(path: string, detectorName: string): ClassifierParts["calibration"] {
  const { tensors, metadata } = safetensors.read(path);
  const parsed = calibrationSchema.safeParse({
    objects: JSON.parse(metadata.objects ?? "null"),
    labels: JSON.parse(metadata.labels ?? "null"),
  });
  const photos = parsed.data?.objects.length;
  const count = Object.keys(tensors).filter((name) => name.startsWith(stageName(""))).length;
  const stages = Array.from({ length: count }, (_, index) => tensors[stageName(index)]);
  const rows = looksAtPixels(detectorName) ? [tensors[scoresName(detectorName)], ...stages] : stages;
  const isWhole = count > 0 && rows.every((each) => each?.shape[0] === photos);
  if (!parsed.data || parsed.data.labels.length !== photos || !isWhole)
    throw new DeployError("it lacks the features, scores, objects or labels. Train the classifier again.");
  for (const tensor of Object.values(tensors)) if (!rows.includes(tensor)) tensor.dispose();
  return { ...parsed.data, stages: rows as Tensor[] };
}

/** Where a detector lies in a classifier's folder. */
function detectorFile(name: string): string {
  return join(FILES.detectors, `${name}.safetensors`);
}

function scoresName(detector: string): string {
  return `scores.${detector}`;
}

function stageName(index: number | ""): string {
  return `stage.${index}`;
}
