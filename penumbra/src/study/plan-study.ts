import { resolve } from "node:path";
import type { ScanOptions } from "../data/index.ts";
import { isFrozen, judgeOf, withTeachers } from "./arms/index.ts";
import { drawnSources, type LoadedConfig, shotsOf } from "./config/index.ts";
import { countBrought, isNeeded, needsJudges, sourceOf, trainingsOf } from "./sources/index.ts";
import { unlearnedSources } from "./stages/index.ts";

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
  const hasJudges = needsJudges(drawn, tables.sources);
  const isRaw = drawn.some((name) => sourceOf(name, tables.sources).sifts === undefined);
  const isJudged = isRaw && judgeOf(config.arms, tables.arms) !== undefined;
  const made =
    drawn.length +
    trainingsOf(drawn, config.sources, tables.sources).length +
    countBrought(drawn, tables.sources);
  const unlearned = unlearnedSources(loaded);
  const again = unlearned.length + trainingsOf(unlearned, config.sources, tables.sources).length;
  const synthetic = (isNeeded("words", drawn, tables.sources) ? 1 : 0) + made + again;
  const shots = shotsOf(config);
  const maps = config.arms.length; // of the first seed
  // Every arm at every seed, and the round trips of the validation photos, which all seeds share in their own order.
  const audits = config.seeds.length * ((drawn.length > 0 ? config.arms.length : 0) + (needsModel ? 1 : 0));
  // Encoder, features, probe and score; a frozen encoder and its features of all photos are made once for all.
  const frozen = config.arms.filter((arm) => isFrozen(loaded, arm)).length;
  const trained = config.arms.filter((arm) => !isFrozen(loaded, arm));
  const teachers = withTeachers(trained, tables.arms).length - trained.length; // that are no arms of the study
  const perShots = (judges: number) => synthetic + judges + 4 * config.arms.length - frozen + teachers;
  const ofShots = shots.reduce((sum, count) => sum + perShots(hasJudges ? judgesOf(config, count) : 0), 0);
  const perSeed = 1 + ofShots + (isJudged ? 1 : 0);
  const shared = frozen > 0 ? 2 : 0;
  const found = (needsModel ? 1 : 0) + (config.encoder.weights === undefined ? 0 : 1);
  return {
    ...loaded,
    run,
    title: `Study "${config.name}": ${config.arms.length} arms, ${config.seeds.length} seeds${shots.length > 1 ? `, ${shots.join(", ")} shots` : ""}, in ${run}`,
    stageCount: 3 + shots.length + found + shared + config.seeds.length * perSeed + maps + audits,
    needsModel,
  };
}

/** Where a study lies unless it is said otherwise. */
export function runFolder(name: string): string {
  return resolve("runs", name);
}

/** Encoders that judge images of a seed, also where one is an arm of the study. */
export function judgesOf({ sift }: LoadedConfig["config"], shots: number): number {
  return Math.min(sift.folds, shots);
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
