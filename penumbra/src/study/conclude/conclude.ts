import { join } from "node:path";
import { NEGATIVE_USES } from "../../contrast/index.ts";
import { type Manifest, type Photo, ROLES, type Role, warningsOf } from "../../data/index.ts";
import type { FoundModel } from "../../diffusion/index.ts";
import { readJson } from "../../files/index.ts";
import {
  type ArmLevel,
  type Curve,
  chooseDetector,
  compareArms,
  confusionsOf,
  contrastJudge,
  histogramsOf,
  type Looks,
  levelsOf,
  type Machine,
  OUTCOME_FORMAT,
  type Outcome,
  operatingPointsOf,
  type PhotoSummary,
  questionsOf,
  resultLines,
  type ScoreFile,
  type ShotsOutcome,
  StudyScores,
  type Titled,
  type TrainingSummary,
  testHypotheses,
  validationAccuraciesOf,
  worstMistakes,
} from "../../results/index.ts";
import { ROLES_OF_IMAGES } from "../../sift/index.ts";
import { detectorOf } from "../../unknowns/index.ts";
import { armOf, designOf, designsOf, isFrozen, shownArm } from "../arms/index.ts";
import { answerShots, drawnSources, shotsOf } from "../config/index.ts";
import { recipesIn, sourceOf } from "../sources/index.ts";
import {
  lossCurve,
  nearnessOf,
  probeTrialsOf,
  readAudit,
  readEncoder,
  readFeatureMaps,
  type SeedData,
  type StudyContext,
  scoresFile,
  seenRecipes,
  splitNames,
  type TrainedArm,
  wordsCurveOf,
} from "../stages/index.ts";
import type { Artifact } from "../store/index.ts";
import { rateCurvesOf } from "./rates.ts";
import { chooseSheet, drawnIn, shownImage, writeAugmentation, writePhotos } from "./sheet.ts";
import { siftResults } from "./sifted.ts";
import { sourceFiguresOf } from "./source-figures.ts";

/** A finished study: its artifacts, and what they were made on. */
export interface Finished {
  /** The run folder. */
  readonly run: string;
  /** The configuration as written. */
  readonly text: string;
  /** What makes a classifier of it. */
  readonly trainCommand: string;
  readonly machine: Machine;
  readonly manifest: Manifest;
  readonly model: FoundModel | undefined;
  readonly seeds: readonly SeedData[];
  /** With the other numbers of shots. */
  readonly otherSeeds: readonly SeedData[];
  readonly trained: readonly TrainedArm[];
  /** The arms with the other numbers of shots. */
  readonly others: readonly TrainedArm[];
  readonly nearness: readonly Artifact[];
  /** Maps of the features of every arm at the first seed. */
  readonly maps: readonly Artifact[];
  readonly audits: readonly Artifact[];
  readonly looks: Looks | null;
  /** What looked at the same photos' test before, with other settings. */
  readonly earlier: { readonly studies: number; readonly looks: number };
}

/** Everything that the report shows, from the artifacts of a study; writes the photos that it shows beside it. */
export async function concludeStudy(context: StudyContext, finished: Finished): Promise<Outcome> {
  const { config, tables, store } = context;
  const {
    machine,
    manifest,
    model,
    seeds,
    trained,
    others,
    nearness,
    maps,
    audits,
    text,
    trainCommand,
    looks,
    earlier,
  } = finished;
  const scores = await readScores(manifest, trained);
  const shots = answerShots(config);
  const seen = new Map(config.arms.map((arm) => [arm, seenRecipes(arm, tables)]));
  const isSeen = (arm: string, recipe: string) => seen.get(arm)!.has(recipe);
  const results = resultLines(scores, shots, isSeen);
  const titles = titlesOf(context);
  const { detector, reason } = chooseDetector(results, titles.detectors);
  const designs = designsOf(config.arms, tables.arms);
  const questions = questionsOf(designs);
  const { margin, confidence } = config.statistics;
  const isCurve = others.length > 0;
  const compare = (of: StudyScores, shots: number) => {
    const byPhoto = contrastJudge(of, "photo", detector, config.statistics);
    const units = of.units().map((unit) => ({
      unit,
      judge: unit === "photo" ? byPhoto : contrastJudge(of, unit, detector, config.statistics),
    }));
    return {
      comparisons: units.flatMap((by) => compareArms({ questions, margin, ...by })),
      hypotheses: testHypotheses({ arms: designs, questions, confidence, margin, judge: byPhoto }),
      levels: isCurve ? units.flatMap((by) => levelsOf({ arms: config.arms, shots, ...by })) : [],
    };
  };
  const compared = await store.observe("compare", async () => compare(scores, shots));
  const otherShots: (ShotsOutcome & { readonly levels: readonly ArmLevel[] })[] = [];
  for (const number of shotsOf(config).filter((other) => other !== shots)) {
    const own = await readScores(
      manifest,
      others.filter((arm) => arm.shots === number),
    );
    const found = await store.observe("compare", async () => compare(own, number), `${number} shots`);
    const yields = await siftResults(
      context,
      finished.otherSeeds.filter((seed) => seed.shots === number),
      siftedSources(context),
      finished.run,
    );
    const sifted = yields.map(({ source, recipes }) => ({ source, recipes }));
    otherShots.push({ shots: number, results: resultLines(own, number, isSeen), sifted, ...found });
  }
  const operatingPoints = await store.observe("operating points", async () =>
    operatingPointsOf(scores, { detector, ...config.statistics }),
  );
  const judged = await nearnessOf(
    nearness,
    recipesIn(tables.sources).map(({ name }) => name),
  );
  return {
    format: OUTCOME_FORMAT,
    name: config.name,
    language: config.language,
    createdAt: new Date().toISOString(),
    ...titles,
    seeds: config.seeds,
    detector,
    detectorReason: reason,
    unit: "photo",
    ...{
      confidence,
      margin,
      looks,
      questions,
      earlierOpenings: earlier.studies,
      earlierLooks: earlier.looks,
    },
    comparisons: compared.comparisons,
    hypotheses: compared.hypotheses,
    results,
    validationAccuracies: validationAccuraciesOf(scores),
    probes: trained.map(({ arm, seed, probe }) => ({ arm, seed, ...probeTrialsOf(probe) })),
    otherShots: otherShots.map(({ levels: _, ...other }) => other),
    levels: [...otherShots.flatMap(({ levels }) => levels), ...compared.levels].sort(
      (a, b) => a.shots - b.shots,
    ),
    curves: trained.filter(({ arm }) => !isFrozen(context, arm)).map((item) => curveOf(context, item)),
    wordsCurves: (
      await Promise.all(seeds.map(({ seed, words }) => words && wordsCurveOf(words, seed)))
    ).filter((curve) => curve !== null),
    sifted: await siftResults(context, seeds, siftedSources(context), finished.run),
    imageRoles: titled(ROLES_OF_IMAGES),
    nearness: judged.recipes,
    sourceFigures: sourceFiguresOf(context, seeds, judged.sources),
    histograms: histogramsOf(scores, detector),
    confusions: confusionsOf(scores, config.arms),
    operatingPoints,
    rateCurves: rateCurvesOf(scores, detector),
    audits: await Promise.all(audits.map(readAudit)),
    featureMaps: (await Promise.all(maps.map(readFeatureMaps))).flat(),
    ...(await picturesOf(context, finished, scores, detector)),
    photos: summarise(manifest, firstOf(seeds)),
    training: trainingOf(config),
    model: model ? { name: model.name, hash: model.hash } : null,
    machine,
    stages: store.records,
    peakMemoryBytes: store.peakMemory,
    trainCommand,
    configuration: text,
  };
}

function trainingOf(config: StudyContext["config"]): TrainingSummary {
  const { encoder, split, imageSize } = config;
  const { network, weights, train, steps, batchSize } = encoder;
  const { validation } = split;
  return {
    imageSize,
    network,
    isPretrained: weights !== undefined,
    trained: train,
    steps,
    batchSize,
    shots: answerShots(config),
    validation,
  };
}

async function readScores(manifest: Manifest, trained: readonly TrainedArm[]): Promise<StudyScores> {
  const files = await Promise.all(
    trained.map(async ({ arm, seed, score }) => ({
      arm,
      seed,
      file: await readJson<ScoreFile>(join(score.folder, scoresFile)),
    })),
  );
  return new StudyScores(manifest.classes, files);
}

/** What people call everything that the outcome names. */
function titlesOf({
  config,
  tables,
}: StudyContext): Pick<Outcome, "arms" | "sources" | "objectives" | "uses" | "detectors" | "recipes"> {
  return {
    arms: config.arms.map((name) => {
      const { title, description } = armOf(name, tables.arms);
      return { title, description, ...designOf(name, tables.arms) };
    }),
    sources: titled(tables.sources),
    objectives: titled(tables.objectives),
    uses: titled(NEGATIVE_USES),
    detectors: config.detectors.map((name) => ({ name, title: detectorOf(name, tables.detectors).title })),
    recipes: recipesIn(tables.sources),
  };
}

/** The sources of this study whose images were sifted. */
function siftedSources(context: StudyContext): string[] {
  const { tables } = context;
  return drawnSources(context).filter((name) => sourceOf(name, tables.sources).sifts !== undefined);
}

function titled(table: Readonly<Record<string, { readonly title: string }>>): Titled[] {
  return Object.entries(table).map(([name, { title }]) => ({ name, title }));
}

function curveOf(context: StudyContext, { arm, seed, encoder: artifact }: TrainedArm): Curve {
  const encoder = readEncoder(context, artifact);
  const { collapse, evaluations, keptStep } = encoder;
  return {
    arm,
    seed,
    points: lossCurve(encoder),
    evaluations,
    keptStep,
    collapse: collapse && { plateau: collapse.plateau, message: collapse.message },
  };
}

/** What the report shows as pictures: photos with their redraws, and the worst mistakes of one arm. */
async function picturesOf(
  context: StudyContext,
  { run, manifest, seeds }: Finished,
  scores: StudyScores,
  detector: string,
): Promise<Pick<Outcome, "sheet" | "augmentation" | "mistakesArm" | "mistakes">> {
  const { split, images: drawn } = firstOf(seeds);
  const recipes = recipesIn(context.tables.sources).map(({ name }) => name);
  const sheet = chooseSheet(split.train, await drawnIn(context, Object.values(drawn)), { recipes });
  const mistakesArm = shownArm(context.config.arms, context.tables.arms);
  const mistakes = worstMistakes(scores, mistakesArm, detector, 8);
  const photos = new Map(manifest.photos.map((photo) => [photo.id, photo]));
  const shown = [...sheet.map(({ photo }) => photo), ...mistakes.map(({ id }) => entry(photos, id))];
  const images = await writePhotos(context, run, shown);
  const trains = context.config.arms.some((arm) => !isFrozen(context, arm));
  return {
    augmentation: trains ? await writeAugmentation(context, run, split.train) : null,
    sheet: await Promise.all(
      sheet.map(async (row) => ({
        ...row,
        photo: entry(images, row.photo.id),
        redraws: await Promise.all(
          row.redraws.map(async (item) => ({ ...item, image: await shownImage(context, run, item.image) })),
        ),
      })),
    ),
    mistakesArm,
    mistakes: mistakes.map((mistake) => ({ ...mistake, image: entry(images, mistake.id) })),
  };
}

function firstOf(seeds: readonly SeedData[]): SeedData {
  const [first] = seeds;
  if (!first) throw new RangeError("A study has at least one seed.");
  return first;
}

function entry<T>(entries: ReadonlyMap<string, T>, id: string): T {
  const value = entries.get(id);
  if (value === undefined) throw new RangeError(`There is no photo ${id} in this study.`);
  return value;
}

function summarise(manifest: Manifest, { split }: SeedData): PhotoSummary {
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
    parts: Object.fromEntries(splitNames.map((name) => [PART_TITLES[name], split[name].length])),
    problems: problems.filter(({ isLeftOut }) => isLeftOut).map(({ message }) => message),
    warnings: warningsOf(manifest),
  };
}

const PART_TITLES: Readonly<Record<(typeof splitNames)[number], string>> = {
  train: "to learn from",
  validation: "for choices",
  test: "for results",
  nearValidation: "near unknowns for choices",
  nearTest: "near unknowns for results",
  farTest: "far unknowns for results",
};
