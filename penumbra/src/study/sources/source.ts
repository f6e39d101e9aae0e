import type { PrecisionSetting, Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { BroughtImage, ImageKind, ImageLine, Photo } from "../../data/index.ts";
import type {
  BoundaryGuide,
  FoundModel,
  RecipesSettings,
  SamplerName,
  SamplerSettings,
  StableDiffusion,
  Words,
} from "../../diffusion/index.ts";
import type { Json } from "../../files/index.ts";
import type { GeneratorName, LoadedGenerator } from "../../generators/index.ts";
import type { Fit } from "../../images/index.ts";

/** One image that is wanted. */
export interface ImageRequest {
  /** Place of the parent among the training photos. */
  readonly photo: number;
  /** One of the source's. */
  readonly recipe: string;
  /** Which of the photo's images by this recipe. */
  readonly variant: number;
  /** How often it was drawn before: each attempt has another seed. Default 0. */
  readonly attempt?: number;
  /** 0..1, for recipes that have strengths. Default: as the settings and the image's seed have it. */
  readonly strength?: number;
}

/** The study that a source draws for. */
export interface SourceStudy {
  readonly config: {
    /** Side of the square that every photo is resized to, in pixels. */
    readonly imageSize: number;
    /** How photos become square, and their masks with them. */
    readonly fit: Fit;
    readonly redraw: {
      /** Default: the one that the model's scheduler asks for. */
      readonly sampler?: SamplerName | undefined;
      readonly samplers: z.output<typeof SamplerSettings>;
      readonly steps: number;
      readonly guidanceScale: number;
      /** Images drawn at once: it changes no image beyond rounding. */
      readonly batchSize: number;
      /** Folder of masks, for recipes that keep a part of photos. */
      readonly masks?: string | undefined;
      readonly recipes: RecipesSettings;
    };
    /** How judges are fitted, beside what they do with images. */
    readonly sift: JudgeSettings;
  };
  /** Folder that relative paths of settings start from. */
  readonly folder: string;
  /** Known classes. */
  readonly classes: readonly string[];
  /** The study's diffusion model, where one of its sources needs it. */
  readonly model: Pick<FoundModel, "schedulerConfig" | "imageSize" | "hash"> | null;
  readonly device: string;
  /** Precision of the heavy parts. */
  readonly precision: PrecisionSetting;
}

/** What decides about distances to the known classes. */
export interface JudgeSettings {
  readonly folds: number;
  readonly measures: readonly string[];
  readonly layers: number;
  readonly known: number;
  readonly upper: number | "auto";
}

/** The study's diffusion model, loaded when it is first asked for. */
export interface SourceModel {
  readonly model: { readonly imageSize: number; readonly hash: string };
  get(): StableDiffusion;
}

/** What a source works with. */
export interface SourceWork<Settings = Json> {
  readonly study: SourceStudy;
  /** Photos to make images of, the training photos of a seed: nothing else may be looked at. */
  readonly train: readonly Photo[];
  /** Hands their pixels to `use`, uint8 [N, 3, size, size] on the CPU, and releases them when it is done. */
  withPixels<T>(size: number, use: (pixels: Tensor) => Promise<T>): Promise<T>;
  readonly seed: number;
  readonly settings: Settings;
  /** @throws RangeError for a source that does not say that it needs the model */
  model(): SourceModel;
  /** The words of this seed. @throws RangeError for a source that does not say that it needs words */
  words(): Words;
  /** The judges of this seed. @throws RangeError for a source that does not say that it needs some */
  judges(): Promise<BoundaryGuide>;
  /** What `trains` asked for, when it is trained. @throws RangeError for a source that trains nothing */
  generator(): LoadedGenerator;
  /** The images that `brings` named, as far as this seed may learn from them. @throws RangeError for a source without */
  brought(): readonly BroughtImage[];
  /** Gets images/ and manifest.jsonl. */
  readonly folder: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What images are made of without a network: the photos as pixels. */
export interface PhotoWork<Settings extends object = object>
  extends Pick<SourceWork<Settings>, "train" | "seed" | "settings" | "folder" | "onProgress"> {
  /** uint8 [N, 3, S, S] of the photos, on the CPU */
  readonly pixels: Tensor;
  readonly signal?: AbortSignal | undefined;
}

/** A generator that learns from the training photos of a seed. */
export interface SourceTraining {
  readonly generator: GeneratorName;
  /** Folder of a finished model whose weights it begins with, from the study's folder on; null: random ones. */
  readonly from: string | null;
  /** Those that differ from the defaults; size, device, precision and seed are the study's. */
  readonly settings: Readonly<Record<string, Json>>;
}

/** What a source needs beside photos: nothing, the study's diffusion model, or that and a learned word for each class. */
export type SourceNeed = "photos" | "model" | "words";

/** A way in which a source makes images. Its name is on each image's line: no two sources share one. */
export interface SourceRecipe {
  /** What people call its images. */
  readonly title: string;
  /** Whether a strength can be asked for: nearer to the photo where it is small. */
  readonly hasStrength: boolean;
  /** Lowest and highest strength. Default: the smallest that takes a step of the diffusion model, and 1. */
  readonly range?: readonly [number, number];
  /** Whether another attempt gives another image. */
  readonly hasChance: boolean;
}

/**
 * Where images for training come from: an entry of the table. Arms take positives and negatives from it by its name;
 * configuration, stages and report follow from what it says here.
 */
export interface ImageSource<Section = Json, Settings extends Json = Json> {
  /** What people call its images, as in "faithful redraws". */
  readonly title: string;
  /** One sentence for people: of its section in the configuration, for example. */
  readonly description: string;
  /** What its images are meant to be. An arm may use them as the other kind: a control. */
  readonly kind: ImageKind;
  readonly needs: SourceNeed;
  /** Whether encoders of real photos alone decide about its images while they are drawn. */
  readonly needsJudges?: boolean;
  /** The source whose images it sifts; without, its images come as they are drawn. */
  readonly sifts?: string;
  /** Raised whenever the code would make other images from the same settings. */
  readonly version: number;
  readonly recipes: Readonly<Record<string, SourceRecipe>>;
  /** Its section of the configuration, `sources.NAME`; null for one that reads other sections. */
  readonly section: z.ZodType<Section> | null;
  /** All settings that decide about its images; they are hashed, and handed on as `work.settings`. */
  settings(study: SourceStudy, section: Section): Settings;
  /** Hashes of what lies outside and decides about its images, such as weights of its own. Default: nothing. */
  inputs?(study: SourceStudy, section: Section): Promise<Readonly<Record<string, string>>>;
  /** What is trained on the photos of a seed before it draws; null: nothing. Sources with the same training share it. */
  trains?(section: Section): SourceTraining | null;
  /**
   * A folder of images that it takes as they are, relative to the configuration. They are hashed, and none is used that
   * gives a photo away which a seed does not train on.
   */
  brings?(section: Section): { readonly folder: string; readonly kind: ImageKind };
  /** Every image that a study wants of it, at the first attempt. */
  requests(work: SourceWork<Settings>): ImageRequest[];
  /**
   * Draws what is requested and is not there yet (`drawImages`), and returns the lines in the requests' order. An image
   * depends on settings, seed, photo and request alone, never on what else is requested.
   */
  draw(work: SourceWork<Settings>, requests: readonly ImageRequest[]): Promise<readonly ImageLine[]>;
}

/** An entry of the table whose settings are typed. */
export function defineSource<Section, Settings extends Json>(
  source: ImageSource<Section, Settings>,
): ImageSource {
  return source as unknown as ImageSource;
}
