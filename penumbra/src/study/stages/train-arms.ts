import { detectorOf } from "../../unknowns/index.ts";
import { isFrozen, judgeOf } from "../arms/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { armEncoder } from "./arm-encoder.ts";
import type { StudyContext } from "./context.ts";
import { frozenEncoderStage } from "./encoder.ts";
import { featuresStage, type SharedFeatures, sharedFeaturesStage, sharedRowsStage } from "./features.ts";
import { nearnessStage } from "./nearness.ts";
import { contextOf, type SeedData } from "./prepare-seeds.ts";
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
  readonly score: Artifact;
}

/** Trains, probes and scores every arm; arms of a seed share its photos, redraws, first weights and order. */
export async function trainArms(context: StudyContext, seeds: readonly SeedData[]): Promise<TrainedArm[]> {
  const { config, tables } = context;
  const withStages = config.detectors.some((name) =>
    detectorOf(name, tables.detectors).needs.includes("stages"),
  );
  const frozen = config.arms.some((arm) => isFrozen(context, arm))
    ? await takeFrozen(context, seeds, withStages)
    : null;
  const trained: TrainedArm[] = [];
  for (const own of seeds) {
    for (const arm of config.arms) trained.push(await trainAndScore(context, own, arm, frozen, withStages));
  }
  return trained;
}

async function trainAndScore(
  study: StudyContext,
  own: SeedData,
  arm: string,
  frozen: Frozen | null,
  withStages: boolean,
): Promise<TrainedArm> {
  const context = contextOf(study, own);
  const { seed, shots, split, images } = own;
  const { encoder, features } =
    frozen && isFrozen(context, arm)
      ? { encoder: frozen.encoder, features: await sharedRowsStage(context, split, frozen.features, seed) }
      : await trainArm(context, own, arm, withStages);
  const probe = await probeStage(context, split, features, arm, seed);
  const standIns =
    split.nearValidation.length > 0
      ? undefined
      : await standInsStage(context, split, { arm, seed, encoder, redraws: images["near-ood"] });
  const score = await scoreStage(context, split, { arm, seed, encoder, features, probe, standIns });
  return { arm, seed, shots, encoder, features, score };
}

interface Frozen {
  readonly encoder: Artifact;
  readonly features: SharedFeatures;
}

/** The frozen encoder, and its features of all photos: the same for all frozen arms and all seeds. */
async function takeFrozen(
  context: StudyContext,
  seeds: readonly SeedData[],
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
