/**
 * What a study found, as plain data: `results.jsonl` and `report.json` hold it, `report/` draws it. Images are paths
 * relative to the run folder.
 */

import type { AuditResult } from "./audit.ts";
import type { ArmDesign, Question } from "./design.ts";
import type { Language } from "./language.ts";

import type { SiftResult } from "./sifted.ts";
import type { Interval, SignFlip } from "./statistics.ts";

export type Unit = "photo" | "object";
export type UnknownRole = "near" | "far";

/** One line of results.jsonl: how well an arm names the known classes. */
export interface ClassificationResult {
  readonly kind: "classification";
  readonly arm: string;
  readonly seed: number;
  /** Objects of each class that were learned from. */
  readonly shots: number;
  /** Single photos, or all photos of an object fused. */
  readonly unit: Unit;
  readonly accuracy: number;
  /** Mean over classes of their accuracy: what it would be if all had as many test items. */
  readonly balancedAccuracy: number;
  /** Share whose class is among the five likeliest. */
  readonly top5: number;
  readonly macroF1: number;
  readonly nll: number;
  readonly brier: number;
  readonly ece: number;
  readonly classwiseEce: number;
  readonly adaptiveEce: number;
  /** Area under the risk-coverage curve by the largest probability; lower is better. */
  readonly aurc: number;
  readonly items: number;
  readonly classes: readonly ClassResult[];
}

/** How well one class is named. */
export interface ClassResult {
  readonly className: string;
  readonly items: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** One line of results.jsonl: how well a detector tells known from unknown. `unknownClass` null = mean over classes. */
export interface UnknownsResult {
  readonly kind: "unknowns";
  readonly arm: string;
  readonly seed: number;
  readonly shots: number;
  readonly unit: Unit;
  readonly detector: string;
  /** Of objects: what their views become one by: their features' mean, their scores' mean, or the least known view. */
  readonly views: "single" | "features" | "mean" | "worst";
  /**
   * Validation figures and those of stand-ins (where there are no validation unknowns) only ever choose; test figures
   * only ever report. The class of a stand-in is its kind.
   */
  readonly part: "validation" | "standIns" | "test";
  readonly role: UnknownRole;
  readonly unknownClass: string | null;
  readonly auroc: number;
  readonly auprIn: number;
  readonly auprOut: number;
  readonly fpr95OodPositive: number;
  readonly fpr95IdPositive: number;
  /** Area under the curve of the correct classification rate over the false positive rate. */
  readonly oscr: number;
  /** Share of the known that are named right and not flagged where a tenth of the unknown pass; and a hundredth. */
  readonly ccrAtFpr10: number;
  readonly ccrAtFpr1: number;
}

/**
 * One line of results.jsonl: how well a detector tells the known test items from images of a recipe, made of photos that
 * no arm learns from. Detection of unknowns is told by real ones; this says what an arm learned of how images are made.
 */
export interface SyntheticResult extends Omit<UnknownsResult, "kind" | "part" | "role" | "unknownClass"> {
  readonly kind: "synthetic";
  readonly recipe: string;
  /** Whether the arm learned from images of this recipe, made of its training photos. */
  readonly isSeen: boolean;
}

/** One line of results.jsonl: one candidate for the settings of a detector. */
export interface TrialResult {
  readonly kind: "trial";
  readonly arm: string;
  readonly seed: number;
  readonly shots: number;
  readonly unit: Unit;
  readonly detector: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** What the choice was made by; null where there was nothing and the first candidate was taken. */
  readonly chosenBy: "validation" | "standIns" | null;
  /** Mean AUROC of the known validation items against these; null where there is none. */
  readonly auroc: number | null;
  readonly isChosen: boolean;
}

/** The penalty of an arm's linear classifier, chosen on validation photos. */
export interface ProbeChoice {
  readonly arm: string;
  readonly seed: number;
  /** The chosen one. */
  readonly l2: number;
  /** Every candidate: accuracy on validation photos, 0..1, and their negative log-likelihood in nats. */
  readonly trials: readonly { readonly l2: number; readonly accuracy: number; readonly nll: number }[];
}

export type ResultLine = ClassificationResult | UnknownsResult | SyntheticResult | TrialResult;

/** The figures that the answer is about; all are better when larger. */
export const outcomes = ["accuracy", "near", "far"] as const;
export type OutcomeName = (typeof outcomes)[number];

export type Verdict = "better" | "worse" | "same" | "undecided";

/** How much better one side of a contrast is than the other. */
export interface Difference {
  /** Difference per seed, in the order of `seeds`; 0.01 = one point. */
  readonly perSeed: readonly number[];
  readonly mean: number;
  /**
   * Over seeds and test objects: would other training photos, other first weights and other objects say the same? It
   * decides. Null with one seed.
   */
  readonly interval: Interval | null;
  /** Student's t over seeds alone, for these very test objects. Null with one seed. */
  readonly overSeeds: Interval | null;
  /** Bootstrap over test objects, for these very trainings. */
  readonly overObjects: Interval | null;
  /** Two-sided, of `interval`; not adjusted for the number of questions. Null with one seed. */
  readonly pValue: number | null;
  /** Variance of the mean that is due to the test objects: what more seeds cannot take away. */
  readonly objectVariance: number;
  /** Objects that were redrawn. */
  readonly objects: number;
}

/** One question of the study and what the numbers say to it. */
export interface Comparison extends Difference {
  /** Name of a question of the outcome. */
  readonly question: string;
  readonly outcome: OutcomeName;
  readonly unit: Unit;
  readonly verdict: Verdict;
}

/** What a study was made to test: an entry of `HYPOTHESES` for one objective and one kind of images. */
export interface HypothesisResult extends Difference {
  /** H1, H2, … */
  readonly name: string;
  /** The source of the images; null where it is about two kinds together. */
  readonly source: string | null;
  /** What negatives are used as; null where it is not about negatives. */
  readonly use: string | null;
  /** Arms whose mean is held against that of the others. */
  readonly treatment: readonly string[];
  readonly control: readonly string[];
  readonly objective: string;
  readonly outcome: OutcomeName;
  /** Of the interval over seeds and objects, after Holm's correction over all of the study's; null with one seed. */
  readonly adjustedPValue: number | null;
  /** Sign flips of the seeds' differences. */
  readonly signFlip: SignFlip;
  readonly verdict: HypothesisVerdict;
  readonly power: Power | null;
}

/**
 * `supported`, `contradicted`: told from chance in this direction and in the other; `equivalent`: the interval lies
 * within the margin; `undecided` anything else.
 */
export type HypothesisVerdict = "supported" | "contradicted" | "equivalent" | "undecided";

/** What it would take to decide, if the true difference were the one that was measured. */
export interface Power {
  /** The difference that a study of this size finds in four of five repetitions; 0.01 = one point. Null: none at all. */
  readonly detectable: number | null;
  /** Seeds that would find the measured difference in four of five repetitions; null where no number of them would. */
  readonly seeds: number | null;
  /** How many times as many test objects that would need, where seeds cannot do it. */
  readonly objectFactor: number | null;
}

/** A study that is decided seed by seed: which look at its figures this is, and for how many its level is shared. */
export interface Looks {
  readonly taken: number;
  readonly planned: number;
}

/** A figure of an arm with a number of objects to learn from: a point of its learning curve. */
export interface ArmLevel {
  readonly arm: string;
  readonly shots: number;
  readonly outcome: OutcomeName;
  readonly unit: Unit;
  /** In the order of the seeds, 0..1. */
  readonly perSeed: readonly number[];
  readonly mean: number;
  /** Over seeds and test objects; null with one seed. */
  readonly interval: Interval | null;
}

/** What a study found with another number of shots than its answer is about, by the same detector on the same test. */
export interface ShotsOutcome {
  readonly shots: number;
  readonly comparisons: readonly Comparison[];
  /** Corrected for their own number (Holm), not for that of all shots. */
  readonly hypotheses: readonly HypothesisResult[];
  readonly results: readonly ResultLine[];
  /** Of every source that was sifted. */
  readonly sifted: readonly Pick<SiftResult, "source" | "recipes">[];
}

export interface CurvePoint {
  readonly step: number;
  readonly loss: number;
}

/** A look at training and validation photos during training. */
export interface EvaluationPoint {
  readonly step: number;
  readonly train: EvaluatedFigures;
  readonly validation: EvaluatedFigures;
}

export interface EvaluatedFigures {
  /** The objective's loss, without redraws and negatives. */
  readonly loss: number;
  /** Of the nearest class mean. */
  readonly accuracy: number;
}

export interface Curve {
  readonly arm: string;
  readonly seed: number;
  readonly points: readonly CurvePoint[];
  /** Empty where the study looked at none. */
  readonly evaluations: readonly EvaluationPoint[];
  /** Steps after which the weights were as they are. */
  readonly keptStep: number;
  /** Set where the loss ended where an encoder that has learned nothing stands. */
  readonly collapse: { readonly plateau: number; readonly message: string } | null;
}

/** How learning the words of a seed went: losses of the denoiser, per sample. */
export interface WordsCurve {
  readonly seed: number;
  readonly looks: readonly {
    readonly step: number;
    /** Of photos that were learned from since the last look. */
    readonly training: number;
    /** Of validation photos, the same samples every time. */
    readonly heldOut: number;
  }[];
  /** Steps after which the words were as they are. */
  readonly keptStep: number;
}

/** A synthetic image on the sheet. */
export interface SheetImage {
  readonly image: string;
  readonly recipe: string;
  /** Null for recipes without one. */
  readonly strength: number | null;
  /** The noise level that the strength of a redraw means; null where no noise was added. */
  readonly timestep: number | null;
  /** Share of the photo's latent that survives the noise, sqrt(alphas_cumprod); null for what is no redraw. */
  readonly signal: number | null;
  readonly wordClass: string;
}

export interface SheetRow {
  readonly className: string;
  readonly photo: string;
  /** One of each recipe and strength, in the order of the recipes. */
  readonly redraws: readonly SheetImage[];
}

/** A picture of photos and what augmentation makes of them: each row a photo, then its random versions. */
export interface AugmentationSheet {
  readonly image: string;
  readonly photos: number;
  readonly versions: number;
}

/** How many redraws of a recipe and strength still look known to an encoder that saw real photos alone. */
export interface NearnessRow {
  readonly recipe: string;
  /** Null for recipes without one. */
  readonly strength: number | null;
  readonly images: number;
  /** 0..1, mean over seeds. */
  readonly insideShare: number;
  /** Beside known validation photos, mean over seeds; missing in studies from before it was measured. */
  readonly quality?: ImageQuality;
}

/** What the images of a source are like, and what they cost; over all seeds. */
export interface SourceFigures {
  readonly source: string;
  readonly images: number;
  /** As in {@link NearnessRow}; null where no arm without synthetic images could judge. */
  readonly insideShare: number | null;
  readonly quality: ImageQuality | null;
  /** What was learned before drawing: means over seeds, of memory the most; null where nothing was. */
  readonly training: {
    readonly steps: number;
    readonly seconds: number;
    readonly peakMemoryBytes: number;
    /** Jensen-Shannon divergence that the discriminator sees, in nats; null where there is none. */
    readonly divergence: number | null;
    /** Seeds at which it drew nearly one image over and over, and how different images were there, photos being 1. */
    readonly collapsed: readonly { readonly seed: number; readonly diversity: number }[];
  } | null;
  /** Of drawing. */
  readonly drawing: { readonly seconds: number; readonly peakMemoryBytes: number };
}

/** How far images are from photos, by the features of the encoder that judges; null where there are too few. */
export interface ImageQuality {
  readonly fid: number | null;
  readonly kid: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
}

export interface Histogram {
  readonly arm: string;
  /** Edges of the bins, one more than counts. */
  readonly edges: readonly number[];
  /** Share of the known, near and far test photos in each bin, over all seeds. */
  readonly known: readonly number[];
  readonly near: readonly number[];
  readonly far: readonly number[];
}

export interface Confusion {
  readonly arm: string;
  readonly classes: readonly string[];
  /** counts[truth][answer], over all seeds. */
  readonly counts: readonly (readonly number[])[];
}

export interface Mistake {
  readonly kind: "wrong class" | "near called known" | "far called known" | "known called unknown";
  readonly image: string;
  readonly id: string;
  readonly object: string;
  readonly truth: string;
  readonly answer: string;
  readonly probability: number;
  /** Share of known validation photos whose score is lower, 0..1: what "called known" is judged by. */
  readonly knownness: number;
  readonly seed: number;
}

/** What a share of photos is, over seeds. */
export interface OperatingShare {
  /** In the order of the seeds, 0..1. */
  readonly perSeed: readonly number[];
  readonly mean: number;
  /** Bootstrap over objects of the validation and the test; null where it found no figure. */
  readonly interval: Interval | null;
}

/** What an arm does where its threshold is set for use. */
export interface OperatingPoint {
  readonly arm: string;
  /** Share of the known validation photos that the threshold keeps. */
  readonly keep: number;
  /** Known test photos that are kept. */
  readonly known: OperatingShare;
  /** Unknown ones that are called unknown; null where there are none. */
  readonly near: OperatingShare | null;
  readonly far: OperatingShare | null;
}

export interface RatePoint {
  readonly x: number;
  readonly y: number;
}

/** Curves of an arm, each a mean over seeds. */
export interface RateCurve {
  readonly arm: string;
  /** ROC: known photos kept over unknown ones let through; null where there are none. */
  readonly near: readonly RatePoint[] | null;
  readonly far: readonly RatePoint[] | null;
  /** Wrong names over answers given, the surest first. */
  readonly risk: readonly RatePoint[];
}

/** What a dot on a map is. */
export type MapKind = "train" | "known" | "near" | "far" | "faithful" | "nearOod";
export type MapPoint = readonly [number, number];

/**
 * How features become a picture: `pca`, the plane in which those of known photos differ most; `umap`, a layout that puts
 * neighbours together.
 */
export const mapMethods = ["pca", "umap"] as const;
export type MapMethod = (typeof mapMethods)[number];

/** Where an encoder puts images. */
export type FeatureMap = PrincipalMap | NeighbourMap;

interface ShownFeatures {
  readonly arm: string;
  readonly seed: number;
  readonly points: Readonly<Partial<Record<MapKind, readonly MapPoint[]>>>;
}

export interface PrincipalMap extends ShownFeatures {
  /** Missing in studies from before there was another. */
  readonly method?: "pca";
  /** Share of the known photos' variance along each axis. */
  readonly explained: readonly [number, number];
}

/** Its axes mean nothing. */
export interface NeighbourMap extends ShownFeatures {
  readonly method: "umap";
  /** Images whose nearness was kept, each itself among them. */
  readonly neighbours: number;
}

export interface StageRecord {
  readonly stage: string;
  readonly label: string;
  readonly seconds: number;
  readonly isReused: boolean;
  readonly starts: number;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly device: string;
  readonly precision: "fp32" | "bf16" | "fp16";
  /** Why this precision. */
  readonly precisionReason: string;
  readonly node: string;
  readonly libtorch: string;
  readonly penumbra: string;
}

export interface PhotoSummary {
  readonly root: string;
  readonly known: { readonly classes: number; readonly objects: number; readonly photos: number };
  readonly near: { readonly classes: number; readonly objects: number; readonly photos: number };
  readonly far: { readonly classes: number; readonly objects: number; readonly photos: number };
  /** Photos per part at the first seed. */
  readonly parts: Readonly<Record<string, number>>;
  /** What was left out, and why. */
  readonly problems: readonly string[];
  /** What about the photos as a whole limits what the study can say. */
  readonly warnings: readonly string[];
}

/** How encoders were trained, as a methods paragraph says it. */
export interface TrainingSummary {
  /** Pixels of a side. */
  readonly imageSize: number;
  readonly network: string;
  readonly isPretrained: boolean;
  /** How far: full, last-N, head or frozen. */
  readonly trained: string;
  readonly steps: number;
  readonly batchSize: number;
  /** Objects of a class to learn from, as the answer has it, and those set aside for choices. */
  readonly shots: number;
  readonly validation: number;
}

/** A thing of one of the house's tables, and what people call it. */
export interface Titled {
  readonly name: string;
  readonly title: string;
}

/** Raised whenever `Outcome` changes so that a page cannot be made of an older `report.json`. */
export const OUTCOME_FORMAT = 10;

/** Everything the report shows; `report.json`. */
export interface Outcome {
  readonly format: typeof OUTCOME_FORMAT;
  readonly name: string;
  readonly createdAt: string;
  readonly arms: readonly (ArmDesign & Titled & { readonly description: string })[];
  /** What the arms can answer. */
  readonly questions: readonly Question[];
  /** The images that an arm's positives and negatives can be. */
  readonly sources: readonly Titled[];
  /** What encoders are trained for, and what negatives are used as. */
  readonly objectives: readonly Titled[];
  readonly uses: readonly Titled[];
  readonly detectors: readonly Titled[];
  readonly recipes: readonly (Titled & { readonly kind: "faithful" | "near-ood" })[];
  readonly seeds: readonly number[];
  /** The detector that the answer's near and far figures are of, and how it was chosen. */
  readonly detector: string;
  readonly detectorReason: string;
  readonly unit: Unit;
  readonly confidence: number;
  readonly margin: number;
  /** Null where the figures were looked at once, at the end. */
  readonly looks: Looks | null;
  /** How often figures of the same photos' test were looked at before, with other settings, in runs beside this one. */
  readonly earlierOpenings: number;
  /** How often these looked at their figures: more than once each where they were decided seed by seed. */
  readonly earlierLooks: number;
  /** What the study's pages are written in where nothing else is asked for. */
  readonly language: Language;
  readonly comparisons: readonly Comparison[];
  /** Empty where the arms cannot test any. */
  readonly hypotheses: readonly HypothesisResult[];
  readonly results: readonly ResultLine[];
  /**
   * Of each arm, the mean over seeds and classes of its accuracy on the known validation photos: arms are chosen by it
   * where there are no unknowns for that. Reports of earlier versions lack it.
   */
  readonly validationAccuracies?: readonly { readonly arm: string; readonly accuracy: number }[];
  /** Of every arm and seed; missing in reports of earlier versions. */
  readonly probes?: readonly ProbeChoice[];
  /** The other numbers of shots, the fewest first; empty where the study has one. */
  readonly otherShots: readonly ShotsOutcome[];
  /** Of every arm with every number of shots; empty where the study has one. */
  readonly levels: readonly ArmLevel[];
  readonly curves: readonly Curve[];
  /** Of every seed whose words were looked at while they were learned; missing in studies from before it was kept. */
  readonly wordsCurves?: readonly WordsCurve[];
  readonly sheet: readonly SheetRow[];
  /** Of every arm and seed; empty where no image was made. */
  readonly audits: readonly AuditResult[];
  /** Of every source that was sifted. */
  readonly sifted: readonly SiftResult[];
  /** What an image that was sifted may be. */
  readonly imageRoles: readonly Titled[];
  /** Null where nothing is trained. */
  readonly augmentation: AugmentationSheet | null;
  /** Empty where no arm without synthetic images could judge. */
  readonly nearness: readonly NearnessRow[];
  /** Of every source that was not sifted; missing in studies from before it was measured. */
  readonly sourceFigures?: readonly SourceFigures[];
  readonly histograms: readonly Histogram[];
  readonly confusions: readonly Confusion[];
  readonly operatingPoints: readonly OperatingPoint[];
  readonly rateCurves: readonly RateCurve[];
  /** Of the first seed. */
  readonly featureMaps: readonly FeatureMap[];
  /** The arm whose mistakes are shown, and the mistakes. */
  readonly mistakesArm: string;
  readonly mistakes: readonly Mistake[];
  readonly photos: PhotoSummary;
  readonly training: TrainingSummary;
  /** Null where no arm has synthetic images. */
  readonly model: { readonly name: string; readonly hash: string } | null;
  readonly machine: Machine;
  readonly stages: readonly StageRecord[];
  readonly peakMemoryBytes: number;
  /** The command that makes a classifier of the arm that the study speaks for, from where the study was started. */
  readonly trainCommand: string;
  /** The configuration file as it was run. */
  readonly configuration: string;
}
