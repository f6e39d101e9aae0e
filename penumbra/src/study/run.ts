import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  decodePhotos,
  type Manifest,
  type Photo,
  type RoleSetting,
  type Split,
  scanPhotos,
  splitByObject,
} from "../data/index.ts";
import { findModel, type ModelFolder } from "../diffusion/index.ts";
import { writeFileAtomic, writeJsonLines } from "../files/index.ts";
import { type ArmName, arms } from "./arms.ts";
import { concludeStudy } from "./conclude.ts";
import type { StudyContext } from "./context.ts";
import type { LoadedConfig } from "./load-config.ts";
import { lockRun } from "./lock.ts";
import { settleMachine } from "./machine.ts";
import { ModelLoader } from "./model-loader.ts";
import type { Outcome } from "./outcome.ts";
import { type Artifact, type StageEvent, StageStore } from "./stage.ts";
import { encoderStage } from "./stages/encoder.ts";
import { featuresStage } from "./stages/features.ts";
import { judgeOf, nearnessStage } from "./stages/nearness.ts";
import { probeStage } from "./stages/probe.ts";
import { type RedrawKind, redrawStage } from "./stages/redraw.ts";
import { scoreStage } from "./stages/score.ts";
import { splitStage } from "./stages/split.ts";
import { wordsStage } from "./stages/words.ts";

/** A study that is ready to run. */
export interface Study extends LoadedConfig {
  /** Run folder: everything that the study makes lies here. */
  readonly run: string;
  /** One line for people. */
  readonly title: string;
  readonly stageCount: number;
  /** Whether an arm has synthetic images, which a diffusion model draws. */
  readonly needsModel: boolean;
}

/** Says where a study will lie and what it will do; touches nothing. */
export function planStudy(loaded: LoadedConfig, out?: string): Study {
  const { config } = loaded;
  const run = resolve(out ?? join("runs", config.name));
  const isSynthetic = hasSynthetic(config.arms);
  const isJudged = isSynthetic && judgeOf(config.arms) !== undefined;
  const synthetic = (isSynthetic ? 1 : 0) + redrawKinds(config.arms).length + (isJudged ? 1 : 0);
  const perSeed = 1 + synthetic + 4 * config.arms.length;
  return {
    ...loaded,
    run,
    title: `Study "${config.name}": ${config.arms.length} arms, ${config.seeds.length} seeds, in ${run}`,
    stageCount: 3 + (isSynthetic ? 1 : 0) + config.seeds.length * perSeed,
    needsModel: isSynthetic,
  };
}

function hasSynthetic(names: readonly ArmName[]): boolean {
  return redrawKinds(names).length > 0;
}

function redrawKinds(names: readonly ArmName[]): RedrawKind[] {
  return [
    ...(names.some((name) => arms[name].hasFaithful) ? (["faithful"] as const) : []),
    ...(names.some((name) => arms[name].hasNearOod) ? (["near-OOD"] as const) : []),
  ];
}

export interface RunOptions {
  readonly onEvent?: (event: StageEvent) => void;
}

/**
 * Runs a study, or goes on with it: every stage that lies complete in the run folder is used as it is. Writes
 * results.jsonl and report.json into the run folder and returns what the report shows.
 *
 * Throws DataError, DiffusionError and DeviceError before anything is written, RunInUseError where another study
 * works; what a stage throws leaves the run as it was, ready to go on.
 */
export async function runStudy(study: Study, { onEvent }: RunOptions = {}): Promise<Outcome> {
  const { config, folder, run } = study;
  const machine = settleMachine(config);
  const root = resolve(folder, config.photos);
  const cacheFolder = join(run, "cache");
  const store = new StageStore(run, { machine: { ...machine }, ...(onEvent && { onEvent }) });

  const manifest = await store.observe("scan", (progress) =>
    scanPhotos(root, {
      roles: rolesOf(config),
      ignore: config.ignore,
      // Nothing is written for a folder that may yet be refused; a study that goes on remembers its scan.
      ...(existsSync(cacheFolder) && { cacheFolder }),
      onProgress: (done, total) => progress(done, total, "photos"),
    }),
  );
  // Refuses a folder that cannot be split, and a model that is missing or damaged, before anything is written.
  for (const seed of config.seeds) splitByObject(manifest, { ...config.split, seed });
  const model = study.needsModel
    ? await store.observe("model", (progress) =>
        findModel(config.model, folder, (done, total) => progress(done, total, "MiB")),
      )
    : undefined;

  const release = await lockRun(run);
  try {
    const context: StudyContext = {
      config,
      store,
      root,
      cacheFolder,
      classes: manifest.classes,
      device: machine.device,
      precision: machine.precision,
    };
    const seeds = await prepareSeeds(context, manifest, model);
    const trained = await trainArms(context, seeds);
    const nearness = await judgeRedraws(context, seeds, trained);
    const outcome = await concludeStudy(context, {
      study,
      machine,
      manifest,
      model,
      seeds,
      trained,
      nearness,
    });
    await writeJsonLines(join(run, "results.jsonl"), outcome.results);
    await writeFileAtomic(join(run, "report.json"), `${JSON.stringify(outcome)}\n`);
    return outcome;
  } finally {
    await release();
  }
}

/** The roles that a configuration gives; empty lists give none. */
export function rolesOf({ roles }: LoadedConfig["config"]): RoleSetting {
  const { known, near, far } = roles;
  return { ...(known.length > 0 && { known }), near, far };
}

/** What a seed learns from: its split, and its synthetic images where an arm wants them. */
export interface SeedData {
  readonly seed: number;
  readonly split: Split;
  readonly faithful?: Artifact;
  readonly nearOod?: Artifact;
}

/** Splits, decodes, learns words and draws, for every seed; the diffusion model is released afterwards. */
async function prepareSeeds(
  context: StudyContext,
  manifest: Manifest,
  model: ModelFolder | undefined,
): Promise<SeedData[]> {
  const { config, store, root, cacheFolder } = context;
  const splits: { seed: number; split: Split }[] = [];
  for (const seed of config.seeds) splits.push({ seed, split: await splitStage(context, manifest, seed) });
  await store.observe("decode", (progress) =>
    warmCache(root, manifest.photos, { size: config.imageSize, cacheFolder, progress }),
  );
  if (!model) return splits;
  const loader = new ModelLoader(model, context.device);
  const kinds = redrawKinds(config.arms);
  const seeds: SeedData[] = [];
  for (const { seed, split } of splits) {
    const words = await wordsStage(context, loader, split.train, seed);
    const draw = (kind: RedrawKind) => redrawStage(context, loader, split.train, words, kind, seed);
    seeds.push({
      seed,
      split,
      ...(kinds.includes("faithful") && { faithful: await draw("faithful") }),
      ...(kinds.includes("near-OOD") && { nearOod: await draw("near-OOD") }),
    });
  }
  loader.release();
  return seeds;
}

/** Decodes photos into the cache, a few hundred at a time: their pixels never lie in memory all at once. */
async function warmCache(
  root: string,
  photos: readonly Photo[],
  {
    size,
    cacheFolder,
    progress,
  }: { size: number; cacheFolder: string; progress: (done: number, total: number, unit: string) => void },
): Promise<void> {
  const chunk = 256;
  for (let start = 0; start < photos.length; start += chunk) {
    const pixels = await decodePhotos(root, photos.slice(start, start + chunk), { size, cacheFolder });
    pixels.dispose();
    progress(Math.min(start + chunk, photos.length), photos.length, "photos");
  }
}

/** An arm at a seed, trained and scored. */
export interface TrainedArm {
  readonly arm: ArmName;
  readonly seed: number;
  readonly encoder: Artifact;
  readonly features: Artifact;
  readonly score: Artifact;
}

/** Trains, probes and scores every arm; arms of a seed share its photos, redraws, first weights and order. */
async function trainArms(context: StudyContext, seeds: readonly SeedData[]): Promise<TrainedArm[]> {
  const trained: TrainedArm[] = [];
  for (const { seed, split, faithful, nearOod } of seeds) {
    for (const arm of context.config.arms) {
      const encoder = await encoderStage(context, split.train, { arm, seed, faithful, nearOod });
      const features = await featuresStage(context, split, encoder, arm, seed);
      const probe = await probeStage(context, split, features, arm, seed);
      const score = await scoreStage(context, split, features, probe, arm, seed);
      trained.push({ arm, seed, encoder, features, score });
    }
  }
  return trained;
}

/** Measures, seed by seed, how many redraws still look known; nothing where no arm is without synthetic images. */
async function judgeRedraws(
  context: StudyContext,
  seeds: readonly SeedData[],
  trained: readonly TrainedArm[],
): Promise<Artifact[]> {
  const judge = judgeOf(context.config.arms);
  const artifacts: Artifact[] = [];
  for (const { seed, split, faithful, nearOod } of seeds) {
    const redraws = [faithful, nearOod].filter((artifact) => artifact !== undefined);
    const own = trained.find((item) => item.arm === judge && item.seed === seed);
    if (!own || redraws.length === 0) continue;
    const { encoder, features } = own;
    artifacts.push(await nearnessStage(context, split, { encoder, features, redraws, seed }));
  }
  return artifacts;
}
