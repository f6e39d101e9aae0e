import { loadEncoder, saveEncoder, type TrainedEncoder, trainEncoder } from "../../contrast/index.ts";
import type { Photo } from "../../data/index.ts";
import type { RedrawLine } from "../../diffusion/index.ts";
import type { CurvePoint } from "../../results/index.ts";
import { type ArmName, armOf } from "../arms/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelsOf, pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { loadRedraws } from "./redraws.ts";

export interface EncoderInputs {
  readonly arm: ArmName;
  readonly seed: number;
  /** Redraws of the kinds that the arm names. */
  readonly positives?: Artifact | undefined;
  readonly negatives?: Artifact | undefined;
}

/** Trains the encoder of an arm at a seed; arms of one seed see the same photos in the same versions. */
export function encoderStage(
  context: StudyContext,
  train: readonly Photo[],
  { arm, seed, positives, negatives }: EncoderInputs,
): Promise<Artifact> {
  const { config, store, classes, device, precision } = context;
  const { objective } = armOf(arm);
  const settings = config.encoder;
  return store.run({
    name: "encoder",
    version: 1,
    label: `${arm}, seed ${seed}`,
    inputs: {
      photos: pixelsHash(context, train),
      ...(positives && { positives }),
      ...(negatives && { negatives }),
    },
    config: { objective, classes, imageSize: config.imageSize, precision, ...relevant(settings, arm) },
    seed,
    run: ({ folder, scratch, progress }) =>
      withPixels(context, train, config.imageSize, async (images) => {
        const drawnPositives = positives && (await loadRedraws(positives, config.imageSize));
        const drawnNegatives = negatives && (await loadRedraws(negatives, config.imageSize));
        const places = new Map(train.map(({ id }, index) => [id, index]));
        const labels = labelsOf(train, classes);
        const parentsOf = (lines: readonly RedrawLine[]) =>
          lines.map(({ parent }) => places.get(parent) ?? -1);
        const trained = await trainEncoder({
          objective,
          images,
          labels,
          classes: classes.length,
          network: { network: settings.network, stem: settings.stem, width: settings.width },
          loss: lossOf(settings, arm),
          ...(drawnPositives && {
            faithful: {
              images: drawnPositives.images,
              parents: parentsOf(drawnPositives.lines),
              probability: settings.faithfulProbability,
            },
          }),
          ...(drawnNegatives && {
            negatives: {
              images: drawnNegatives.images,
              labels: parentsOf(drawnNegatives.lines).map((place) => labels[place] ?? -1),
              perStep: settings.negatives,
            },
          }),
          steps: settings.steps,
          batchSize: settings.batchSize,
          views: settings.views,
          optimizer: { learningRate: settings.learningRate, weightDecay: settings.weightDecay },
          augment: settings.augment,
          seed,
          device,
          precision,
          checkpointFolder: scratch,
          onProgress: (done, total) => progress(done, total, "steps"),
        });
        drawnPositives?.images.dispose();
        drawnNegatives?.images.dispose();
        saveEncoder(folder, trained);
        return { finalLoss: trained.losses.at(-1) ?? null, collapse: trained.collapse?.message ?? null };
      }),
  });
}

type EncoderSettings = StudyContext["config"]["encoder"];

function lossOf(settings: EncoderSettings, arm: ArmName) {
  if (armOf(arm).objective === "cross-entropy") return { labelSmoothing: settings.labelSmoothing };
  return {
    temperature: settings.temperature,
    projection: settings.projection,
    ...(armOf(arm).negatives && {
      lambda: settings.negativeWeight,
      beta: settings.negativeTilt,
      negativeScope: settings.negativeScope,
    }),
  };
}

/** The settings that an arm depends on: another number of negatives does not train plain SupCon again. */
function relevant(settings: EncoderSettings, arm: ArmName) {
  const { network, stem, width, steps, batchSize, views, learningRate, weightDecay, augment } = settings;
  const { positives, negatives } = armOf(arm);
  return {
    ...{ network, stem, width, steps, batchSize, views, learningRate, weightDecay, augment },
    loss: lossOf(settings, arm),
    ...(positives && { faithfulProbability: settings.faithfulProbability }),
    ...(negatives && { negatives: settings.negatives }),
  };
}

/** The encoder of an artifact, on the study's device. */
export function readEncoder({ device }: StudyContext, artifact: Artifact): TrainedEncoder {
  return loadEncoder(artifact.folder, { device });
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
