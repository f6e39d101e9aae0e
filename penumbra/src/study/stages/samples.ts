import type { Tensor } from "@penumbra/torch";
import { fuseViews, type LinearProbe } from "../../contrast/index.ts";
import type { Split, SplitName } from "../../data/index.ts";
import type { ScoredPart } from "../../results/index.ts";
import type { Samples } from "../../unknowns/index.ts";
import { labelsOf } from "./context.ts";
import { stageFeatures } from "./features.ts";
import { splitNames } from "./split.ts";

/** One part of a split as detectors see it, a row per photo or per object, and whose rows they are. */
export interface PartSamples {
  readonly ids: readonly string[];
  readonly objects: readonly string[];
  readonly classNames: readonly string[];
  readonly labels: readonly number[];
  /** What detectors can look at; null where the part is empty. */
  readonly evidence: (Samples & Required<Pick<Samples, "features" | "logits" | "stages">>) | null;
}

export type UnitSamples = Readonly<Record<"train" | ScoredPart, PartSamples>>;

/** A row per photo. */
export function photoSamples(
  split: Split,
  tensors: Readonly<Record<string, Tensor>>,
  probe: LinearProbe,
  classes: readonly string[],
): UnitSamples {
  const part = (name: SplitName): PartSamples => {
    const photos = split[name];
    return {
      ids: photos.map(({ id }) => id),
      objects: photos.map(({ object }) => object),
      classNames: photos.map(({ className }) => className),
      labels: labelsOf(photos, classes),
      evidence: photos.length === 0 ? null : evidenceOf(stageFeatures(tensors, name), probe),
    };
  };
  return Object.fromEntries(splitNames.map((name) => [name, part(name)])) as Record<SplitName, PartSamples>;
}

/** All views of an object fused into one: the mean of their features, and the probe on it. */
export function objectSamples(photos: UnitSamples, probe: LinearProbe): UnitSamples {
  const fuse = (part: PartSamples): PartSamples => {
    if (!part.evidence) return part;
    const stages = part.evidence.stages.map((stage) => fuseViews(stage, part.objects).rows);
    const first = new Map(part.objects.map((name, index) => [name, index] as const).reverse());
    const places = [...new Set(part.objects)].map((name) => first.get(name) as number);
    return {
      ids: places.map((place) => part.objects[place] as string),
      objects: places.map((place) => part.objects[place] as string),
      classNames: places.map((place) => part.classNames[place] as string),
      labels: places.map((place) => part.labels[place] as number),
      evidence: evidenceOf(stages, probe),
    };
  };
  return {
    // Views are fused for what is judged; the detectors learn from single photos, of which there are more.
    train: photos.train,
    validation: fuse(photos.validation),
    test: fuse(photos.test),
    nearValidation: fuse(photos.nearValidation),
    nearTest: fuse(photos.nearTest),
    farTest: fuse(photos.farTest),
  };
}

/** What the features of all stages say by the probe; the last stage's are the features. */
function evidenceOf(stages: readonly Tensor[], probe: LinearProbe): PartSamples["evidence"] {
  const features = stages.at(-1);
  if (!features) {
    throw new Error(
      "The features of a part that has photos are missing. Remove the run's features artifacts.",
    );
  }
  return { features, stages, logits: probe.logits(features), classifier: probe };
}
