import { join } from "node:path";
import { checkHealth, type Manifest, type Photo, ROLES, type Role } from "../../data/index.ts";
import type { ModelFolder } from "../../diffusion/index.ts";
import { readJson } from "../../files/index.ts";
import {
  chooseDetector,
  comparisonsOf,
  confusionsOf,
  histogramsOf,
  type Machine,
  type Outcome,
  type PhotoSummary,
  resultLines,
  type ScoreFile,
  StudyScores,
  worstMistakes,
} from "../../results/index.ts";
import { arms } from "../arms/index.ts";
import {
  lossCurve,
  nearnessOf,
  readEncoder,
  type SeedData,
  type StudyContext,
  scoresFile,
  splitNames,
  type TrainedArm,
} from "../stages/index.ts";
import type { Artifact } from "../store/index.ts";
import { chooseSheet, drawnIn, writePhotos } from "./sheet.ts";

export interface Finished {
  /** The run folder. */
  readonly run: string;
  /** The configuration as written. */
  readonly text: string;
  readonly machine: Machine;
  readonly manifest: Manifest;
  readonly model: ModelFolder | undefined;
  readonly seeds: readonly SeedData[];
  readonly trained: readonly TrainedArm[];
  readonly nearness: readonly Artifact[];
}

/** Everything that the report shows, from the artifacts of a study; writes the photos that it shows beside it. */
export async function concludeStudy(
  context: StudyContext,
  { run, text, machine, manifest, model, seeds, trained, nearness }: Finished,
): Promise<Outcome> {
  const { config, store } = context;
  const files = await Promise.all(
    trained.map(async ({ arm, seed, score }) => ({
      arm,
      seed,
      file: await readJson<ScoreFile>(join(score.folder, scoresFile)),
    })),
  );
  const scores = new StudyScores(manifest.classes, files);
  const results = resultLines(scores);
  const { detector, reason } = chooseDetector(results, config.detectors);
  const shownArm = config.arms.includes("supcon+both") ? "supcon+both" : (config.arms.at(-1) ?? "supcon");
  const comparisons = await store.observe("compare", async () =>
    comparisonsOf(scores, detector, config.statistics),
  );

  const first = seeds[0];
  const sheet = first
    ? chooseSheet(first.split.train, await drawnIn(first.faithful), await drawnIn(first.nearOod), {
        run,
      })
    : [];
  const mistakes = worstMistakes(scores, shownArm, detector, 8);
  const byId = new Map(manifest.photos.map((photo) => [photo.id, photo]));
  const shown = [...sheet.map(({ photo }) => photo), ...mistakes.flatMap(({ id }) => byId.get(id) ?? [])];
  const images = await writePhotos(context, run, shown);
  const imageOf = (id: string) => images.get(id) ?? "";

  return {
    format: 1,
    name: config.name,
    createdAt: new Date().toISOString(),
    arms: config.arms.map((name) => ({ name, title: arms[name].title })),
    seeds: config.seeds,
    detector,
    detectorReason: reason,
    unit: "photo",
    confidence: config.statistics.confidence,
    margin: config.statistics.margin,
    comparisons,
    results,
    curves: trained.map(({ arm, seed, encoder: artifact }) => {
      const encoder = readEncoder(context, artifact);
      const { collapse } = encoder;
      return {
        arm,
        seed,
        points: lossCurve(encoder),
        collapse: collapse && { plateau: collapse.plateau, message: collapse.message },
      };
    }),
    sheet: sheet.map((row) => ({ ...row, photo: imageOf(row.photo.id) })),
    nearness: await nearnessOf(nearness),
    histograms: histogramsOf(scores, detector),
    confusions: confusionsOf(scores, config.arms),
    mistakesArm: shownArm,
    mistakes: mistakes.map((mistake) => ({ ...mistake, image: imageOf(mistake.id) })),
    photos: summarise(manifest, first),
    model: model ? { name: model.name, hash: model.hash } : null,
    machine,
    stages: store.records,
    peakMemoryBytes: store.peakMemory,
    configuration: text,
  };
}

function summarise(manifest: Manifest, first: SeedData | undefined): PhotoSummary {
  const { root, photos, problems } = manifest;
  const count = (list: readonly Photo[]) => ({
    classes: new Set(list.map(({ className }) => className)).size,
    objects: new Set(list.map(({ object }) => object)).size,
    photos: list.length,
  });
  const byRole = Object.fromEntries(
    ROLES.map((role) => [role, count(photos.filter((photo) => photo.role === role))]),
  ) as Record<Role, ReturnType<typeof count>>;
  return {
    root,
    ...byRole,
    parts: Object.fromEntries(splitNames.map((name) => [partTitles[name], first?.split[name].length ?? 0])),
    problems: problems.filter(({ isLeftOut }) => isLeftOut).map(({ message }) => message),
    warnings: checkHealth(manifest).warnings,
  };
}

const partTitles: Readonly<Record<(typeof splitNames)[number], string>> = {
  train: "to learn from",
  validation: "for choices",
  test: "for results",
  nearValidation: "near unknowns for choices",
  nearTest: "near unknowns for results",
  farTest: "far unknowns for results",
};
