import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { classMeans, fitGaussians } from "./gaussians.ts";
import { quantile } from "./quantile.ts";
import { WITHOUT_MATRIX_PRODUCT } from "./samples.ts";

/** What a measure has learned, by name. */
export type MeasureState = Readonly<Record<string, Tensor>>;

/** Distance of images to classes in one feature space. To add one: an entry in the table. */
export interface Measure {
  readonly title: string;
  /**
   * @param rows float64 [N, D], of real photos
   * @param labels class of each; every class 0 … C - 1 occurs
   */
  fit(rows: Tensor, labels: readonly number[]): MeasureState;
  /** Of rows [M, D] to each class, [M, C]. */
  distances(state: MeasureState, rows: Tensor): Tensor;
}

function part(state: MeasureState, name: string): Tensor {
  const tensor = state[name];
  if (!tensor) throw new RangeError(`The state of the measure has no ${name}: it is of another measure.`);
  return tensor;
}

/** To the nearest photo of the class (Sun et al. 2022, k = 1). */
const nearestPhoto: Measure = {
  title: "nearest photo",
  fit(rows, labels) {
    const classes = Array.from({ length: 1 + Math.max(...labels) }, (_, label) => label);
    const places = classes.map((label) => labels.flatMap((own, row) => (own === label ? [row] : [])));
    return {
      bank: rows.indexSelect(0, torch.tensor(places.flat(), { dtype: "int64" })), // class by class
      counts: torch.tensor(
        places.map(({ length }) => length),
        { dtype: "float64" },
      ),
    };
  },
  distances: (state, rows) =>
    scope(() =>
      torch.stack(
        part(state, "bank")
          .splitWithSizes(part(state, "counts").toNumbers())
          .map((bank) => torch.cdist(rows, bank, { computeMode: WITHOUT_MATRIX_PRODUCT }).amin({ dim: [1] })),
        { dim: 1 },
      ),
    ),
};

/** To the mean of the class's photos. */
const classMean: Measure = {
  title: "class mean",
  fit: (rows, labels) => ({ means: classMeans(rows, labels).means }),
  distances: (state, rows) =>
    torch.cdist(rows, part(state, "means"), { computeMode: WITHOUT_MATRIX_PRODUCT }),
};

/** To the class's mean under one shrunk covariance of all classes (Lee et al. 2018). */
const mahalanobis: Measure = {
  title: "Mahalanobis",
  fit(rows, labels) {
    const { means, factor } = fitGaussians(rows, labels, {});
    return { factor, centres: scope(() => whitened(means, factor)) };
  },
  distances: (state, rows) =>
    scope(() =>
      torch.cdist(whitened(rows, part(state, "factor")), part(state, "centres"), {
        computeMode: WITHOUT_MATRIX_PRODUCT,
      }),
    ),
};

/** L^-1 x of each row, [N, D]. */
function whitened(rows: Tensor, factor: Tensor): Tensor {
  return factor.linalgSolveTriangular(rows.t(), { upper: false }).t().contiguous();
}

/** The ways to measure; an image's nearness is a mean over those that are chosen. */
export const MEASURES = {
  "nearest-photo": nearestPhoto,
  "class-mean": classMean,
  mahalanobis,
} as const satisfies Readonly<Record<string, Measure>>;

export type MeasureName = keyof typeof MEASURES;
export const measureNames = Object.keys(MEASURES) as [MeasureName, ...MeasureName[]];

/** A measure in the features of one stage, fitted, with the distance that counts as one there. */
export interface Space {
  /** Place among the stages that are given. */
  readonly stage: number;
  readonly measure: MeasureName;
  readonly state: MeasureState;
  readonly unit: number;
}

/**
 * Distance of images to each class over several spaces, [M, C]: the mean of their distances, each in its own unit.
 * @param stages float64, each [M, D_s]
 */
export function meanDistances(spaces: readonly Space[], stages: readonly Tensor[]): Tensor {
  return scope(() => {
    const each = spaces.map(({ stage, measure, state, unit }) =>
      MEASURES[measure].distances(state, stages[stage] as Tensor).div(unit),
    );
    return each.reduce((sum, next) => sum.add(next)).div(each.length);
  });
}

/** Images as several stages see them, with their classes. */
export interface LabelledRows {
  /** float64, each [N, D_s]. */
  readonly stages: readonly Tensor[];
  readonly labels: readonly number[];
}

/**
 * Fits every measure in every stage on photos, each with its unit: the `known` quantile of the distances of held-out
 * photos to their own class, 1 where that is 0.
 */
export function fitSpaces(
  seen: LabelledRows,
  held: LabelledRows,
  { measures, known }: { readonly measures: readonly MeasureName[]; readonly known: number },
): Space[] {
  return seen.stages.flatMap((rows, stage) =>
    measures.map((measure) => {
      const state = MEASURES[measure].fit(rows, seen.labels);
      const distances = scope(() =>
        MEASURES[measure].distances(state, held.stages[stage] as Tensor).tolist(),
      ) as number[][];
      const own = held.labels.map((label, image) => distances[image]?.[label] as number);
      return { stage, measure, state, unit: quantile(own, known) || 1 };
    }),
  );
}
