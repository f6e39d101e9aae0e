/**
 * How long a study takes, before it runs: its steps, counted exactly, times what a step took in the demo. Good for
 * deciding between a coffee and a night, not for more; so it is told as a range.
 */
import { availableParallelism } from "node:os";
import { isFollowed, RECIPES, type RecipeName, recipeNames } from "../diffusion/index.ts";
import type { EncoderNetworkName } from "../models/index.ts";
import { type Arm, armOf, isFrozen, withTeachers } from "./arms/index.ts";
import { drawnSources, type LoadedConfig, type SettledConfig } from "./config/index.ts";
import { isNeeded } from "./sources/index.ts";

/**
 * Seconds on 2 cores (AMD EPYC with AVX2, fp32), from the stages of `npm run demo`: 960 samples of words in 14 s, 5,760
 * evaluations of penumbra-mini's denoiser in 32 s, 11,520 images through ResNet-10 of width 32 at 64 pixels forwards
 * and backwards in 20 s, 2,048 photos through it forwards alone in 1.5 s.
 */
const DEMO = {
  wordSample: 0.0146,
  denoiserEvaluation: 0.0056,
  encoderImage: 0.0018,
  encodedPhoto: 0.0008,
  cores: 2,
};
/** Of the networks that were measured: weights of penumbra-mini's denoiser times the area of its latents. */
const MINI_DENOISER = 7.08e6 * 64 ** 2;
/** What the imagenet stem saves, as the setting's description says. */
const CIFAR_STEM = 12;
/** Multiply-adds of one image of 224 pixels in the published width, in thousands of millions, as timm's tables have them. */
const MULTIPLY_ADDS: Readonly<Record<EncoderNetworkName, number>> = {
  ...{ resnet10: 0.89, resnet18: 1.82, resnet34: 3.67, resnet50: 4.11 },
  ...{ "vit-small": 4.61, "vit-base": 17.6, "efficientnet-lite0": 0.4 },
};
/** Cores beyond this speed up small networks no more. */
const MOST_CORES = 8;
/** A busy or older machine takes this much longer, a better one this much less. */
const RANGE = { low: 1 / 2, high: 3 } as const;

/** What the photos and the model add to the settings. */
export interface Workload {
  readonly config: SettledConfig;
  readonly tables: LoadedConfig["tables"];
  readonly knownClasses: number;
  /** Photos to learn from at each seed, and all photos. */
  readonly trainPhotos: number;
  readonly photos: number;
  /** Of the diffusion model; undefined where none is needed. */
  readonly model?: { readonly imageSize: number; readonly denoiserParameters: number } | undefined;
  readonly cores?: number;
}

/** Seconds by part of the study, at the demo's speed on as many cores. */
export interface Estimate {
  readonly words: number;
  readonly redraws: number;
  readonly encoders: number;
  readonly rest: number;
  readonly low: number;
  readonly high: number;
  readonly cores: number;
}

/** Estimates a study on the processor that begins with nothing done; undefined where it is to run on a GPU. */
export function estimateStudy(load: Workload): Estimate | undefined {
  const { config, photos, cores = availableParallelism() } = load;
  if (config.device.startsWith("cuda")) return undefined;
  const threads = config.threads === 0 ? cores : config.threads;
  const speed = Math.min(threads, MOST_CORES) / DEMO.cores;
  const seeds = config.seeds.length;
  const encoder = encoderScale(config);
  const parts = {
    words: (seeds * wordSamples(load) * DEMO.wordSample * denoiserScale(load)) / speed,
    redraws: (seeds * denoiserEvaluations(load) * DEMO.denoiserEvaluation * denoiserScale(load)) / speed,
    encoders: (seeds * encoderImages(load) * DEMO.encoderImage * encoder) / speed,
    rest: (encodings(load) * photos * DEMO.encodedPhoto * encoder) / speed,
  };
  const total = Object.values(parts).reduce((sum, seconds) => sum + seconds, 0);
  return { ...parts, low: RANGE.low * total, high: RANGE.high * total, cores: threads };
}

/** Samples through the denoiser, forwards and backwards, for the words of a seed. */
function wordSamples({ config, tables, knownClasses }: Workload): number {
  if (!isNeeded("words", drawnSources({ config, tables }), tables.sources)) return 0;
  return config.words.steps * config.words.batchSize * knownClasses;
}

/** Calls of the denoiser for one image each, for the redraws of a seed; guidance needs two a step. */
function denoiserEvaluations({ config, tables, trainPhotos, knownClasses }: Workload): number {
  const { steps, guidanceScale, recipes } = config.redraw;
  const drawn = drawnSources({ config, tables });
  const isDrawn = (name: RecipeName) =>
    drawn.includes(RECIPES[name].kind) && isFollowed(name, recipes, knownClasses);
  return recipeNames.filter(isDrawn).reduce((sum, name) => {
    const { strengths, variants, stacking } = recipes[name];
    const all = strengths.reduce((calls, strength) => calls + Math.floor(steps * strength), 0);
    const calls = stacking === "sequence" ? all : all / strengths.length;
    return sum + trainPhotos * variants * calls * (guidanceScale > 1 ? 2 : 1);
  }, 0);
}

/** Of forwards and backwards, what forwards alone costs. */
const FORWARD_SHARE = 1 / 3;

/** Images forwards and backwards through the encoders of a seed. */
function encoderImages({ config, tables }: Workload): number {
  const { steps, batchSize, views, negatives } = config.encoder;
  return withTeachers(trainedArms({ config, tables }), tables.arms).reduce((sum, name) => {
    const arm = armOf(name, tables.arms);
    const answered = arm.changes?.teacher === undefined ? 0 : FORWARD_SHARE * batchSize * views;
    return sum + steps * (batchSize * views + negativesOf(arm, negatives) + answered);
  }, 0);
}

/** Arms whose encoder is trained; the features of the others are those of the weights, made once for all seeds. */
function trainedArms(load: Pick<Workload, "config" | "tables">): string[] {
  return load.config.arms.filter((arm) => !isFrozen(load, arm));
}

/** How often every photo goes through an encoder for its features. */
function encodings({ config, tables }: Workload): number {
  const trained = trainedArms({ config, tables }).length;
  return config.seeds.length * trained + (trained < config.arms.length ? 1 : 0);
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
export function describeEstimate(
  { words, redraws, encoders, rest, low, high, cores }: Estimate,
  lasting: (seconds: number) => string,
): string {
  const parts = Object.entries({ words, redraws, encoders, rest }).filter(([, seconds]) => seconds > 0);
  const total = words + redraws + encoders + rest;
  const shares = parts.map(([name, seconds]) => `${name} ${Math.round((100 * seconds) / total)} %`);
  return `Time: ${lasting(low)} to ${lasting(high)} on ${cores === 1 ? "1 core" : `${cores} cores`} without a GPU, by the demo's pace (${shares.join(", ")})`;
}
