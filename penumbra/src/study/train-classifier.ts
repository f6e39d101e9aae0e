import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import * as torch from "@penumbra/torch";
import { safetensors, type Tensor } from "@penumbra/torch";
import type { LinearProbe } from "../contrast/index.ts";
import {
  DataError,
  groupBy,
  type Manifest,
  mapConcurrently,
  type Photo,
  readPhoto,
  type Split,
  type SplitName,
  scanPhotos,
  splitForUse,
  type UseSplit,
} from "../data/index.ts";
import {
  type ClassFigures,
  chooseDetectorForUse,
  evidenceOf,
  type GalleryContent,
  looksAtPixels,
  networkOf,
  type Provenance,
  saveClassifier,
  type TriedDetector,
  UNKNOWN,
  type UsedPhoto,
  writeCard,
} from "../deploy/index.ts";
import { findModel } from "../diffusion/index.ts";
import { readJson, writeFolderAsync } from "../files/index.ts";
import { previewImage } from "../images/index.ts";
import { OUTCOME_FORMAT, type Outcome, type Recommendation, recommendArm } from "../results/index.ts";
import { detectorOf, type Network } from "../unknowns/index.ts";
import { armOf, sourcesOf, withTeachers } from "./arms/index.ts";
import { drawnSources, largestShots, settleImages } from "./config/index.ts";
import { findWeights } from "./find-weights.ts";
import { settleMachine } from "./machine.ts";
import { judgesOf, type Study, scanOptionsOf } from "./plan-study.ts";
import { countBrought, isNeeded, mostSteps, sourceOf, trainingsOf } from "./sources/index.ts";
import {
  armEncoder,
  featuresFile,
  featuresStage,
  labelsOf,
  loadProbe,
  partsByClass,
  pixelsOf,
  prepareSeeds,
  probeStage,
  readEncoder,
  readStandIns,
  type StudyContext,
  stageFeatures,
  standInsStage,
} from "./stages/index.ts";
import { type Artifact, lockRun, type StageEvent, StageStore } from "./store/index.ts";
import { version } from "./version.ts";

export interface ClassifierRequest {
  /** The folder that the classifier becomes, such as models/parts. */
  readonly out: string;
  /** What {@link scanForUse} found; without it the photos are scanned. */
  readonly manifest?: Manifest;
  /** Default: what {@link chooseArm} chooses. */
  readonly arm?: string | Recommendation;
  /** Default: the first of the configuration. */
  readonly seed?: number;
  /** Objects of each class that are set aside. Default: the study's validation objects. */
  readonly calibration?: number;
  /** Share of known objects that may be called unknown, 0 … 1. Default 0.05. */
  readonly level?: number;
  readonly onEvent?: (event: StageEvent) => void;
}

/** What was made. */
export interface TrainedClassifier {
  readonly folder: string;
  readonly arm: Recommendation;
  readonly detector: { readonly name: string; readonly reason: string };
  /** The level that is used: with few calibration objects more than was asked for. */
  readonly level: number;
}

/** The quickest, and the one to beat: a classifier's loss with a detector on its features. */
export const DEFAULT_ARM = "cross-entropy";

/**
 * Trains a classifier for use on all known objects but those that are set aside to calibrate it, in the run folder of
 * the study, whose words and redraws are taken over, and goes on where it was interrupted. Near unknowns serve choices
 * and calibration only.
 *
 * @throws DataError when a class has a single object, or is called as the verdict of unknowns is
 * @throws RangeError for an arm or seed that does not exist
 * @throws RunInUseError where a study works in the run folder
 */
export async function trainClassifier(study: Study, request: ClassifierRequest): Promise<TrainedClassifier> {
  const { onEvent } = request;
  const machine = settleMachine(study.config);
  const store = new StageStore(study.run, { machine: { ...machine }, ...(onEvent && { onEvent }) });
  const manifest = requireNames(request.manifest ?? (await scanForUse(study)));
  const { arm } = request;
  const chosen = trainedToTheEnd(study, typeof arm === "object" ? arm : await chooseArm(study, arm));
  const seed = request.seed ?? study.config.seeds[0]!;
  const split = splitForUse(manifest, {
    given: study.config.split.given,
    calibration: request.calibration ?? study.config.split.validation,
  });
  const drawn = drawnSources({ ...study, config: { ...study.config, arms: [chosen.arm] } });
  const needsModel = isNeeded("model", drawn, study.tables.sources);
  const model = needsModel
    ? await store.observe("model", (progress, onNote) =>
        findModel(study.config.model, {
          base: study.folder,
          vae: study.config.vae,
          loras: study.config.loras,
          imageSize: study.config.redraw.size,
          guidanceScale: study.config.redraw.guidanceScale,
          steps: mostSteps(study.config.redraw, drawn),
          onNote,
          onProgress: (done, total) => progress(done, total, "MiB"),
        }),
      )
    : undefined;
  const weights = await findWeights(study, store);
  const wanted = {
    ...{ ...study.config, arms: [chosen.arm], seeds: [seed] },
    // All objects are learned from: the words and images of the most shots go with them.
    split: { ...study.config.split, shots: largestShots(study.config) },
    // The objects set aside calibrate: they must not choose weights too, so all steps are taken.
    encoder: { ...study.config.encoder, evaluation: { every: 0, keep: "last", patience: 0 } as const },
  };
  const config = settleImages(wanted, weights);
  const lock = await lockRun(study.run);
  try {
    const context: StudyContext = {
      config,
      tables: study.tables,
      store,
      folder: study.folder,
      photos: manifest.photos,
      root: manifest.root,
      white: manifest.white,
      cacheFolder: join(study.run, "cache"),
      classes: manifest.classes,
      weights,
      device: machine.device,
      precision: machine.precision,
    };
    const artifacts = await trainParts(context, manifest, split, { arm: chosen.arm, seed, model });
    return await assemble(context, split, artifacts, { ...request, chosen, seed });
  } finally {
    await lock.release();
  }
}

/** How many stages {@link trainClassifier} goes through. */
export function classifierStageCount(
  { config, tables }: Study,
  { arm, manifest }: { readonly arm: Recommendation; readonly manifest: Manifest },
): number {
  const drawn = sourcesOf([arm.arm], tables.arms, tables.sources);
  const needs = (need: "model" | "words") => Number(isNeeded(need, drawn, tables.sources));
  const isSifted = drawn.some((name) => sourceOf(name, tables.sources).sifts !== undefined);
  const judges = isSifted ? judgesOf(config, largestShots(config)) : 0;
  const made =
    drawn.length +
    judges +
    trainingsOf(drawn, config.sources, tables.sources).length +
    countBrought(drawn, tables.sources);
  const weights = Number(config.encoder.weights !== undefined);
  const standIns = Number(!manifest.photos.some(({ role }) => role === "near"));
  const teachers = withTeachers([arm.arm], tables.arms).length - 1;
  // Encoder, features, probe; teachers; weights; stand-ins; model; split, decode; words; judges, generators and images.
  return (
    3 + teachers + weights + standIns + needs("model") + (drawn.length === 0 ? 0 : 2 + needs("words") + made)
  );
}

/**
 * The arm that was asked for, or that a finished study of this run folder speaks for, or {@link DEFAULT_ARM}.
 * @throws RangeError for an arm that does not exist
 */
export async function chooseArm(study: Study, wanted?: string): Promise<Recommendation> {
  if (wanted !== undefined) {
    armOf(wanted, study.tables.arms);
    return { arm: wanted, reason: "It was asked for." };
  }
  const path = join(study.run, "report.json");
  if (existsSync(path)) {
    const outcome = await readJson<Outcome>(path);
    const recommended = outcome.format === OUTCOME_FORMAT ? recommendArm(outcome) : null;
    if (recommended) return recommended;
  }
  return {
    arm: DEFAULT_ARM,
    reason: `No study was run in ${study.run}, so it is the quickest one. A study says which is best for these photos.`,
  };
}

/** Says so where the study looks at validation photos between steps, which training for use does not. */
function trainedToTheEnd({ config }: Study, { arm, reason }: Recommendation): Recommendation {
  if (config.encoder.evaluation.every === 0) return { arm, reason };
  return {
    arm,
    reason: `${reason} All steps were taken, unlike in a study with encoder.evaluation: the objects set aside calibrate, and must not choose weights too.`,
  };
}

/** The photos that a classifier is to be made of. @throws DataError where there are none */
export async function scanForUse(
  { config, folder, run }: Study,
  onProgress?: (done: number, total: number) => void,
): Promise<Manifest> {
  const cacheFolder = join(run, "cache");
  return scanPhotos(resolve(folder, config.photos), {
    ...scanOptionsOf(config),
    ...(existsSync(cacheFolder) && { cacheFolder }),
    ...(onProgress && { onProgress }),
  });
}

function requireNames(manifest: Manifest): Manifest {
  if (!manifest.classes.includes(UNKNOWN)) return manifest;
  throw new DataError(
    `A known class is called "${UNKNOWN}", as the verdict is of objects of no known class. Rename its folder, or name it under roles.near.`,
  );
}

/** The trained parts of a classifier, as artifacts of the run folder. */
interface Parts {
  readonly encoder: Artifact;
  readonly features: Artifact;
  readonly probe: Artifact;
  readonly images: readonly Artifact[];
  /** Of photos without near unknowns. */
  readonly standIns: Artifact | undefined;
}

interface PartsOptions {
  readonly arm: string;
  readonly seed: number;
  readonly model: Awaited<ReturnType<typeof findModel>> | undefined;
}

async function trainParts(
  context: StudyContext,
  manifest: Manifest,
  { train, calibration, near }: UseSplit,
  { arm, seed, model }: PartsOptions,
): Promise<Parts> {
  const split: Split = {
    train,
    validation: calibration,
    test: [],
    nearValidation: near,
    nearTest: [],
    farTest: [],
  };
  const drawn = drawnSources(context);
  const images = drawn.length > 0 ? (await prepareSeeds(context, manifest, model, false))[0]!.images : {};
  const encoder = await armEncoder(context, split, { arm, seed, images });
  const features = await featuresStage(context, split, encoder, { arm, seed, withStages: true });
  const probe = await probeStage(context, split, features, arm, seed);
  const standIns =
    near.length > 0
      ? undefined
      : await standInsStage(context, split, { arm, seed, encoder, redraws: images["near-ood"] });
  return { encoder, features, probe, images: Object.values(images), standIns };
}

interface AssembleOptions extends ClassifierRequest {
  readonly chosen: Recommendation;
  readonly seed: number;
}

/** Fits the detectors and chooses one, calibrates, and writes the folder whole or not at all. */
async function assemble(
  context: StudyContext,
  split: UseSplit,
  parts: Parts,
  { out, chosen, seed, level: wantedLevel = 0.05 }: AssembleOptions,
): Promise<TrainedClassifier> {
  const { config, tables, classes, white } = context;
  const probe = loadProbe(parts.probe);
  const trained = readEncoder(context, parts.encoder);
  const looks = config.detectors.some((name) => looksAtPixels(name, tables.detectors));
  const network = looks ? networkOf(trained.encoder.eval(), context.device) : undefined;
  const { train, calibration, near } = await samplesOf(context, split, parts, { probe, network });
  const standIns = partsByClass(await readStandIns(parts.standIns, probe, network));
  const unknown = near ? [near] : standIns.flatMap(({ evidence }) => evidence ?? []);
  const detector = chooseDetectorForUse(
    { train, calibration, unknown, by: near ? "near unknowns" : "stand-ins" },
    { names: config.detectors, table: tables.detectors, tuning: config.tuning },
  );
  const objects = split.calibration.map(({ object }) => object);
  const labels = labelsOf(split.calibration, classes);
  // With n objects no p-value is below 1 / (n + 1): a lower level would never call anything unknown.
  const level = Math.max(wantedLevel, 1 / (new Set(objects).size + 1));
  const provenance = provenanceOf(parts, chosen, { seed, photos: resolve(context.root) });
  const about = {
    ...{ name: config.name, classes, level, provenance, photos: usedPhotos(split) },
    preprocessing: {
      imageSize: config.imageSize,
      fit: config.fit,
      interpolation: config.interpolation,
      white,
    },
  };
  const kept = [detector, ...detector.others].map(({ name, fitted }) => ({
    ...{ name, fitted },
    ...(looksAtPixels(name, tables.detectors) && {
      scores: torch.fromTyped(fitted.score(calibration), [objects.length, 1]),
    }),
  }));
  const { weights } = config.encoder;
  const licensed = {
    files: await licenceFiles(context.root),
    ...(weights !== undefined && { weights }),
    ...(parts.images.length > 0 && { model: config.model }),
  };
  await writeFolderAsync(out, async (aside) => {
    saveClassifier(aside, {
      ...{ ...about, probe, trained, detectors: kept },
      calibration: { objects, labels, stages: calibration.stages },
      gallery: await galleryOf(context, split.train, train.features),
    });
    const titled = <T extends TriedDetector>(tried: T) => ({
      ...tried,
      title: detectorOf(tried.name, tables.detectors).title,
    });
    const figures = figuresOf(probe.logits(calibration.features), labels, classes);
    await writeCard(aside, {
      ...about,
      licensed,
      wantedLevel,
      figures,
      detector: titled(detector),
      others: detector.others.map(titled),
    });
  });
  return { folder: out, arm: chosen, detector: { name: detector.name, reason: detector.reason }, level };
}

/** What the detectors may look at, of every part that there is; pixels where a network is given for them. */
async function samplesOf(
  context: StudyContext,
  split: UseSplit,
  { features }: Parts,
  { probe, network }: { readonly probe: LinearProbe; readonly network: Network | undefined },
) {
  const { tensors } = safetensors.read(join(features.folder, featuresFile));
  const of = async (part: SplitName, photos: readonly Photo[]) => ({
    ...evidenceOf(stageFeatures(tensors, part), probe),
    labels: labelsOf(photos, context.classes),
    objects: photos.map(({ object }) => object),
    ...(network && { network, pixels: await pixelsOf(context, photos, context.config.imageSize) }),
  });
  return {
    train: await of("train", split.train),
    calibration: await of("validation", split.calibration),
    near: split.near.length > 0 ? await of("nearValidation", split.near) : null,
  };
}

/** Photos of a class that a classifier carries at most. */
const MOST_SHOWN = 100;
const PICTURE_SIDE = 96;

/** Small pictures of the training photos, at most {@link MOST_SHOWN} a class, from all over it. */
async function galleryOf(
  { root, white }: StudyContext,
  train: readonly Photo[],
  features: Tensor,
): Promise<GalleryContent> {
  const places = new Map(train.map((photo, place) => [photo, place]));
  const shown = [...groupBy(train, ({ className }) => className).values()].flatMap((own) => {
    const count = Math.min(MOST_SHOWN, own.length);
    return Array.from({ length: count }, (_, i) => own[Math.floor((i * own.length) / count)]!);
  });
  const photos = await mapConcurrently(shown, async ({ id, className }) => {
    const picture = await previewImage(await readPhoto(root, id), PICTURE_SIDE, { white });
    return { id, className, picture };
  });
  const rows = torch.tensor(
    shown.map((photo) => places.get(photo)!),
    { dtype: "int64" },
  );
  return { photos, features: features.indexSelect(0, rows) };
}

const LICENCE_FILE = /^(licen[cs]e|attribution|copying|copyright|notice)(\W|$)/i;

/** Files among the photos and beside their folder that say what may be done with them. */
async function licenceFiles(root: string): Promise<string[]> {
  const found = await Promise.all(
    ["", "../"].map(async (place) => {
      const names = await readdir(place === "" ? root : dirname(resolve(root))).catch(() => []);
      return names.filter((name) => LICENCE_FILE.test(name)).map((name) => `${place}${name}`);
    }),
  );
  return found.flat().sort();
}

/** How many calibration photos of each class the classifier names right. */
function figuresOf(logits: Tensor, labels: readonly number[], classes: readonly string[]): ClassFigures[] {
  const answers = logits.argmax({ dim: 1 }).toNumbers();
  return classes.map((className, label) => {
    const own = answers.filter((_, index) => labels[index] === label);
    return { className, photos: own.length, right: own.filter((answer) => answer === label).length };
  });
}

function provenanceOf(
  { encoder, features, probe, images, standIns }: Parts,
  { arm, reason }: Recommendation,
  made: Pick<Provenance, "seed" | "photos">,
): Provenance {
  return {
    ...{ penumbra: version, libtorch: torch.version(), arm, reason, ...made },
    artifacts: Object.fromEntries(
      [...images, encoder, features, probe, ...(standIns ? [standIns] : [])].map(({ folder, hash }) => [
        basename(folder),
        hash,
      ]),
    ),
  };
}

function usedPhotos({ train, calibration, near }: UseSplit): UsedPhoto[] {
  const used = (photos: readonly Photo[], use: UsedPhoto["use"]): UsedPhoto[] =>
    photos.map(({ id, object, className, hash, look }) => ({ id, object, className, hash, look, use }));
  return [...used(train, "train"), ...used(calibration, "calibration"), ...used(near, "near")];
}
