import { resolve } from "node:path";
import type { ScanOptions } from "../data/index.ts";
import { isFrozen, judgeOf } from "./arms/index.ts";
import { drawnSources, type LoadedConfig } from "./config/index.ts";
import { countTrained, isNeeded, sourceOf } from "./sources/index.ts";

/** A study that is ready to run. */
export interface Study extends LoadedConfig {
  /** Run folder: everything that the study makes lies here. */
  readonly run: string;
  /** One line for people. */
  readonly title: string;
  readonly stageCount: number;
  /** Whether an arm has images that a diffusion model draws. */
  readonly needsModel: boolean;
}

/** Says where a study will lie and what it will do; touches nothing. */
export function planStudy(loaded: LoadedConfig, out?: string): Study {
  const { config, tables } = loaded;
  const run = out === undefined ? runFolder(config.name) : resolve(out);
  const drawn = drawnSources(loaded);
  const needsModel = isNeeded("model", drawn, tables.sources);
  const isSifted = drawn.some((name) => sourceOf(name, tables.sources).sifts !== undefined);
  const judges = isSifted ? judgeStages(config) : 0;
  const isRaw = drawn.some((name) => sourceOf(name, tables.sources).sifts === undefined);
  const isJudged = isRaw && judgeOf(config.arms, tables.arms) !== undefined;
  const made = drawn.length + judges + countTrained(drawn, config.sources, tables.sources);
  const synthetic = (isNeeded("words", drawn, tables.sources) ? 1 : 0) + made + (isJudged ? 1 : 0);
  const maps = config.arms.length; // of the first seed
  // Every arm at every seed, and the round trips of the validation photos, which all seeds share in their own order.
  const audits = config.seeds.length * ((drawn.length > 0 ? config.arms.length : 0) + (needsModel ? 1 : 0));
  // Encoder, features, probe and score; a frozen encoder and its features of all photos are made once for all.
  const frozen = config.arms.filter((arm) => isFrozen(loaded, arm)).length;
  const perSeed = 1 + synthetic + 4 * config.arms.length - frozen;
  const shared = frozen > 0 ? 2 : 0;
  const found = (needsModel ? 1 : 0) + (config.encoder.weights === undefined ? 0 : 1);
  return {
    ...loaded,
    run,
    title: `Study "${config.name}": ${config.arms.length} arms, ${config.seeds.length} seeds, in ${run}`,
    stageCount: 4 + found + shared + config.seeds.length * perSeed + maps + audits,
    needsModel,
  };
}

/** Where a study lies unless it is said otherwise. */
export function runFolder(name: string): string {
  return resolve("runs", name);
}

/** Encoders that judge and are no arm of the study themselves. */
function judgeStages(config: LoadedConfig["config"]): number {
  return config.sift.folds === 1 && config.arms.includes(config.sift.judge) ? 0 : judgeCount(config);
}

/** Encoders that judge what a sift lets pass. */
export function judgeCount({ sift, split }: LoadedConfig["config"]): number {
  return sift.folds > 1 ? Math.min(sift.folds, split.shots) : 1;
}

/** How a configuration wants its photos to be found. */
export function scanOptionsOf({
  roles,
  ignore,
  layout,
  objects,
  depth,
}: LoadedConfig["config"]): ScanOptions {
  const { known, near, far } = roles;
  const isPattern = typeof objects === "string" && objects !== "auto" && objects !== "near-duplicates";
  return {
    roles: { ...(known.length > 0 && { known }), near, far },
    ignore,
    layout,
    objects: isPattern ? new RegExp(objects) : objects,
    depth,
  };
}
