import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { scanPhotos, splitByObject } from "../data/index.ts";
import { findModel } from "../diffusion/index.ts";
import { writeFileAtomic, writeJsonLines } from "../files/index.ts";
import type { Looks, Outcome } from "../results/index.ts";
import { concludeStudy } from "./conclude/index.ts";
import {
  answerShots,
  drawnSources,
  largestShots,
  type StudyConfig,
  settleImages,
  shotsOf,
} from "./config/index.ts";
import type { Estimate } from "./estimate.ts";
import { findWeights } from "./find-weights.ts";
import { type Foresight, foresee } from "./foresight.ts";
import { runJobs } from "./jobs/index.ts";
import { settleDevices, settleMachine, withThreads } from "./machine.ts";
import { noteOpening } from "./openings.ts";
import { runFolder, type Study, scanOptionsOf } from "./plan-study.ts";
import { requireCandidates } from "./require-candidates.ts";
import { settleWork } from "./settle-jobs.ts";
import { mostSteps } from "./sources/index.ts";
import {
  auditArms,
  decodeAll,
  givenWords,
  judgeRedraws,
  mapFeatures,
  prepareAll,
  type StudyContext,
  splitSeeds,
  trainArms,
} from "./stages/index.ts";

import { lockRun, type StageEvent, StageStore } from "./store/index.ts";

export interface RunOptions {
  readonly onEvent?: (event: StageEvent) => void;
  /** Told once photos and model are known, before any work; not on a GPU, of which nothing was measured. */
  readonly onEstimate?: (estimate: Estimate) => void;
  /** Told before any work: what the study can tell from chance. */
  readonly onForesight?: (foresight: Foresight) => void;
  /** Ends the study where a stage begins or tells of progress; what is done is kept. */
  readonly signal?: AbortSignal;
  /** Where the study looks at its figures more than once: which look, and the settings of all of them together. */
  readonly looks?: Looks & { readonly of: StudyConfig };
}

/**
 * Runs a study, or goes on with it: every stage that lies complete in the run folder is used as it is. Writes
 * results.jsonl and report.json into the run folder and returns what the report shows.
 *
 * What a stage throws leaves the run as it was, ready to go on.
 *
 * @throws DataError, DiffusionError, ModelError and DeviceError before anything is written
 * @throws the signal's reason when it ended the study
 * @throws RunInUseError where another study works in the run folder
 */
export async function runStudy(
  study: Study,
  { onEvent, onEstimate, onForesight, looks, signal }: RunOptions = {},
): Promise<Outcome> {
  const { config, tables, folder, run, text } = study;
  let machine = settleMachine(config);
  const root = resolve(folder, config.photos);
  const cacheFolder = join(run, "cache");
  const store = new StageStore(run, {
    machine: { ...machine },
    ...(onEvent && { onEvent }),
    ...(signal && { signal }),
  });

  const manifest = await store.observe("scan", (progress) =>
    scanPhotos(root, {
      ...scanOptionsOf(config),
      // Nothing is written for a folder that may yet be refused; a study that goes on remembers its scan.
      ...(existsSync(cacheFolder) && { cacheFolder }),
      onProgress: (done, total) => progress(done, total, "photos"),
    }),
  );
  // Refuses a folder that cannot be split, and a model that is missing or damaged, before anything is written.
  const drawn = (shots: number) =>
    config.seeds.map((seed) => splitByObject(manifest, { ...config.split, shots, seed }));
  const splits = drawn(largestShots(config));
  const [fewest = 0, ...more] = shotsOf(config);
  const smallest = more.length > 0 ? drawn(fewest) : splits;
  requireCandidates(study, Math.min(...smallest.map(({ train }) => train.length)));
  const model = study.needsModel
    ? await store.observe("model", (progress, onNote) =>
        findModel(config.model, {
          base: folder,
          vae: config.vae,
          loras: config.loras,
          imageSize: config.redraw.size,
          guidanceScale: config.redraw.guidanceScale,
          steps: mostSteps(config.redraw, drawnSources(study)),
          onNote,
          onProgress: (done, total) => progress(done, total, "MiB"),
        }),
      )
    : undefined;

  if (study.needsModel) await givenWords(config, { folder, classes: manifest.classes });
  const weights = await findWeights(study, store);
  const settled = settleImages(config, weights);
  const load = {
    ...study,
    config: settled,
    knownClasses: manifest.classes.length,
    trainPhotos: splits[0]!.train.length,
    validationPhotos: splits[0]!.validation.length,
    photos: manifest.photos.length,
    model,
    precision: machine.precision,
  };
  const devices = settleDevices(config.device);
  const { threads, jobs, estimate } = settleWork(load, { ...machine, devices });
  machine = withThreads(machine, threads);
  store.machine = { ...machine };
  if (estimate) onEstimate?.(estimate);

  onForesight?.(foresee(splits[0]!, study));

  const lock = await lockRun(run);
  try {
    const context: StudyContext = {
      config: settled,
      tables,
      store,
      folder,
      photos: manifest.photos,
      root: manifest.root,
      white: manifest.white,
      cacheFolder,
      classes: manifest.classes,
      weights,
      device: machine.device,
      precision: machine.precision,
    };
    const shared = await splitSeeds(context, manifest);
    await decodeAll(context, manifest);
    if (jobs > 1) await runJobs({ context, run, machine, splits: shared, model, jobs, devices, lock });
    const all = await prepareAll(context, shared, model);
    const allTrained = await trainArms(context, all);
    // Learning curves are of the figures; everything else is about the shots of the answer.
    const isAnswer = ({ shots }: { readonly shots: number }) => shots === answerShots(settled);
    const [seeds, trained] = [all.filter(isAnswer), allTrained.filter(isAnswer)];
    const nearness = await judgeRedraws(context, seeds, trained);
    const maps = await mapFeatures(context, seeds, trained);
    const audits = await auditArms(context, seeds, trained, model);
    const outcome = await concludeStudy(context, {
      run,
      text,
      trainCommand: trainCommandOf(study),
      machine,
      manifest,
      model,
      seeds,
      trained,
      otherSeeds: all.filter((item) => !isAnswer(item)),
      others: allTrained.filter((item) => !isAnswer(item)),
      nearness,
      maps,
      audits,
      looks: looks ? { taken: looks.taken, planned: looks.planned } : null,
      earlier: await noteOpening(run, manifest, looks?.of ?? config, looks),
    });
    await writeJsonLines(join(run, "results.jsonl"), [
      ...outcome.results,
      ...outcome.otherShots.flatMap(({ results }) => results),
    ]);
    await writeFileAtomic(join(run, "report.json"), `${JSON.stringify(outcome)}\n`);
    return outcome;
  } finally {
    await lock.release();
  }
}

/** How `penumbra train` is called after a study, to be copied into a shell. */
function trainCommandOf({ path, run, config }: Study): string {
  const isUsual = run === runFolder(config.name);
  return [
    `penumbra train ${quoted(path)}`,
    ...(isUsual ? [] : [`--run ${quoted(relative(process.cwd(), run))}`]),
  ].join(" ");
}

/** An argument as a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
