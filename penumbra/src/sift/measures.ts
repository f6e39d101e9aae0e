import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { classMeans, fitGaussians, WITHOUT_MATRIX_PRODUCT } from "../unknowns/index.ts";

/** Distance of images to classes in one feature space. */
export interface Measure {
  readonly title: string;
  /**
   * @param rows float64 [N, D], of real photos
   * @param labels class of each; every class 0 … C - 1 occurs
   * @returns a function from rows [M, D] to their distances to each class, [M, C]
   */
  fit(rows: Tensor, labels: readonly number[]): (rows: Tensor) => Tensor;
}

/** To the nearest photo of the class (Sun et al. 2022, k = 1). */
const nearestPhoto: Measure = {
  title: "nearest photo",
  fit(rows, labels) {
    const classes = 1 + Math.max(...labels);
    const banks = Array.from({ length: classes }, (_, label) =>
      rows.indexSelect(
        0,
        torch.tensor(
          labels.flatMap((own, row) => (own === label ? [row] : [])),
          { dtype: "int64" },
        ),
      ),
    );
    return (others) =>
      scope(() =>
        torch.stack(
          banks.map((bank) =>
            torch.cdist(others, bank, { computeMode: WITHOUT_MATRIX_PRODUCT }).amin({ dim: [1] }),
          ),
          { dim: 1 },
        ),
      );
  },
};

/** To the mean of the class's photos. */
const classMean: Measure = {
  title: "class mean",
  fit(rows, labels) {
    const { means } = classMeans(rows, labels);
    return (others) => torch.cdist(others, means, { computeMode: WITHOUT_MATRIX_PRODUCT });
  },
};

/** To the class's mean under one shrunk covariance of all classes (Lee et al. 2018). */
const mahalanobis: Measure = {
  title: "Mahalanobis",
  fit(rows, labels) {
    const { means, factor } = fitGaussians(rows, labels, {});
    const whiten = (points: Tensor) => factor.linalgSolveTriangular(points.t(), { upper: false }).t();
    const centres = scope(() => whiten(means).contiguous());
    return (others) =>
      scope(() => torch.cdist(whiten(others).contiguous(), centres, { computeMode: WITHOUT_MATRIX_PRODUCT }));
  },
};

/** The ways to measure; an image's nearness is a mean over those that are chosen. */
export const MEASURES = {
  "nearest-photo": nearestPhoto,
  "class-mean": classMean,
  mahalanobis,
} as const satisfies Readonly<Record<string, Measure>>;

export type MeasureName = keyof typeof MEASURES;
export const measureNames = Object.keys(MEASURES) as [MeasureName, ...MeasureName[]];
