import type { Tensor } from "@penumbra/torch";
import { z } from "zod";
import { UnknownsError } from "../errors.ts";
import { type DetectorState, defineDetector, type KnownImages, numberOf, tensorOf } from "./detector.ts";
import { entropyDensity, nearestMean, type ShrinkageOptions, sharedGaussians } from "./gaussians.ts";
import type { Sharing } from "./shared.ts";
import { joined, lastStages, type StagesOptions, takeLast } from "./stages.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

export interface MultiLayerMahalanobisOptions extends StagesOptions, ShrinkageOptions {
  /**
   * "joint": one covariance of all stages, each of length 1, so that what they say together counts. "mm++": the same of
   * the last stage and those at which the entropy of the features falls most ({@link entropyDensity}): `last` is their
   * number, the last one included. "per-layer": the sum of the stages' distances (Lee et al. 2018, section 2.2). Default
   * "joint".
   *
   * Where MM++ is from: one shrunk covariance of the last layer and of those where the entropy density drops is what the
   * abstract says (arXiv 2606.17352); H/D as that density, and its reason, what the authors answered their reviewers; the
   * floor of the eigenvalues, the order of the falls and the concatenation of unweighted layers, for transformers too,
   * what the code behind their tables does. That code can also add up layers of equal width, weighted by their falls,
   * which none of those tables has: not offered here. It fills up with stages where nothing falls; here they stay out.
   */
  readonly fusion?: (typeof FUSIONS)[number];
  /** Of "per-layer": the weight of each counted stage, first to last. Default 1 each. */
  readonly weights?: readonly number[];
}

const FUSIONS = ["joint", "per-layer", "mm++"] as const;

/** Mahalanobis distance over several stages of the encoder, by one shrunk covariance of them all or layer by layer. */
export const multiLayerMahalanobis = defineDetector({
  title: "Multi-layer Mahalanobis",
  description: "Mahalanobis distance over the features of several stages, with one covariance or one each",
  needs: ["stages"],
  fitsOn: "train",
  tuning: everyCombination<MultiLayerMahalanobisOptions>({
    fusion: candidatesFor(
      z.enum(FUSIONS),
      "Candidates: one covariance of all stages (joint), the sum of the stages' distances (per-layer), or one covariance of the last stage and those at which the features' entropy falls most (mm++)",
      ["joint", "per-layer", "mm++"],
    ),
    last: lastStages,
  }),
  learn: (given, options: MultiLayerMahalanobisOptions) => {
    const { stages } = given;
    const { fusion = "joint", last = stages.length, weights, ...shrinkage } = options;
    const places = fusion === "mm++" ? compressingStages(given, last) : takeLast([...stages.keys()], last);
    const counted = places.map((place) => stages[place] as Tensor);
    const rows = fusion === "per-layer" ? counted : [joined(counted)];
    // From the last one back, so that the features go by one name for all detectors.
    const nameOf = (place: number) => (place === stages.length - 1 ? "features" : `stage ${place}`);
    const names = places.map(nameOf);
    const scales = weights ?? rows.map(() => 1);
    if (scales.length !== rows.length) {
      throw new UnknownsError(
        `Multi-layer Mahalanobis got ${scales.length} weights for ${rows.length} layers (fusion "${fusion}"). Pass one a layer.`,
      );
    }
    const layers = rows.map((layer, index) => {
      const name = fusion === "per-layer" ? (names[index] as string) : `joined ${names.join(", ")}`;
      return [index, sharedGaussians(given, name, layer, shrinkage)] as const;
    });
    return {
      numbers: {
        ...{ last: places.length, isJoint: Number(fusion !== "per-layer") },
        ...(fusion === "mm++" && Object.fromEntries(places.map((place, index) => [`stage${index}`, place]))),
        ...Object.fromEntries(layers.map(([index, { share }]) => [`shrinkage${index}`, share])),
        ...Object.fromEntries(scales.map((weight, index) => [`weight${index}`, weight])),
      },
      tensors: Object.fromEntries(
        layers.flatMap(([index, { means, factor }]) => [
          [`means${index}`, means],
          [`factor${index}`, factor],
        ]),
      ),
    };
  },
  score: (state, { stages }) => {
    const counted = countedStages(state, stages);
    const rows = numberOf(state, "isJoint") ? [joined(counted)] : counted;
    return rows
      .map((layer, index) =>
        nearestMean(layer, tensorOf(state, `means${index}`), tensorOf(state, `factor${index}`)).mul(
          numberOf(state, `weight${index}`),
        ),
      )
      .reduce((sum, next) => sum.add(next))
      .neg();
  },
});

/** The stages that a fitted detector counts: those it chose, else the last ones. */
export function countedStages<T>(state: DetectorState, stages: readonly T[]): readonly T[] {
  const last = numberOf(state, "last");
  if (!("stage0" in state.numbers)) return takeLast(stages, last);
  return Array.from({ length: last }, (_, index) => stages[numberOf(state, `stage${index}`)] as T);
}

/**
 * The places of the last stage and of up to count - 1 others, first to last: those with the largest fall of the entropy
 * density from the stage before, Delta_l = H_{l-1}/D_{l-1} - H_l/D_l, where it falls.
 */
function compressingStages(
  { stages, labels, once }: { readonly stages: readonly Tensor[] } & KnownImages & Sharing,
  count: number,
): number[] {
  takeLast(stages, count); // refuses what is no number of stages
  const known = labels(stages[0]?.shape[0] as number);
  const densities = stages.map((rows, place) =>
    once(`entropy density of stage ${place}`, () => ({ value: entropyDensity(unitRows(rows), known) })),
  );
  const end = stages.length - 1;
  const falls = densities.map(({ value }, place) => (densities[place - 1]?.value ?? value) - value);
  const others = [...falls.keys()]
    .filter((place) => place < end && (falls[place] as number) > 0)
    .sort((a, b) => (falls[b] as number) - (falls[a] as number))
    .slice(0, count - 1);
  return [...others, end].sort((a, b) => a - b);
}
