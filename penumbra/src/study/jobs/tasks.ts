import type { FoundModel } from "../../diffusion/index.ts";
import { judgeOf } from "../arms/index.ts";
import { answerShots } from "../config/index.ts";
import {
  armTrainer,
  auditArms,
  judgeRedraws,
  loaderOf,
  mapFeatures,
  prepareSeed,
  type SeedData,
  type SeedSplit,
  type StudyContext,
} from "../stages/index.ts";

/** Stages that follow from each other, and from nothing that another task makes but what it waits for. */
export interface StudyTask {
  readonly seed: number;
  readonly shots: number;
  /** Trained, scored and looked at when what the seed learns from is there; null: that itself. */
  readonly arm: string | null;
}

/** All tasks of a study, in the order in which a single process makes their stages. */
export function studyTasks(
  { config }: Pick<StudyContext, "config">,
  splits: readonly Pick<SeedSplit, "seed" | "shots">[],
): StudyTask[] {
  const own = splits.map(({ seed, shots }) => ({ seed, shots }));
  return [
    ...own.map((of) => ({ ...of, arm: null })),
    ...own.flatMap((of) => config.arms.map((arm) => ({ ...of, arm }))),
  ];
}

/** Whether a task learns from what another one prepares. */
export function follows(task: StudyTask, other: StudyTask): boolean {
  return task.arm !== null && other.arm === null && task.seed === other.seed && task.shots === other.shots;
}

/** Runs tasks: each the stages that the study itself would run, and no others. */
export function taskRunner(
  context: StudyContext,
  splits: readonly SeedSplit[],
  model: FoundModel | undefined,
): (task: StudyTask) => Promise<void> {
  const { config, tables } = context;
  const loader = loaderOf(context, model);
  const train = armTrainer(context, splits);
  const prepared = new Map<SeedSplit, Promise<SeedData>>();
  const judge = judgeOf(config.arms, tables.arms);
  return async ({ seed, shots, arm }) => {
    const split = splits.find((own) => own.seed === seed && own.shots === shots);
    if (!split) throw new RangeError(`There is no seed ${seed} with ${shots} shots in this study.`);
    const data = prepared.get(split) ?? prepareSeed(context, split, loader);
    prepared.set(split, data);
    const own = await data;
    if (arm === null) return;
    loader?.release(); // for the next seed it is loaded again
    const trained = await train(own, arm);
    if (shots !== answerShots(config)) return;
    if (arm === judge) await judgeRedraws(context, [own], [trained]);
    if (seed === config.seeds[0]) await mapFeatures(context, [own], [trained]);
    await auditArms(context, [own], [trained], model);
  };
}
