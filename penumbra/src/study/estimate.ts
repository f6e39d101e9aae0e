/**
 * How long a study takes, before it runs: its steps, counted exactly, times what a step took in the demo on a processor
 * of the same kind. Good for deciding between a coffee and a night, not for more; so it is told as a range.
 */
import { isFollowed, type RecipeName, recipeNames } from "../diffusion/index.ts";
import { generatorNamed, type PhotoSettings } from "../generators/index.ts";
import type { EncoderNetworkName } from "../models/index.ts";
import type { Machine } from "../results/index.ts";
import { type Arm, armOf, isFrozen, withTeachers } from "./arms/index.ts";
import {
  drawnSources,
  type LoadedConfig,
  largestShots,
  type SettledConfig,
  shotsOf,
} from "./config/index.ts";
import {
  isNeeded,
  needsJudges,
  type SourceTraining,
  sourceOf,
  sourceOfRecipe,
  trainingSettings,
  trainingsOf,
} from "./sources/index.ts";
import { LARGE_SIDE, UNLEARNED_PHOTOS, unlearnedSources } from "./stages/index.ts";

/** Seconds of what a study does most, on {@link MEASURED_CORES} cores. */
interface Pace {
  /** A sample of a word's training, through the denoiser forwards and backwards. */
  readonly wordSample: number;
  /** An image through the denoiser. */
  readonly denoiserEvaluation: number;
  /** An image through the encoder, forwards and backwards. */
  readonly encoderImage: number;
  /** A photo through the encoder, forwards alone. */
  readonly encodedPhoto: number;
  /** The least share of this time that a better processor of the kind is expected to take. */
  readonly least: number;
}

/**
 * By the precision that a study computes in, from the stages of `npm run demo` on a quiet machine: 960 samples of words,
 * 5,760 evaluations of penumbra-mini's denoiser, 11,520 images through ResNet-10 of width 32 at 64 pixels forwards and
 * backwards, 2,048 photos through it forwards alone. fp32: 14, 32, 20 and 1.5 s on an AMD EPYC with AVX2. bf16: 5.2, 11.2
 * and 5.5 s on one with AVX512-BF16 (docs/jobs.md); features are taken in fp32 there too. Processors with AVX-512 and
 * without bf16 compute in fp32 and are faster than the measured one: below its pace there is more room.
 */
const PACES: Readonly<Record<"fp32" | "bf16", Pace>> = {
  fp32: {
    ...{ wordSample: 0.0146, denoiserEvaluation: 0.0056, encoderImage: 0.0018, encodedPhoto: 0.0008 },
    least: 1 / 2,
  },
  bf16: {
    ...{ wordSample: 0.0054, denoiserEvaluation: 0.0019, encoderImage: 0.00048, encodedPhoto: 0.0008 },
    least: 3 / 4,
  },
};
const MEASURED_CORES = 2;
/** A layout of some 900 images by UMAP, as many as a map shows, on one core, as it always is. */
const UMAP_SECONDS = 5;
/** Of the networks that were measured: weights of penumbra-mini's denoiser times the area of its latents. */
const MINI_DENOISER = 7.08e6 * 64 ** 2;
/** What the imagenet stem saves, as the setting's description says. */
const CIFAR_STEM = 12;
/** Multiply-adds of one image of 224 pixels in the published width, in thousands of millions, as timm's tables have them. */
const MULTIPLY_ADDS: Readonly<Record<EncoderNetworkName, number>> = {
  ...{ resnet10: 0.89, resnet18: 1.82, resnet34: 3.67, resnet50: 4.11, resnet101: 7.83 },
  ...{ "vit-small": 4.61, "vit-base": 17.6, "vit-large": 61.6, "efficientnet-lite0": 0.4 },
};
/** Cores beyond this speed up small networks no more. */
const MOST_CORES = 8;
/** A busy or older machine takes this much longer: with other work beside it the demo was seen to take twice its time. */
const MOST = 3;

/** What the photos, the model and the machine add to the settings. */
export interface Workload {
  readonly config: SettledConfig;
  readonly tables: LoadedConfig["tables"];
  readonly knownClasses: number;
  /** Photos to learn from and to choose by at each seed with the most shots, and all photos. */
  readonly trainPhotos: number;
  readonly validationPhotos: number;
  readonly photos: number;
  /** Of the diffusion model; undefined where none is needed. */
  readonly model?: { readonly imageSize: number; readonly denoiserParameters: number } | undefined;
  /** That it computes in. A precision set against the processor is reckoned as if it suited it. */
  readonly precision: Machine["precision"];
  /** Of every stage, and how many stages are made side by side. */
  readonly threads: number;
  readonly jobs: number;
}

/** Parts of a study that are told apart, in the order in which they come. */
export const ESTIMATED = ["words", "generators", "redraws", "sift", "encoders", "audits", "rest"] as const;

/** Seconds by part of the study, at the demo's pace on as many cores. */
export interface Estimate extends Readonly<Record<(typeof ESTIMATED)[number], number>> {
  readonly low: number;
  readonly high: number;
  readonly threads: number;
  readonly jobs: number;
  /** Whose pace it is. */
  readonly precision: keyof typeof PACES;
}

/** Estimates a study on the processor that begins with nothing done; undefined where it is to run on a GPU. */
export function estimateStudy(load: Workload): Estimate | undefined {
  const { config, photos, threads, jobs } = load;
  const precision = load.precision === "bf16" ? "bf16" : "fp32";
  const pace = PACES[precision];
  if ([config.device].flat().some((device) => device.startsWith("cuda"))) return undefined;
  const speed = Math.min(threads, MOST_CORES) / MEASURED_CORES;
  const seeds = config.seeds.length;
  const arms = config.arms.length;
  const shots = shotsOf(config);
  /** What is prepared for a seed is made one after the other; arms are not. */
  const drawing = speed * Math.min(jobs, seeds * shots.length);
  const training = speed * Math.min(jobs, seeds * shots.length * arms);
  const scale = encoderScale(config);
  // A seed with fewer shots draws of fewer photos.
  const part = shots.reduce((sum, count) => sum + count / largestShots(config), 0);
  const sift = siftWork(load);
  const evaluation = pace.denoiserEvaluation * denoiserScale(load);
  const encoded = pace.encodedPhoto * scale;
  const generators = generatorTime(load);
  const parts = {
    words: (seeds * shots.length * wordSamples(load) * pace.wordSample * denoiserScale(load)) / drawing,
    generators:
      (seeds * shots.length * (generators.exact * speed + generators.seconds / MEASURED_CORES)) / drawing,
    redraws: (seeds * part * denoiserEvaluations(load) * evaluation) / drawing,
    sift:
      (seeds *
        (sift.evaluations * evaluation + sift.images * encoded + sift.trained * pace.encoderImage * scale)) /
      drawing,
    encoders: (seeds * shots.length * encoderImages(load) * pace.encoderImage * scale) / training,
    audits:
      (auditedImages(load) * encoded) / training +
      (seeds * shots.length * unlearnedEvaluations(load) * evaluation) / drawing,
    rest:
      (encodings(load) * photos * encoded) / training +
      (config.maps.includes("umap") ? (UMAP_SECONDS * arms) / Math.min(jobs, arms) : 0),
  };
  // Minutes that a training is given are no matter of the machine.
  const exact = (seeds * shots.length * generators.exact * speed) / drawing;
  const total = ESTIMATED.reduce((sum, name) => sum + parts[name], 0) - exact;
  return { ...parts, low: exact + pace.least * total, high: exact + MOST * total, threads, jobs, precision };
}

/** Seconds in the middle of the range. */
export function expectedSeconds(estimate: Estimate): number {
  return ESTIMATED.reduce((sum, name) => sum + estimate[name], 0);
}

/** Images of this many times the demo's work, and diffusion models of large images, keep every core and much memory busy. */
const HEAVY_ENCODER = 16;

/** Whether one stage of a study is enough for a whole machine. */
export function isHeavy(
  config: SettledConfig,
  model: { readonly imageSize: number } | undefined | null,
): boolean {
  return (model?.imageSize ?? 0) >= LARGE_SIDE || encoderScale(config) >= HEAVY_ENCODER;
}

/** Seconds that a seed's trainings of generators take: those that minutes are given to, and others on one core. */
function generatorTime({ config, tables }: Workload): { readonly exact: number; readonly seconds: number } {
  const all = trainingsOf(drawnSources({ config, tables }), config.sources, tables.sources);
  const own = new Map(all.map((training): [string, SourceTraining] => [JSON.stringify(training), training]));
  const time = { exact: 0, seconds: 0 };
  for (const { generator, settings: given } of own.values()) {
    const study = { config, device: "cpu", precision: "auto" } as const;
    const settings = trainingSettings(generator, given, study, 0) as PhotoSettings;
    if (settings.minutes !== undefined) time.exact += 60 * settings.minutes;
    else time.seconds += settings.steps * (generatorNamed(generator).stepSeconds?.(settings) ?? 0);
  }
  return time;
}

/** Samples through the denoiser, forwards and backwards, for the words of a seed. */
function wordSamples({ config, tables, knownClasses }: Workload): number {
  if (!isNeeded("words", drawnSources({ config, tables }), tables.sources) || config.words.from !== undefined)
    return 0;
  return config.words.steps * config.words.batchSize * knownClasses;
}

/** What a step costs that a judge leads, beside one that it does not (penumbra-mini under guidance, ResNet-10 as judge). */
const LED = 2.6;

/** Calls of the denoiser for one image each, for the redraws of a seed that are taken as they come. */
function denoiserEvaluations(load: Workload): number {
  return load.trainPhotos * evaluationsOf(drawnSources(load), load);
}

/** The same for the redraws of some validation photos that nothing learns from. */
function unlearnedEvaluations(load: Workload): number {
  return Math.min(UNLEARNED_PHOTOS, load.validationPhotos) * evaluationsOf(unlearnedSources(load), load);
}

/** Calls of the denoiser for all redraws of one photo by these sources. */
function evaluationsOf(sources: readonly string[], { config, knownClasses }: Workload): number {
  const { steps, recipes } = config.redraw;
  return followed(config, sources, knownClasses).reduce((sum, name) => {
    const { strengths, variants, stacking } = recipes[name];
    const all = strengths.reduce((calls, strength) => calls + Math.floor(steps * strength), 0);
    const calls = stacking === "sequence" ? all : all / strengths.length;
    return sum + variants * calls * guided(config, name);
  }, 0);
}

/** The recipes of redraws among these sources. */
function followed(config: SettledConfig, sources: readonly string[], knownClasses: number): RecipeName[] {
  const isDrawn = (name: RecipeName) =>
    sources.includes(sourceOfRecipe(name)) && isFollowed(name, config.redraw.recipes, knownClasses);
  return recipeNames.filter(isDrawn);
}

/** Guidance needs two evaluations a step, and a judge costs more. */
function guided({ redraw }: SettledConfig, recipe: RecipeName): number {
  return (redraw.guidanceScale > 1 ? 2 : 1) * (sourceOfRecipe(recipe) === "boundary" ? LED : 1);
}

/** What a sift's strengths are on average: they are searched between the least and 1. */
const SIFTED_STRENGTH = 0.6;

/** What a seed's sifts do, over all numbers of shots. */
function siftWork({ config, tables, trainPhotos, knownClasses }: Workload) {
  const drawn = drawnSources({ config, tables });
  const sifted = drawn.flatMap((name) => sourceOf(name, tables.sources).sifts ?? []);
  if (!needsJudges(drawn, tables.sources)) return { evaluations: 0, images: 0, trained: 0 };
  const { steps, batchSize, views } = config.encoder;
  const { attempts, rounds, probes, folds, judge } = config.sift;
  const shots = shotsOf(config);
  const part = shots.reduce((sum, count) => sum + count / largestShots(config), 0);
  const imagesOf = (variants: number) =>
    part * trainPhotos * variants * ((1 + attempts) / 2) + shots.length * rounds * probes * knownClasses;
  const redrawn = followed(config, sifted, knownClasses).map((name) => ({
    name,
    count: imagesOf(config.redraw.recipes[name].variants),
  }));
  const others = sifted.filter((name) => sourceOf(name, tables.sources).needs === "photos");
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  const calls = Math.floor(config.redraw.steps * SIFTED_STRENGTH);
  const isTrained = !isFrozen({ config, tables }, judge);
  const judges = shots.reduce(
    (sum, count) => sum + (folds > 1 ? Math.min(folds, count) : config.arms.includes(judge) ? 0 : 1),
    0,
  );
  return {
    evaluations: sum(redrawn.map(({ name, count }) => count * calls * guided(config, name))),
    images: sum(redrawn.map(({ count }) => count)) + others.length * imagesOf(1),
    trained: isTrained ? judges * steps * batchSize * views : 0,
  };
}

/** Images of each source that an audit and a map look at. */
const AUDITED = 256;
const MAPPED = 150;

/** Images that the arms' features are taken of only to say what they see. */
function auditedImages({ config, tables, model }: Workload): number {
  const drawn = drawnSources({ config, tables });
  const raw = drawn.filter((name) => sourceOf(name, tables.sources).sifts === undefined).length;
  const perSeed = config.arms.length * AUDITED * (raw + (model ? 1 : 0));
  return config.seeds.length * perSeed + config.arms.length * MAPPED * drawn.length;
}

/** Of forwards and backwards, what forwards alone costs. */
const FORWARD_SHARE = 1 / 3;

/**
 * Images forwards and backwards through the encoders of a seed, with what looks at training and validation photos and a
 * teacher's answers cost beside the steps.
 */
function encoderImages({ config, tables, trainPhotos, validationPhotos }: Workload): number {
  const { steps, batchSize, views, negatives, evaluation } = config.encoder;
  const looks = evaluation.every > 0 ? Math.ceil(steps / evaluation.every) : 0;
  // The features of all photos, and the loss of as many batches of each part as hold the validation photos.
  const batches = 2 * Math.ceil(validationPhotos / batchSize) * batchSize * views;
  const looked = looks * FORWARD_SHARE * (trainPhotos + validationPhotos + batches);
  return withTeachers(trainedArms({ config, tables }), tables.arms).reduce((sum, name) => {
    const arm = armOf(name, tables.arms);
    const answered = arm.changes?.teacher === undefined ? 0 : FORWARD_SHARE * batchSize * views;
    return sum + looked + steps * (batchSize * views + negativesOf(arm, negatives) + answered);
  }, 0);
}

/** Arms whose encoder is trained; the features of the others are those of the weights, made once for all seeds. */
function trainedArms(load: Pick<Workload, "config" | "tables">): string[] {
  return load.config.arms.filter((arm) => !isFrozen(load, arm));
}

/** How often every photo goes through an encoder for its features. */
function encodings({ config, tables }: Workload): number {
  const trained = trainedArms({ config, tables }).length;
  return config.seeds.length * shotsOf(config).length * trained + (trained < config.arms.length ? 1 : 0);
}

function negativesOf({ negatives, changes }: Arm, perStep: number): number {
  return negatives === null ? 0 : (changes?.negativesPerStep ?? perStep);
}

/** The cost of one sample beside penumbra-mini's: weights times area. */
function denoiserScale({ model }: Workload): number {
  return model ? (model.denoiserParameters * model.imageSize ** 2) / MINI_DENOISER : 0;
}

/** The cost of one image beside the demo's encoder: multiply-adds, which grow with area and a ResNet's width squared. */
function encoderScale({ encoder, imageSize }: SettledConfig): number {
  const { network, stem, width } = encoder;
  const area = (imageSize / 224) ** 2;
  const ofResnet = network.startsWith("resnet") ? (width / 64) ** 2 * (stem === "cifar" ? CIFAR_STEM : 1) : 1;
  const demo = MULTIPLY_ADDS.resnet10 * (32 / 64) ** 2 * (64 / 224) ** 2;
  return (MULTIPLY_ADDS[network] * area * ofResnet) / demo;
}

/** The estimate as one line for people; `lasting` writes seconds. */
export function describeEstimate(estimate: Estimate, lasting: (seconds: number) => string): string {
  const { low, high, threads, jobs, precision } = estimate;
  const total = expectedSeconds(estimate);
  const shares = ESTIMATED.filter((name) => estimate[name] > 0).map(
    (name) => `${name} ${Math.round((100 * estimate[name]) / total)} %`,
  );
  const cores = threads * jobs;
  const side = jobs > 1 ? `, ${jobs} stages side by side` : "";
  return `Time: ${lasting(low)} to ${lasting(high)} on ${cores === 1 ? "1 core" : `${cores} cores`}${side} without a GPU, by the demo's pace in ${precision} (${shares.join(", ")})`;
}
