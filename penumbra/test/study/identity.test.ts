import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { objectiveOf, objectives, usesOf } from "../../src/contrast/index.ts";
import { scanPhotos } from "../../src/data/index.ts";
import { findModel } from "../../src/diffusion/index.ts";
import { type Arm, armNames, armOf, UNTRAINED } from "../../src/study/arms/index.ts";
import {
  parseSettings,
  type SettledConfig,
  type StudyConfig,
  settleImages,
  studySchema,
  tablesWith,
} from "../../src/study/config/index.ts";
import { schemaAt } from "../../src/study/config/schema.ts";
import { scanOptionsOf } from "../../src/study/plan-study.ts";
import {
  judgeRedraws,
  mapFeatures,
  prepareSeeds,
  type StudyContext,
  trainArms,
} from "../../src/study/stages/index.ts";
import { type Artifact, type StageSpec, StageStore, stageHash } from "../../src/study/store/index.ts";
import { detectorNames, detectorOf } from "../../src/unknowns/index.ts";
import { makeTinyStudy, tinySettings } from "./tiny-study.ts";

vi.setConfig({ hookTimeout: 400_000 });

// A stage's folder is named by the hash of what it depends on. A setting that a stage reads and does not hash would
// silently reuse a stale result; one that it hashes and does not read makes results again for nothing. So every setting
// of the schema is changed, one by one, and what is named anew is held against what was seen to read it.

/** Settings that change no result beyond rounding, or what is not a stage's: the reason of each. */
const NOT_HASHED: Readonly<Record<string, string>> = {
  "encoder.gradientCheckpointing": "changes no bit",
  "words.gradientCheckpointing": "changes nothing beyond rounding",
  "words.samplesAtOnce": "splits a step, which changes nothing beyond rounding",
  "redraw.batchSize": "images of a batch do not depend on each other, beyond rounding",
};

interface Made {
  readonly spec: StageSpec;
  readonly hash: string;
  readonly artifact: Artifact;
}

const keyOf = ({ name, label = "" }: StageSpec) => `${name} ${label}`;

/** The stage that a spec is of: images that nothing learns from are made as others are. */
const stageOf = ({ name }: StageSpec) => (name === "unlearned" ? "images" : name);

/** Runs stages for real and remembers them. */
class RememberingStore extends StageStore {
  readonly made = new Map<string, Made>();
  override async run(spec: StageSpec): Promise<Artifact> {
    const artifact = await super.run(spec);
    this.made.set(keyOf(spec), { spec, hash: artifact.hash, artifact });
    return artifact;
  }
}

/** Only names stages; their folders are those of another store, so that later stages find files to read. */
class NamingStore extends StageStore {
  readonly made = new Map<string, Made>();
  readonly #base: ReadonlyMap<string, Made>;
  constructor(folder: string, base: ReadonlyMap<string, Made>) {
    super(folder);
    this.#base = base;
  }
  override async run(spec: StageSpec): Promise<Artifact> {
    const hash = stageHash(spec);
    const base = this.#base.get(keyOf(spec));
    if (!base) throw new Error(`There was no stage "${keyOf(spec)}" before.`);
    const artifact = { ...base.artifact, hash };
    this.made.set(keyOf(spec), { spec, hash, artifact });
    return artifact;
  }
}

const AUGMENT = {
  crop: { scale: [0.4, 1], ratio: [0.8, 1.25] },
  ...{ flip: 0.5, rotation: 20, shift: 0.05, scale: [0.9, 1.1], brightness: 0.3, contrast: 0.3 },
  ...{ saturation: 0.3, hue: 0.1, jitter: 0.1, grayscale: 0.1, noise: 0.02 },
  ...{ preset: "none", shear: 5, perspective: 0.1, randAugment: { operations: 2, magnitude: 9 } },
  ...{ blur: { probability: 0.5, sigma: [0.01, 0.02] }, solarize: { probability: 0.5, threshold: 0.5 } },
  ...{ posterize: { probability: 0.5, bits: 4 }, equalize: 0.5, cutout: { probability: 0.5, side: 0.3 } },
};

/** An arm whose images a generator draws that is trained on the photos. */
const GENERATED = {
  ...{ title: "generated", description: "generated", objective: "supcon" },
  ...{ positives: "vae-faithful", negatives: "vae-near-ood", use: "columns" as const },
};

/** The built-in arms, with one more for each use of negatives that none of them makes, and one with generated images. */
const tables = tablesWith({
  arms: Object.fromEntries<Arm>([
    ["generated", GENERATED],
    ...Object.entries(objectives).flatMap(([objective]) =>
      usesOf(objectiveOf(objective))
        .filter(
          (use) => !armNames.some((name) => armOf(name).objective === objective && armOf(name).use === use),
        )
        .map((use): [string, Arm] => {
          const title = `${objective}, ${use}`;
          return [
            title,
            { title, description: title, objective, positives: null, negatives: "near-ood", use },
          ];
        }),
    ),
  ]),
});

const TRAINING = {
  ...{ steps: 2, batchSize: 2, width: 8, latentSize: 4, logSeconds: 60, checkpointMinutes: 60 },
  sheetMinutes: 60,
};

/** Optional settings, given here so that they can be read and changed. */
const settings = {
  ...tinySettings,
  words: {
    ...{ ...tinySettings.words, samplesAtOnce: 64 },
    evaluation: { every: 2, keep: "best", patience: 1 },
  },
  seeds: [0],
  maps: ["pca"],
  // Every arm that is trained, and every use of negatives that an objective has: a setting may be read by one of them
  // alone.
  arms: Object.entries(tables.arms).flatMap(([name, { objective }]) =>
    objective === UNTRAINED ? [] : [name],
  ),
  encoder: {
    ...tinySettings.encoder,
    ...{ augment: AUGMENT, ema: 0.5, evaluation: { every: 2, keep: "loss", patience: 1 } },
    ...{ photosPerClass: 2, memory: 8 },
  },
  redraw: {
    ...{ ...tinySettings.redraw, sampler: "ddim", masks: "masks" },
    recipes: Object.fromEntries(
      Object.entries(tinySettings.redraw.recipes).map(([name, own]) => [
        name,
        { ...own, guidanceScale: 2, negativePrompt: "a {class}" },
      ]),
    ),
  },
  sources: {
    ...{ "vae-faithful": { training: TRAINING }, "vae-near-ood": { training: TRAINING } },
    augmented: { augment: AUGMENT },
  },
  detectors: detectorNames.filter((name) => detectorOf(name).tuning), // the others have nothing to hash
};

vi.setConfig({ hookTimeout: 300_000 });

let folder = "";
let base: RememberingStore;
let baseConfig: StudyConfig;
let manifest: Awaited<ReturnType<typeof scanPhotos>> | undefined;
let model: Awaited<ReturnType<typeof findModel>> | undefined;
/** Stages whose files were on the stack when a setting was read, by its path. */
const readers = new Map<string, Set<string>>();

beforeAll(async () => {
  folder = await makeTinyStudy(settings);
  await mkdir(join(folder, "masks")); // looked at where a recipe keeps a part
  baseConfig = parseSettings(settings, "test", tables);
  base = new RememberingStore(join(folder, "run"));
  await runStages(watched(settleImages(baseConfig, null)), base);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function runStages(config: SettledConfig, store: StageStore): Promise<void> {
  // What decides which photos and which model there are is not among what is tried.
  manifest ??= await scanPhotos(join(folder, "photos"), scanOptionsOf(config));
  model ??= await findModel(config.model, { base: folder });
  const context: StudyContext = {
    config,
    tables,
    store,
    folder,
    photos: manifest.photos,
    root: manifest.root,
    white: manifest.white,
    cacheFolder: join(folder, "cache"),
    classes: manifest.classes,
    device: "cpu",
    precision: "fp32",
    weights: null,
  };
  const seeds = await prepareSeeds(context, manifest, model);
  const trained = await trainArms(context, seeds);
  await judgeRedraws(context, seeds, trained);
  await mapFeatures(context, seeds, trained);
}

/** The same configuration, which notes who reads a setting. */
function watched<T extends object>(value: T, path: readonly string[] = []): T {
  return new Proxy(value, {
    get(target, key, receiver) {
      const item: unknown = Reflect.get(target, key, receiver);
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return item;
      const here = [...path, key];
      const isSection = typeof item === "object" && item !== null && !Array.isArray(item);
      if (!Array.isArray(target)) note(here.join("."), isSection);
      return isSection ? watched(item, here) : item;
    },
  });
}

function note(path: string, isSection: boolean): void {
  if (isSection) return;
  const stage =
    /stages\/(split|words|generator|images|sift|judge-encoders|encoder|features|feature-map|probe|score|nearness)\.ts/.exec(
      stackHere(),
    )?.[1];
  const known = readers.get(path) ?? new Set();
  readers.set(path, known);
  // Judges are encoders.
  if (stage) known.add(stage === "judge-encoders" ? "encoder" : stage);
}

/** The files of the stack, one a line: without lines and source maps, which take most of the time. */
function stackHere(): string {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  Error.prepareStackTrace = (_, sites) => sites.map((site) => site.getFileName()).join("\n");
  const stack = new Error("here").stack ?? "";
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return stack;
}

/** Every setting of the schema that is no section, by its path. */
function settingsOf(schema: z.ZodType, path: readonly string[] = []): string[] {
  let inner = schema;
  while (["default", "prefault", "optional"].includes(inner.def.type)) {
    inner = (inner as z.ZodDefault<z.ZodType>).unwrap() as z.ZodType;
  }
  if (!("shape" in inner)) return [path.join(".")];
  return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, child]) =>
    settingsOf(child, [...path, key]),
  );
}

/** The settings of a recipe that makes no images count as soon as it makes some, as those of the others do. */
function isOfLeftOutRecipe(path: string): boolean {
  const name = /^redraw\.recipes\.([^.]+)\.(?!variants$)/.exec(path)?.[1];
  return name !== undefined && !(name in tinySettings.redraw.recipes);
}

/** A table of one entry has no other to choose. */
function hasOneChoice(path: string): boolean {
  const schema = schemaAt(path.split("."));
  return schema instanceof z.ZodEnum && schema.options.length === 1;
}

const valueAt = (values: unknown, path: string) =>
  path
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], values);

function withValue(values: object, [key = "", ...rest]: readonly string[], value: unknown): object {
  const inner = (values as Record<string, unknown>)[key];
  return { ...values, [key]: rest.length === 0 ? value : withValue((inner as object) ?? {}, rest, value) };
}

/** Other values to try for a setting, the first that the schema takes is used. */
function alternatives(value: unknown): unknown[] {
  if (typeof value === "boolean") return [!value];
  if (typeof value === "number") return [value + 1, value * 2, value / 2, 0.25, 0.75];
  if (Array.isArray(value)) {
    const [first] = value;
    return [
      ...(typeof first === "number"
        ? [value.map((item: number) => item * 0.9), value.map((item: number) => item + 1)]
        : []),
      ...(value.length > 1 ? [value.slice(1)] : []),
      ["*.none"],
      ["umap"],
    ];
  }
  return [...NAMES, 0.5, 12, true];
}

/** Names that some setting or other takes. */
const NAMES = [
  "letterbox",
  "bicubic",
  "linear",
  "last",
  "euler",
  "object",
  "sequence",
  "classes",
  "near-duplicates",
  "merge",
  "resnet18",
  "cifar",
  "imagenet",
  "source-class",
  "class",
  "simclr",
  "head",
  "frozen",
  "b",
  "accuracy",
  "mixup",
];

function changed(path: string): StudyConfig | undefined {
  const before = valueAt(baseConfig, path);
  for (const value of alternatives(before)) {
    if (JSON.stringify(value) === JSON.stringify(before)) continue;
    try {
      return parseSettings(withValue(baseConfig, path.split("."), value), "test", tables);
    } catch {
      // Not a value of this setting.
    }
  }
  return undefined;
}

/** What is no stage's business, and settings whose other values need other files: each with its reason. */
const NO_STAGE: Readonly<Record<string, string>> = {
  name: "names the run folder",
  photos: "other photos have other hashes",
  model: "another model has another hash",
  vae: "the model's hash covers it",
  loras: "the model's hash covers them",
  "redraw.size": "the model's hash says it",
  "words.from": "other words have other hashes",
  "redraw.masks": "other masks have other hashes",
  "encoder.weights": "other weights have another hash",
  arms: "each arm is a stage of its own",
  "sift.folds": "each fold's judge is a stage of its own",
  seeds: "each seed is a stage of its own",
  device: "named in the manifest; results agree to rounding",
  precision: "stages hash what it was resolved to",
  language: "says what pages are written in",
  threads: "named in the manifest; results agree to rounding",
  jobs: "change no bit: jobs.test.ts",
  "statistics.confidence": "statistics are made anew every time",
  "statistics.margin": "statistics are made anew every time",
  "statistics.bootstrap": "statistics are made anew every time",
  "statistics.shots": "every number of shots has stages of its own",
  "statistics.keep": "statistics are made anew every time",
};
/**
 * Of the sources whose images a generator draws, all made by one function, the VAE's stand for the others. Another
 * model has another hash, and another training makes another model: generated.test.ts.
 */
const isStoodFor = (path: string) =>
  /^sources\.(autoencoder|gan|ddpm|unclip)-/.test(path) ||
  /^sources\.vae-[^.]+\.(model|from|training)$/.test(path);
/** Decide which photos there are, and what their pixels are; stages hash photos and pixels. */
const OF_THE_SCAN = ["roles.known", "roles.near", "roles.far", "ignore", "layout", "objects", "depth"];

const paths = settingsOf(studySchema);

describe("a stage's identity", () => {
  test("the lists of exceptions name settings that exist", () => {
    for (const path of [...Object.keys(NO_STAGE), ...Object.keys(NOT_HASHED), ...OF_THE_SCAN]) {
      expect(paths).toContain(path);
    }
  });

  const tried = paths.filter(
    (path) =>
      !(path in NO_STAGE) &&
      !OF_THE_SCAN.includes(path) &&
      !hasOneChoice(path) &&
      !isStoodFor(path) &&
      !isOfLeftOutRecipe(path),
  );
  test.each(tried)("has %s exactly where the stage depends on it", async (path) => {
    const config = changed(path);
    expect(config, `no other value for ${path} was found: add one to NAMES`).toBeDefined();
    const store = new NamingStore(join(folder, "run"), base.made);
    await runStages(settleImages(config!, null), store);
    const remade = new Set<string>();
    const own = new Set<string>();
    for (const [key, { spec, hash }] of store.made) {
      const before = base.made.get(key)!;
      if (before.hash === hash) continue;
      remade.add(stageOf(spec));
      const strings = (inputs: StageSpec["inputs"]) =>
        JSON.stringify(Object.entries(inputs).filter(([, input]) => typeof input === "string"));
      const isOwn =
        JSON.stringify(spec.config) !== JSON.stringify(before.spec.config) ||
        strings(spec.inputs) !== strings(before.spec.inputs);
      if (isOwn) own.add(stageOf(spec));
    }
    const readBy = [...(readers.get(path) ?? [])];
    if (path in NOT_HASHED) {
      expect([...own]).toEqual([]);
      return;
    }
    expect(readBy.length, `no stage reads ${path}: is it of use?`).toBeGreaterThan(0);
    expect(
      readBy.filter((stage) => !remade.has(stage)),
      "read, but not made again",
    ).toEqual([]);
    expect(
      [...own].filter((stage) => !readBy.includes(stage)),
      "made again, but not read",
    ).toEqual([]);
  });
});
