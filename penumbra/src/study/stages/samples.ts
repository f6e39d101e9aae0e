import type { Tensor } from "@penumbra/torch";
import { fuseViews, type LinearProbe } from "../../contrast/index.ts";
import type { Split, SplitName } from "../../data/index.ts";
import type { ScoredPart } from "../../results/index.ts";
import { labelsOf } from "./context.ts";
import { splitNames } from "./split.ts";

/** Features and logits of one part of a split, a row per photo or per object, and whose rows they are. */
export interface PartSamples {
  readonly ids: readonly string[];
  readonly objects: readonly string[];
  readonly classNames: readonly string[];
  readonly labels: readonly number[];
  /** [N, D]; absent where the part is empty. */
  readonly features?: Tensor;
  /** [N, C]. */
  readonly logits?: Tensor;
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
    const features = tensors[name];
    return {
      ids: photos.map(({ id }) => id),
      objects: photos.map(({ object }) => object),
      classNames: photos.map(({ className }) => className),
      labels: labelsOf(photos, classes),
      ...(features && { features, logits: probe.logits(features) }),
    };
  };
  return Object.fromEntries(splitNames.map((name) => [name, part(name)])) as Record<SplitName, PartSamples>;
}

/** All views of an object fused into one: the mean of their features, and the probe on it. */
export function objectSamples(photos: UnitSamples, probe: LinearProbe): UnitSamples {
  const fuse = (part: PartSamples): PartSamples => {
    if (!part.features) return part;
    const { rows, objects } = fuseViews(part.features, part.objects);
    const first = objects.map((name) => part.objects.indexOf(name));
    return {
      ids: objects,
      objects,
      classNames: first.map((index) => part.classNames[index] ?? ""),
      labels: first.map((index) => part.labels[index] ?? -1),
      features: rows,
      logits: probe.logits(rows),
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
