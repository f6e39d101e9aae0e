import { z } from "zod";
import { KEPT_WEIGHTS, NETWORKS } from "../../contrast/index.ts";
import { GIVEN_USES, LAYOUTS } from "../../data/index.ts";
import {
  MOST_VECTORS,
  RecipesSettings,
  SamplerSettings,
  samplerNames,
  WORDS_SCHEDULES,
} from "../../diffusion/index.ts";
import type { Json } from "../../files/index.ts";
import { AugmentSpecSchema, FITS, INTERPOLATIONS } from "../../images/index.ts";
import { CHANNEL_BLOCK, CHANNEL_RULE, STEMS } from "../../models/index.ts";
import { languages, mapMethods } from "../../results/index.ts";
import { defaultDetectors, measureNames } from "../../unknowns/index.ts";
import { usualArms } from "../arms/index.ts";
import { FolderSection, ownSectionOf, photoGenerators } from "../sources/index.ts";
import { ownArmSchemaOf } from "./own-arms.ts";
import { type StudyTables, TABLES } from "./tables.ts";

/** Whether a text is a regular expression with a group. */
function isObjectPattern(text: string): boolean {
  try {
    return new RegExp(`${text}|`).exec("")!.length > 1; // the empty alternative always fits: one entry more a group
  } catch {
    return false;
  }
}

/**
 * The settings of a study: this schema is their type, their defaults, their documentation (`penumbra init` writes the
 * descriptions as comments) and, through `penumbra schema`, their JSON Schema.
 */

const count = (what: string) => z.int().positive().meta({ description: what });
const rate = (what: string) => z.number().positive().meta({ description: what });
const share = (what: string) => z.number().min(0).max(1).meta({ description: what });
const names = (what: string) => z.array(z.string().min(1)).meta({ description: what });

/** Several numbers of objects to learn from. */
const shotsList = z
  .array(z.int().positive())
  .min(1)
  .refine((shots) => new Set(shots).size === shots.length, "List each number once.");

const deviceName = z.string().regex(/^(auto|cpu|cuda(:\d+)?)$/, 'Use "auto", "cpu", "cuda" or "cuda:N".');

/** The last blocks of an encoder, by their number. */
const LAST_BLOCKS = /^last-[1-9]\d*$/;

/** Settings of an objective by their names. */
type ObjectiveSettings = Readonly<Record<string, Json>>;

/** A section of settings for each entry of the table of objectives. */
function objectiveSections({ objectives }: StudyTables) {
  const sections = Object.entries(objectives).map(([name, { settings, description }]) => [
    name,
    (settings as z.ZodObject).meta({ description }).prefault({}),
  ]);
  return Object.fromEntries(sections) as Record<string, z.ZodType<ObjectiveSettings>>;
}

/** A section of settings for each source of images that has some of its own. */
function sourceSections({ sources }: StudyTables) {
  const sections = Object.entries(sources).flatMap(([name, { section, description }]) =>
    section ? [[name, section.meta({ description }).prefault({})]] : [],
  );
  return Object.fromEntries(sections) as Record<string, z.ZodOptional<z.ZodType<Json>>>;
}

/** Candidates by the name of the setting. */
type Candidates = Record<string, (number | string | boolean)[]>;

/** A section of candidates for each detector that has something to choose. */
function tuningSections({ detectors }: StudyTables) {
  const sections = Object.entries(detectors).flatMap(([name, { tuning, description }]) =>
    tuning ? [[name, tuning.settings.meta({ description }).prefault({})]] : [],
  );
  return Object.fromEntries(sections) as Record<string, z.ZodOptional<z.ZodType<Candidates>>>;
}

/** The names of a table, in its order. */
function namesOf(table: object): [string, ...string[]] {
  return Object.keys(table) as [string, ...string[]];
}

/** The schema of a configuration that chooses from these tables. */
export const studySchemaOf = (tables: StudyTables) =>
  z.strictObject({
    name: z
      .string()
      .regex(/^(?!\.+$)[\w.-]+$/, "Use letters, digits, dots, dashes and underscores, and not dots alone.")
      .meta({ description: "Name of the study, and of its run folder under runs/" })
      .default("study"),
    photos: z.string().min(1).meta({
      description:
        "Folder of photos (class/photo.jpg or class/object/view.jpg), or a list of them (.csv, .jsonl with path, class, object, role, split); relative to this file",
    }),
    roles: z
      .strictObject({
        known: names("Classes to learn; empty = all that are not named otherwise").default([]),
        near: names(
          "Classes that are similar to the known ones and must be called unknown (globs allowed)",
        ).default([]),
        far: names("Classes that have nothing in common with the known ones (globs allowed)").default([]),
      })
      .meta({
        description:
          "Which classes are unknown. Not needed where the top folders are called known, near and far",
      })
      .prefault({}),
    ignore: names("Patterns of names or paths to pass over, such as *.tif or known/bolt/*").default([]),
    layout: z
      .enum(LAYOUTS)
      .meta({
        description:
          "How top folders are read: classes, roles (known, near, far) or splits (train, val, test); auto goes by their names",
      })
      .default("auto"),
    objects: z
      .union([
        z.literal(["auto", "near-duplicates"]),
        z.int().min(1).max(8),
        z
          .string()
          .refine(isObjectPattern, "It must be a regular expression whose first group names the object."),
      ])
      .meta({
        description:
          "Which photos show one object: auto (those of a folder below the class folder), a number of folders below it, a regular expression on the path below it such as '(.*)_frame\\d+', or near-duplicates",
      })
      .default("auto"),
    depth: z
      .union([z.literal("auto"), z.int().min(8).max(16)])
      .meta({
        description:
          "Bits that photos of 16 bits use (10, 12, 14); auto goes by tags or the largest value of all",
      })
      .default("auto"),
    fit: z
      .enum(FITS)
      .meta({
        description:
          "How a photo becomes a square: squash (proportions change), letterbox (bars are added) or crop (the middle is kept)",
      })
      .default("squash"),
    imageSize: z
      .union([z.literal("auto"), z.int().min(8).max(2048)])
      .meta({
        description:
          "Side of the square that every photo is resized to, in pixels; auto = what the encoder's weights say that they were made with, else 64",
      })
      .default("auto"),
    interpolation: z
      .enum(["auto", ...INTERPOLATIONS])
      .meta({
        description:
          "How pixels between pixels are computed when photos are resized; auto = what the encoder's weights say, else lanczos3",
      })
      .default("auto"),
    model: z
      .string()
      .min(1)
      .meta({
        description:
          "Diffusion model: penumbra-mini, a folder in the diffusers layout or a checkpoint file, relative to this file, or a name on the Hugging Face hub such as hf:owner/name",
      })
      .default("penumbra-mini"),
    vae: z
      .string()
      .min(1)
      .meta({
        description:
          "Another autoencoder for the diffusion model: a folder in the diffusers layout, a file, or a name on the hub such as hf:stabilityai/sd-vae-ft-mse",
      })
      .optional(),
    loras: z
      .array(z.strictObject({ file: z.string().min(1), weight: z.number().default(1) }))
      .meta({
        description:
          "LoRAs added to the diffusion model's weights: file (or a name on the hub) and weight of each, 1 = as it was trained",
      })
      .default([]),
    arms: z
      .array(z.enum(namesOf(tables.arms)))
      .min(1)
      .meta({
        description:
          "What is compared: names, and arms of your own as { name, objective, positives, negatives, use, settings }, such as { name: supcon+gan, objective: supcon, negatives: gan-near-ood } for near-OOD images by another generator",
      })
      .default(usualArms(tables.arms)),
    seeds: z
      .array(z.int().nonnegative())
      .min(1)
      .meta({
        description: "Each seed repeats the whole study on another draw; five or more give useful intervals",
      })
      .default([0, 1, 2, 3, 4]),
    split: z
      .strictObject({
        shots: z
          .union([z.int().positive(), shotsList])
          .meta({
            description:
              "Objects of each known class to learn from; several numbers, such as [1, 2, 4, 8], give learning curves on the same test: the fewer are among the more",
          })
          .default(4),
        validation: count("Objects of each known class for choices (never for results)").default(4),
        test: z
          .union([z.int().positive(), z.literal("rest")])
          .meta({ description: "Objects of each known class for the results; rest = all that remain" })
          .default("rest"),
        given: z
          .enum(GIVEN_USES)
          .meta({
            description:
              "A division that the photos came with (train, val, test): use it, or merge its parts and draw anew",
          })
          .default("use"),
      })
      .meta({ description: "Objects, not photos: all views of an object stay together" })
      .prefault({}),
    words: z
      .strictObject({
        from: z
          .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
          .meta({
            description:
              "Words that are there already, in place of learning any: an embedding of diffusers (learned_embeds.safetensors) or AUTOMATIC1111, or a study's words.safetensors, or several; called as the classes are. They must not know the photos of the test",
          })
          .optional(),
        steps: count("Training steps; every step takes photos of all classes").default(1000),
        batchSize: count("Photos of each class per step").default(4),
        learningRate: rate("Learning rate of AdamW").default(2e-3),
        schedule: z
          .enum(WORDS_SCHEDULES)
          .meta({ description: "How the learning rate changes after its warm-up" })
          .default("constant"),
        warmup: z
          .int()
          .nonnegative()
          .meta({ description: "Steps in which the learning rate rises from 0" })
          .default(0),
        vectors: z
          .int()
          .min(1)
          .max(MOST_VECTORS)
          .meta({ description: "Vectors of each word: more hold more, and learn more slowly" })
          .default(1),
        initToken: z
          .union([z.string().min(1), z.record(z.string(), z.string().min(1))])
          .meta({
            description:
              "Words of the model's vocabulary that learned words start from, one for all or one for each class (bolt: screw); of several, or of one in pieces, the mean, or with as many vectors each its own",
          })
          .default("the"),
        evaluation: z
          .strictObject({
            every: z
              .int()
              .nonnegative()
              .meta({ description: "Steps between two looks at validation photos; 0 = none" })
              .default(0),
            keep: z
              .enum(["last", "best"])
              .meta({
                description: "Words that are kept: of the last step, or of the look with the least loss",
              })
              .default("last"),
            patience: z
              .int()
              .nonnegative()
              .meta({
                description: "Looks in a row without a better one, after which learning ends; 0 = never",
              })
              .default(0),
          })
          .refine(({ every, keep, patience }) => every > 0 || (keep === "last" && patience === 0), {
            message: "Only looks can tell which words are best: set every above 0.",
          })
          .meta({ description: "Whether the words also fit photos that they are not learned from" })
          .prefault({}),
        previewEvery: z
          .int()
          .nonnegative()
          .meta({ description: "Steps between two sheets of what the words draw, into the run; 0 = none" })
          .default(0),
        gradientCheckpointing: z
          .boolean()
          .meta({ description: "Much less memory for a third more time, for models of 512 pixels and more" })
          .default(false),
        samplesAtOnce: z
          .int()
          .positive()
          .meta({
            description:
              "Samples that are computed at once; left out = as many as take some 4 GiB, at most 128",
          })
          .optional(),
      })
      .meta({ description: "Textual inversion: one new word per class, learned from its training photos" })
      .prefault({}),
    redraw: z
      .strictObject({
        sampler: z
          .enum(samplerNames)
          .meta({
            description: "Algorithm that denoises; left out: the one that the model's folder asks for",
          })
          .optional(),
        samplers: SamplerSettings.meta({
          description: "What each algorithm can be told; only the chosen one's settings count",
        }).prefault({}),
        steps: count("Denoising steps at strength 1; a strength s takes about s of them").default(20),
        guidanceScale: z
          .number()
          .min(1)
          .meta({ description: "How strongly the word pulls; 1 = off" })
          .default(5),
        batchSize: count("Images drawn at once").default(32),
        size: z
          .int()
          .min(8)
          .multipleOf(8)
          .meta({
            description:
              "Side of the images that are drawn and that words are learned from, in pixels; left out = what the model was made for",
          })
          .optional(),
        masks: z
          .string()
          .min(1)
          .meta({
            description:
              "Folder with a mask for each training photo, under the photo's own path, white = object; for recipes that keep a part",
          })
          .optional(),
        recipes: RecipesSettings.meta({
          description:
            "Ways to redraw a photo; an arm that wants faithful or near-OOD redraws gets all of that kind",
        }).prefault({}),
      })
      .meta({ description: "Synthetic images: training photos, partly noised and drawn again (DA-Fusion)" })
      .prefault({}),
    sources: z
      .strictObject(sourceSections(tables))
      .meta({
        description:
          "Where synthetic images come from, beside the redraws; an arm names its sources. By names of your own: { folder, kind } for images of another tool, { generator, kind, training } for a generator with other settings",
      })
      .prefault({}),
    sift: z
      .strictObject({
        judge: z
          .enum(namesOf(tables.arms))
          .meta({
            description: "The arm whose encoder judges images; one of real photos alone",
          })
          .default("cross-entropy" as string),
        folds: z
          .int()
          .positive()
          .meta({
            description:
              "1 = one judge of all training photos, calibrated by the validation photos; more = as many judges, each trained without the objects of its fold, calibrated by them, for what is made of them (as many as objects: leave one object out)",
          })
          .default(1),
        measures: z
          .array(z.enum(measureNames))
          .min(1)
          .meta({ description: "What distances are measured by; an image's is their mean" })
          .default(["nearest-photo", "mahalanobis"]),
        layers: count("Last stages of the judge's encoder that distances are taken in").default(2),
        known: z
          .number()
          .gt(0)
          .max(1)
          .meta({ description: "Share of real photos of unseen objects that counts as inside a class" })
          .default(0.9),
        upper: z
          .union([z.literal("auto"), z.number().gt(1)])
          .meta({
            description:
              "Distance beyond which an image is too far, in units of where known ends; auto = where most near validation unknowns lie, or 2 without such",
          })
          .default("auto"),
        probability: share(
          "Classifier's probability of the photo's own class above which an image beside it is no negative",
        ).default(0.95),
        share: share(
          "Share of a recipe's images that its strength is to bring to the right side of where known ends",
        ).default(0.75),
        rounds: z
          .int()
          .nonnegative()
          .meta({ description: "Bisections of the strength for each class; 0 = the recipes' own strengths" })
          .default(4),
        probes: count("Images of each class that a bisection looks at").default(8),
        attempts: count("How often an image is drawn at the most until one is accepted").default(3),
      })
      .meta({
        description: "Which synthetic images are what they are meant to be, for the sources called sifted-…",
      })
      .prefault({}),
    encoder: z
      .strictObject({
        network: z.enum(NETWORKS).meta({ description: "Network" }).default("resnet10"),
        stem: z
          .enum(STEMS)
          .meta({
            description:
              "First layers: imagenet works on a quarter of the side and is some twelve times faster; cifar keeps the details of images up to some 40 pixels",
          })
          .default("imagenet"),
        width: z
          .int()
          .positive()
          .multipleOf(CHANNEL_BLOCK, CHANNEL_RULE)
          .meta({
            description: `Channels of the first stage, a multiple of ${CHANNEL_BLOCK}; 64 is the published network`,
          })
          .default(32),
        weights: z
          .string()
          .min(1)
          .meta({
            description:
              "Published weights to start from, instead of random ones: a .safetensors, .pth, .pt or .bin file, or a folder with one and timm's config.json, relative to this file, or a name on the Hugging Face hub such as hf:timm/resnet18.a1_in1k; stem and width then follow from them",
          })
          .optional(),
        train: z
          .union([z.enum(["full", "head", "frozen"]), z.stringFormat("last-N", LAST_BLOCKS)])
          .meta({
            description:
              "How much of it is trained: full, last-N (the last N blocks), head (nothing but what the loss sees it through) or frozen (nothing: all arms are one, and only the probe is fitted)",
          })
          .default("full"),
        layerDecay: z
          .number()
          .gt(0)
          .max(1)
          .meta({
            description: "Learning rate of a layer in relation to the next one's; 1 = all learn alike",
          })
          .default(1),
        batchNorm: z
          .enum(["auto", "trained", "frozen"])
          .meta({
            description:
              "Statistics of batch norms: trained = those of the batches; frozen = those that the weights came with; auto = frozen with published weights, which a few photos would else spoil",
          })
          .default("auto"),
        gradientCheckpointing: z
          .boolean()
          .meta({ description: "Much less memory for a third more time, for large images and networks" })
          .default(false),
        steps: count("Training steps, the same for every arm").default(600),
        batchSize: count("Photos per step").default(64),
        photosPerClass: z
          .int()
          .nonnegative()
          .meta({
            description:
              "Balanced batches: so many photos of each class of a step, a divisor of batchSize; 0 = as they come",
          })
          .default(0),
        memory: z
          .int()
          .nonnegative()
          .meta({
            description:
              "Past projections of other classes that contrastive objectives see as further negatives, such as 512, so that small batches see many; 0 = none. Arms that train for cross-entropy have none",
          })
          .default(0),
        views: count("Random versions of each photo per step").default(2),
        learningRate: rate("Peak learning rate; warm-up, then cosine decay").default(2e-3),
        weightDecay: z.number().min(0).meta({ description: "Decoupled weight decay of AdamW" }).default(1e-4),
        faithfulProbability: share(
          "In the arms with faithful redraws: probability that one of a photo's redraws stands in for it",
        ).default(0.5),
        negatives: count("Near-OOD redraws per step, in the arms that have them").default(32),
        ema: z
          .number()
          .min(0)
          .lt(1)
          .meta({
            description:
              "Share of a running average of the weights that a step keeps, such as 0.99; the average is the encoder then. 0 = off",
          })
          .default(0),
        evaluation: z
          .strictObject({
            every: z
              .int()
              .nonnegative()
              .meta({
                description: "Steps between two looks at training and validation photos; 0 = none",
              })
              .default(0),
            keep: z
              .enum(KEPT_WEIGHTS)
              .meta({
                description:
                  "Weights that are kept: of the last step, or of the look with the least validation loss or the highest validation accuracy",
              })
              .default("last"),
            patience: z
              .int()
              .nonnegative()
              .meta({
                description:
                  "Early stopping: looks in a row without a better one, after which training ends; 0 = never",
              })
              .default(0),
          })
          .refine(({ every, keep }) => every > 0 || keep === "last", {
            path: ["keep"],
            message: "Only looks can tell which weights are best: set every above 0, or keep to last.",
          })
          .refine(({ keep, patience }) => keep !== "last" || patience === 0, {
            path: ["patience"],
            message: "Stopping early needs to know what better means: set keep to loss or accuracy.",
          })
          .meta({
            description:
              "Loss and accuracy on training and validation photos during training, as curves in the report",
          })
          .prefault({}),
        augment: AugmentSpecSchema.meta({
          description:
            "Random changes of every image at every step, the same for all arms and images; what is left out is off, or as the preset has it",
        }).prefault({
          crop: { scale: [0.4, 1], ratio: [0.8, 1.25] },
          flip: 0.5,
          rotation: 20,
          shift: 0.05,
          brightness: 0.3,
          contrast: 0.3,
          saturation: 0.3,
          grayscale: 0.1,
          noise: 0.02,
        }),
      })
      .refine(({ batchSize, photosPerClass }) => photosPerClass === 0 || batchSize % photosPerClass === 0, {
        path: ["photosPerClass"],
        message: "batchSize must be a multiple of it.",
      })
      .meta({ description: "The classifier's encoder, trained once per arm and seed" })
      .prefault({}),
    objectives: z
      .strictObject(objectiveSections(tables))
      .meta({ description: "What encoders are trained for; an arm names its objective" })
      .prefault({}),
    probe: z
      .strictObject({
        l2: z
          .array(z.number().positive())
          .min(1)
          .meta({ description: "Candidates for the penalty; validation accuracy chooses" })
          .default([1e-3, 1e-2, 1e-1]),
      })
      .meta({ description: "Linear classifier on the frozen encoder's features of the training photos" })
      .prefault({}),
    detectors: z
      .array(z.enum(namesOf(tables.detectors)))
      .min(1)
      .meta({
        description: "Scores that say unknown; validation unknowns choose the one the answer is about",
      })
      .default(defaultDetectors(tables.detectors)),
    tuning: z
      .strictObject(tuningSections(tables))
      .meta({ description: "Candidates for settings of detectors; validation unknowns choose" })
      .prefault({}),
    statistics: z
      .strictObject({
        confidence: z
          .number()
          .gt(0.5)
          .lt(1)
          .meta({ description: "Confidence of every interval" })
          .default(0.95),
        margin: z
          .number()
          .min(0)
          .max(1)
          .meta({
            description:
              "Smallest difference that matters (0.01 = one point); an interval inside it means: no difference",
          })
          .default(0.01),
        bootstrap: count("Redraws of the test objects for the bootstrap intervals").default(1000),
        shots: z
          .union([z.literal("largest"), z.int().positive()])
          .meta({
            description:
              "Where split.shots has several numbers: the one that the answer, the detector and the pictures are about",
          })
          .default("largest"),
        keep: z
          .number()
          .gt(0)
          .max(1)
          .meta({
            description:
              "Share of the known validation photos that the threshold for use keeps: the report says what it does to the test",
          })
          .default(0.95),
      })
      .prefault({}),
    maps: z
      .array(z.enum(mapMethods))
      .min(1)
      .refine((maps) => new Set(maps).size === maps.length, "List each map once.")
      .meta({
        description:
          "Pictures of each arm's features in the report: pca, the plane in which known photos differ most; umap, which puts neighbours together (some seconds more for an arm; its gaps and distances are no evidence)",
      })
      .default(["pca"]),
    language: z
      .enum(languages)
      .meta({
        description: "Language of the report and of other pages of the study: en (English), de (German)",
      })
      .default("en"),
    device: z
      .union([deviceName, z.array(deviceName).min(1)])
      .meta({
        description:
          "auto takes a CUDA device when libtorch has one; several of one kind, such as [cuda:0, cuda:1], share the stages among them, each with jobs of its own",
      })
      .default("auto"),
    precision: z
      .enum(["auto", "fp32", "bf16", "fp16"])
      .meta({ description: "auto takes bf16 only where the processor or device is fast in it" })
      .default("auto"),
    threads: z
      .int()
      .nonnegative()
      .meta({
        description:
          "Threads that every stage computes with: another number may change the last digits; 0 = two, or one per core for large networks and images and on a GPU",
      })
      .default(0),
    jobs: z
      .union([z.literal("auto"), z.int().positive()])
      .meta({
        description:
          "Stages that are made side by side, each in a process of its own with its own threads: it changes no bit; auto = as many as cores and memory are there for, one for short studies, large networks and a GPU",
      })
      .default("auto"),
  });

/** The schema of a configuration that chooses from the built-in tables. */
export const studySchema = studySchemaOf(TABLES);

export type StudySchema = typeof studySchema;

/** All settings of a study, with the defaults filled in. */
export type StudyConfig = z.output<StudySchema>;

/** JSON Schema of the configuration file, for editors. */
export function studyJsonSchema(): object {
  const { arms } = studySchema.shape;
  const armNames = arms.unwrap().element;
  const { sources } = studySchema.shape;
  const withOwn = studySchema.extend({
    arms: z
      .array(z.union([armNames, z.string(), ownArmSchemaOf(TABLES)]))
      .min(1)
      .meta({ ...arms.unwrap().meta() })
      .default(arms.parse(undefined)),
    // By any other name images of a folder, or of a generator with settings of its own.
    sources: sources
      .unwrap()
      .catchall(z.union([FolderSection, ...photoGenerators.map((name) => ownSectionOf(name, "near-ood"))]))
      .meta({ ...sources.unwrap().meta() })
      .prefault({}),
  });
  return z.toJSONSchema(withOwn, { io: "input" });
}
