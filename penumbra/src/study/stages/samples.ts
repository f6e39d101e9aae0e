import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { fuseViews, type LinearProbe } from "../../contrast/index.ts";
import type { Split, SplitName } from "../../data/index.ts";
import type { ScoredPart } from "../../results/index.ts";
import type { Given, Network, Samples } from "../../unknowns/index.ts";
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
  readonly evidence: PartEvidence | null;
  /** Decodes the part's photos, where a detector looks at them: uint8 [N, 3, H, W], the caller's to release. */
  readonly pixels?: () => Promise<Tensor>;
}

/** Features, logits and classifier are always there; pixels and the network only where a detector looks at them. */
export type PartEvidence = Given<"features" | "logits" | "stages" | "classifier"> & Samples;

export type UnitSamples = Readonly<Record<"train" | ScoredPart, PartSamples>>;

/** What the photos of a split are seen by. */
export interface PhotoEvidence {
  /** What the features artifact holds. */
  readonly features: Readonly<Record<string, Tensor>>;
  readonly probe: LinearProbe;
  /** The encoder and the way to the pixels of each part, where a detector looks at them. */
  readonly network?: {
    readonly forward: Network;
    pixels(part: SplitName): Promise<Tensor>;
  };
}

/** A row per photo, beside the parts that are images of another origin. */
export function photoSamples(
  split: Split,
  { features, probe, network }: PhotoEvidence,
  others: Pick<UnitSamples, "standIns" | "synthetic">,
  classes: readonly string[],
): UnitSamples {
  const part = (name: SplitName): PartSamples => {
    const photos = split[name];
    return {
      ids: photos.map(({ id }) => id),
      objects: photos.map(({ object }) => object),
      classNames: photos.map(({ className }) => className),
      labels: labelsOf(photos, classes),
      evidence:
        photos.length === 0
          ? null
          : {
              ...evidenceOf(stageFeatures(features, name), probe),
              ...(network && { network: network.forward }),
            },
      ...(network && { pixels: () => network.pixels(name) }),
    };
  };
  const parts = Object.fromEntries(splitNames.map((name) => [name, part(name)]));
  return { ...(parts as Record<SplitName, PartSamples>), ...others };
}

/** A part without items. */
export const NO_SAMPLES: PartSamples = { ids: [], objects: [], classNames: [], labels: [], evidence: null };

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
    standIns: fuse(photos.standIns),
    nearTest: fuse(photos.nearTest),
    farTest: fuse(photos.farTest),
    synthetic: fuse(photos.synthetic),
  };
}

/** What the features of all stages say by the probe; the last stage's are the features. */
export function evidenceOf(stages: readonly Tensor[], probe: LinearProbe): PartEvidence {
  const features = stages.at(-1);
  if (!features) {
    throw new Error(
      "The features of a part that has photos are missing. Remove the run's features artifacts.",
    );
  }
  return { features, stages, logits: probe.logits(features), classifier: probe };
}

/** A part as detectors take it. */
export function samplesOf({ evidence, labels, objects }: PartSamples): Samples {
  return { ...evidence, labels, objects };
}

/** A part's items by their class, a part for each: of stand-ins, one for each kind. */
export function partsByClass(part: PartSamples): PartSamples[] {
  const { evidence, classNames } = part;
  if (!evidence) return [];
  return [...new Set(classNames)].map((name): PartSamples => {
    const places = classNames.flatMap((other, index) => (other === name ? [index] : []));
    const rows = torch.tensor(places, { dtype: "int64" });
    const pick = (tensor: Tensor) => tensor.indexSelect(0, rows);
    const choose = <T>(list: readonly T[]) => places.map((place) => list[place] as T);
    const { features, logits, stages, pixels } = evidence;
    return {
      ids: choose(part.ids),
      objects: choose(part.objects),
      classNames: choose(classNames),
      labels: choose(part.labels),
      evidence: {
        ...evidence,
        ...{ features: pick(features), logits: pick(logits), stages: stages.map(pick) },
        ...(pixels && { pixels: pick(pixels) }),
      },
    };
  });
}
