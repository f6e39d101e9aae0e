import type { Tensor } from "@penumbra/torch";
import {
  batchNormOf,
  Encoder,
  type FineTuning,
  frozenEncoder,
  loadEncoder,
  objectiveOf,
  type RedrawWord,
  saveEncoder,
  type TrainedEncoder,
  type TrainedLayers,
  trainEncoder,
} from "../../contrast/index.ts";
import { DataError, requireTrainParents, type Split } from "../../data/index.ts";
import type { Json } from "../../files/index.ts";
import { type EncoderNetworkName, type EncoderWeights, encoderNetworks } from "../../models/index.ts";
import type { CurvePoint } from "../../results/index.ts";
import { armOf } from "../arms/index.ts";
import type { StudyConfig } from "../config/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, labelsOf, pixelsHash, pixelsOf, type StudyContext, withPixels } from "./context.ts";
import { loadImages } from "./load-images.ts";

export interface EncoderInputs {
  readonly arm: string;
  readonly seed: number;
  /** Images of the sources that the arm names. */
  readonly positives?: Artifact | undefined;
  readonly negatives?: Artifact | undefined;
  /** The encoder of the arm's teacher. */
  readonly teacher?: Artifact | undefined;
  /** What the progress line calls it. Default: arm and seed. */
  readonly label?: string;
}

/** The encoder with its published weights: of every frozen arm, at every seed. */
export function frozenEncoderStage(context: StudyContext): Promise<Artifact> {
  const { config, store, classes } = context;
  const { network } = config.encoder;
  const weights = weightsOf(context);
  return store.run({
    name: "encoder",
    version: 2,
    label: "frozen",
    inputs: { weights: weights.hash },
    config: { network, train: "frozen", classes: classes.length },
    run: async ({ folder }) => {
      saveEncoder(folder, frozenEncoder(Encoder.published(network, weights), classes.length));
      return { finalLoss: null, collapse: null };
    },
  });
}

function weightsOf({ weights }: StudyContext): EncoderWeights {
  if (weights) return weights;
  throw new RangeError("A frozen encoder needs published weights: the configuration has to name them.");
}

/** Trains the encoder of an arm at a seed; arms of one seed see the same photos in the same versions. */
export function encoderStage(
  context: StudyContext,
  split: Split,
  { arm, seed, positives, negatives, teacher, label = labelOf(context, seed, arm) }: EncoderInputs,
): Promise<Artifact> {
  const { config, tables, store, classes, device, weights } = context;
  const { imageSize } = config;
  const { train, validation } = split;
  const training = trainingOf(context, arm);
  return store.run({
    name: "encoder",
    version: 2,
    label,
    inputs: {
      photos: pixelsHash(context, train),
      ...(weights && { weights: weights.hash }),
      ...(positives && { positives }),
      ...(negatives && { negatives }),
      ...(teacher && { teacher }),
      ...(training.evaluation && { validation: pixelsHash(context, validation) }),
    },
    config: { ...training, ...versionOf(context, arm), classes, imageSize },
    seed,
    run: ({ folder, scratch, progress }) =>
      withPixels(context, train, imageSize, async (images) => {
        const looks = training.evaluation;
        const evaluation = looks && {
          ...looks,
          images: await pixelsOf(context, validation, imageSize),
          labels: labelsOf(validation, classes),
        };
        const labels = labelsOf(train, classes);
        const drawnPositives = positives && (await imagesOf(context, positives, split));
        const drawnNegatives = negatives && (await imagesOf(context, negatives, split));
        const { faithful: asPositives, negatives: asNegatives, evaluation: _, ...settings } = training;
        const trained = await trainEncoder({
          ...settings,
          ...{ images, labels, classes: classes.length, seed, device, objectives: tables.objectives },
          ...(weights && { weights }),
          recomputes: config.encoder.gradientCheckpointing, // changes no bit
          ...(evaluation && { evaluation }),
          ...(teacher && { teacher: readEncoder(context, teacher) }),
          ...(drawnPositives &&
            drawnPositives.parents.length > 0 && { faithful: { ...asPositives, ...drawnPositives } }),
          ...(drawnNegatives &&
            drawnNegatives.parents.length > 0 &&
            asNegatives && {
              negatives: {
                ...asNegatives,
                images: drawnNegatives.images,
                labels: drawnNegatives.parents.map((parent) => labels[parent] as number),
              },
            }),
          checkpointFolder: scratch,
          onProgress: (done, total, loss) => progress(done, total, "steps", loss),
        });
        drawnPositives?.images.dispose();
        drawnNegatives?.images.dispose();
        evaluation?.images.dispose();
        saveEncoder(folder, trained);
        return { finalLoss: trained.losses.at(-1) ?? null, collapse: trained.collapse?.message ?? null };
      }),
  });
}

/**
 * All settings of an arm's training, as they are passed and as they are hashed: another number of negatives does not
 * train plain SupCon again.
 */
function trainingOf({ config, tables, precision, weights }: StudyContext, arm: string) {
  const { objective: name, positives, use, changes = {} } = armOf(arm, tables.arms);
  const { weights: _, gradientCheckpointing: __, train, layerDecay, batchNorm, ...others } = config.encoder;
  const { network, stem, width, learningRate, weightDecay, faithfulProbability, negatives, ...rest } = others;
  const { evaluation, ema, photosPerClass, memory, ...steps } = rest;
  const objective = objectiveOf(name, tables.objectives);
  const { negatives: places, teacher: ofTeacher = [], takesMemory = false } = objective;
  const ofSome = new Set<string>([...Object.values(places).flat(), ...ofTeacher]);
  const ofThis: readonly string[] = [
    ...(use === null ? [] : (places[use] ?? [])),
    ...(changes.teacher === undefined ? [] : ofTeacher),
  ];
  const loss = Object.entries({ ...settingsOf(config, name), ...changes.settings }).filter(
    ([key]) => !ofSome.has(key) || ofThis.includes(key),
  );
  return {
    ...steps,
    objective: name,
    precision,
    network: { network, ...(!weights && sizesFor(network, { stem, width })) },
    ...fineTuningOf({ train, layerDecay, batchNorm }, weights !== null),
    optimizer: { learningRate, weightDecay },
    loss: Object.fromEntries(loss),
    ...(positives !== null && {
      faithful: { faithfulProbability: changes.faithfulProbability ?? faithfulProbability },
    }),
    ...(use !== null && { negatives: { perStep: changes.negativesPerStep ?? negatives, use } }),
    ...(evaluation.every > 0 && { evaluation }),
    ...(ema > 0 && { ema }),
    ...(photosPerClass > 0 && { photosPerClass }),
    ...(memory > 0 && takesMemory && { memory }),
  };
}

/** Of these sizes those that the network has. */
function sizesFor(network: EncoderNetworkName, sizes: Readonly<Record<string, Json>>) {
  const own = encoderNetworks[network].sizes.shape;
  return Object.fromEntries(Object.entries(sizes).filter(([key]) => key in own));
}

/** What of the encoder is trained, where that is not simply all of it. */
function fineTuningOf(
  { train, layerDecay, batchNorm }: FineTuningSettings,
  isPublished: boolean,
): { fineTuning?: FineTuning } {
  const statistics = batchNormOf(batchNorm === "auto" ? {} : { batchNorm }, isPublished);
  const fineTuning: FineTuning = {
    ...(train !== "full" && { layers: train as TrainedLayers }),
    ...(layerDecay !== 1 && { layerDecay }),
    ...((isPublished || statistics !== "trained") && { batchNorm: statistics }),
  };
  return Object.keys(fineTuning).length > 0 ? { fineTuning } : {};
}

type FineTuningSettings = Pick<StudyConfig["encoder"], "train" | "layerDecay" | "batchNorm">;

function settingsOf({ objectives }: StudyConfig, name: string): Readonly<Record<string, Json>> {
  const settings = objectives[name];
  if (settings) return settings;
  throw new RangeError(
    `The configuration has no section objectives.${name}. Load it with the tables that the study runs with.`,
  );
}

/** The version of an objective that has one: part of the identity of what is trained for it. */
function versionOf({ tables }: StudyContext, arm: string): { version?: number } {
  const { version } = objectiveOf(armOf(arm, tables.arms).objective, tables.objectives);
  return version === undefined ? {} : { version };
}

/**
 * The images of an artifact, the training photo that each was made from, as its index, and towards which class it was
 * drawn how strongly.
 * @throws DataError for an image of anything but a training photo
 */
async function imagesOf(
  context: StudyContext,
  artifact: Artifact,
  { train, ...rest }: Split,
): Promise<{ readonly images: Tensor; readonly parents: number[]; readonly words: RedrawWord[] }> {
  const { images, lines } = await loadImages(context, artifact);
  const places = new Map(train.map(({ id }, index) => [id, index]));
  const parents = requireTrainParents(lines, { train, ...rest }).map(({ parent, partner = null }) => {
    const place = places.get(parent);
    if (place !== undefined && (partner === null || places.has(partner))) return place;
    throw new DataError(
      `${artifact.folder} has an image of "${place === undefined ? parent : partner}", which is no training photo. Remove the folder and run again.`,
    );
  });
  const words = lines.map(({ wordClass, strength }) => ({
    label: context.classes.indexOf(wordClass),
    strength: strength ?? 0,
  }));
  return { images, parents, words };
}

/** The encoder of an artifact, on the study's device. */
export function readEncoder({ device, tables }: StudyContext, artifact: Artifact): TrainedEncoder {
  return loadEncoder(artifact.folder, { device, objectives: tables.objectives });
}

/** The training loss of an encoder, thinned to at most `most` points, each the mean of the steps up to it. */
export function lossCurve({ losses }: TrainedEncoder, most = 120): CurvePoint[] {
  const width = Math.max(1, Math.ceil(losses.length / most));
  const points: CurvePoint[] = [];
  for (let start = 0; start < losses.length; start += width) {
    const part = losses.slice(start, start + width);
    points.push({ step: start + part.length, loss: part.reduce((sum, loss) => sum + loss, 0) / part.length });
  }
  return points;
}
