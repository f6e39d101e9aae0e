import { detectorOf } from "../../unknowns/index.ts";
import { isFrozen, judgeOf } from "../arms/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { armEncoder } from "./arm-encoder.ts";
import type { StudyContext } from "./context.ts";
import { frozenEncoderStage } from "./encoder.ts";
import { featuresStage, type SharedFeatures, sharedFeaturesStage, sharedRowsStage } from "./features.ts";
import { nearnessStage } from "./nearness.ts";
import { contextOf, type SeedData, type SeedSplit } from "./prepare-seeds.ts";
import { probeStage } from "./probe.ts";
import { scoreStage } from "./score.ts";
import { standInsStage } from "./stand-ins.ts";

/** An arm at a seed with a number of shots, trained and scored. */
export interface TrainedArm {
  readonly arm: string;
  readonly seed: number;
  readonly shots: number;
  readonly encoder: Artifact;
  readonly features: Artifact;
  readonly probe: Artifact;
  readonly score: Artifact;
}

/** Trains, probes and scores every arm; arms of a seed share its photos, redraws, first weights and order. */
export async function trainArms(context: StudyContext, seeds: readonly SeedData[]): Promise<TrainedArm[]> {
  const train = armTrainer(context, seeds);
  const trained: TrainedArm[] = [];
  for (const own of seeds) {
    for (const arm of context.config.arms) trained.push(await train(own, arm));
  }
  return trained;
}

/** Trains, probes and scores an arm at a seed. @param splits of all seeds, which frozen encoders see once */
export function armTrainer(
  context: StudyContext,
  splits: readonly SeedSplit[],
): (own: SeedData, arm: string) => Promise<TrainedArm> {
  const { config, tables } = context;
  const withStages = config.detectors.some((name) =>
    detectorOf(name, tables.detectors).needs.includes("stages"),
  );
  let frozen: Promise<Frozen> | undefined;
  return async (own, arm) => {
    if (!isFrozen(context, arm)) {
      return score(context, own, arm, await trainArm(contextOf(context, own), own, arm, withStages));
    }
    frozen ??= takeFrozen(context, splits, withStages);
    const { encoder, features: shared } = await frozen;
    const features = await sharedRowsStage(contextOf(context, own), own.split, shared, own.seed);
    return score(context, own, arm, { encoder, features });
  };
}

async function score(
  study: StudyContext,
  own: SeedData,
  arm: string,
  { encoder, features }: Pick<TrainedArm, "encoder" | "features">,
): Promise<TrainedArm> {
  const context = contextOf(study, own);
  const { seed, shots, split, images, unlearned } = own;
  const probe = await probeStage(context, split, features, arm, seed);
  const standIns =
    split.nearValidation.length > 0
      ? undefined
      : await standInsStage(context, split, { arm, seed, encoder, redraws: images["near-ood"] });
  const scores = await scoreStage(context, split, {
    ...{ arm, seed, encoder, features, probe, standIns, unlearned },
  });
  return { arm, seed, shots, encoder, features, probe, score: scores };
}

interface Frozen {
  readonly encoder: Artifact;
  readonly features: SharedFeatures;
}

/** The frozen encoder, and its features of all photos: the same for all frozen arms and all seeds. */
async function takeFrozen(
  context: StudyContext,
  seeds: readonly SeedSplit[],
  withStages: boolean,
): Promise<Frozen> {
  const encoder = await frozenEncoderStage(context);
  const splits = seeds.map(({ split }) => split);
  return { encoder, features: await sharedFeaturesStage(context, splits, encoder, { withStages }) };
}

/** Trains an arm at a seed, and takes the features of its photos. */
async function trainArm(
  context: StudyContext,
  { seed, split, images }: SeedData,
  arm: string,
  withStages: boolean,
): Promise<Pick<TrainedArm, "encoder" | "features">> {
  const encoder = await armEncoder(context, split, { arm, seed, images });
  return { encoder, features: await featuresStage(context, split, encoder, { arm, seed, withStages }) };
}

/** Measures, seed by seed, how many redraws still look known; nothing where no arm is without synthetic images. */
export async function judgeRedraws(
  context: StudyContext,
  seeds: readonly SeedData[],
  trained: readonly TrainedArm[],
): Promise<Artifact[]> {
  const judge = judgeOf(context.config.arms, context.tables.arms);
  const artifacts: Artifact[] = [];
  for (const { seed, split, images } of seeds) {
    const redraws = Object.entries(images).flatMap(([name, artifact]) =>
      sourceOf(name, context.tables.sources).sifts === undefined ? [{ source: name, artifact }] : [],
    );
    const own = trained.find((item) => item.arm === judge && item.seed === seed);
    if (!own || redraws.length === 0) continue;
    const { encoder, features } = own;
    artifacts.push(await nearnessStage(context, split, { encoder, features, redraws, seed }));
  }
  return artifacts;
}
