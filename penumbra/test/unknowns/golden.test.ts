import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  auprIn,
  auprOut,
  auroc,
  detectors,
  ece,
  type FittedDetector,
  fitTemperature,
  fpr95OodPositive,
  nll,
  type Samples,
} from "../../src/unknowns/index.ts";
import { eachGolden, type Golden } from "../goldens.ts";

/** What a case of the detectors holds, with logits computed from its head. */
function casesOf({ tensors }: Golden) {
  const part = (name: string) => tensors[name] as Tensor;
  const samples = (features: Tensor): Samples => ({
    features,
    logits: features.to("float64").matmul(part("weight").to("float64").t()).add(part("bias").to("float64")),
  });
  const train = { ...samples(part("train")), labels: part("train_labels").toNumbers() };
  return { part, train, known: samples(part("id_test")), unknown: samples(part("ood_test")) };
}

const rowsOf = (matrix: Tensor | undefined) => (matrix as Tensor).tolist() as number[][];

/** Expects our scores of known then unknown images to be the reference's outlier scores, times -1 and `scale`. */
function expectScores(golden: Golden, name: string, fitted: FittedDetector, scale = 1): void {
  const { known, unknown, part } = casesOf(golden);
  const got = [...fitted.score(known), ...fitted.score(unknown)];
  const wanted = part(`score_${name}`)
    .toNumbers()
    .map((outlierScore) => -outlierScore * scale);
  const allowed = golden.json.rtol * Math.max(...wanted.map(Math.abs));
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) {
    expect(
      Math.abs((got[i] as number) - value),
      `${name}: score ${i} is ${got[i]}, expected ${value}`,
    ).toBeLessThanOrEqual(allowed);
  }
}

describe("detectors as pytorch-ood computes them, with the sign turned", () => {
  eachGolden("ood", "scores", (golden) =>
    scope(() => {
      const { train, part } = casesOf(golden);
      const images = train.labels.length;
      const reference: Record<string, () => [FittedDetector, scale?: number]> = {
        msp: () => [detectors.msp.fit(train)],
        energy_t1: () => [detectors.energy.fit(train)],
        energy_t2: () => [detectors.energy.fit(train, { temperature: 2 })],
        knn_k1_raw: () => [detectors.knn.fit(train, { k: 1, normalize: false })],
        // pytorch-ood has the Gaussian's exponent, half the distance, with a covariance over N - 1.
        mahalanobis: () => [detectors.mahalanobis.fit(train, { shrinkage: 0 }), (2 * images) / (images - 1)],
        // pytorch-ood stops its L-BFGS after 50 short steps from T = 1.
        tempscale: () => [
          detectors.temperature.fit(train, { shortFit: { initial: 1, steps: 50, learningRate: 0.01 } }),
        ],
      };
      const here = (golden.json.detectors as string[]).filter((name) => name in reference);
      expect(here.length).toBeGreaterThan(0);
      for (const name of here) expectScores(golden, name, ...(reference[name] as () => [FittedDetector])());

      const fitted = part("fitted_temperature").item();
      const short = fitTemperature(rowsOf(train.logits), train.labels, {
        shortFit: { initial: 1, steps: 50, learningRate: 0.01 },
      });
      expect(Math.abs(short - fitted)).toBeLessThanOrEqual(golden.json.rtol * fitted);
    }),
  );

  eachGolden("ood", "scores", (golden) =>
    scope(() => {
      // The minimum of the NLL is never above where the published procedure stops.
      const { train, part } = casesOf(golden);
      const logits = rowsOf(train.logits);
      const at = (t: number) =>
        nll(
          logits.map((row) => row.map((value) => value / t)),
          train.labels,
        );
      expect(at(fitTemperature(logits, train.labels))).toBeLessThanOrEqual(
        at(part("fitted_temperature").item()),
      );
    }),
  );

  eachGolden("ood", "scores", (golden) =>
    scope(() => {
      const { known, unknown, train } = casesOf(golden);
      const { score } = detectors.energy.fit(train);
      const [ids, oods] = [score(known), score(unknown)];
      const wanted = golden.json.metrics_of_energy_t1 as Record<string, number>;
      const close = (got: number, name: string) =>
        expect(Math.abs(got - (wanted[name] as number)), name).toBeLessThanOrEqual(golden.json.rtol);
      close(auroc(ids, oods), "AUROC");
      close(auprIn(ids, oods), "AUPR-IN");
      close(auprOut(ids, oods), "AUPR-OUT");
      close(fpr95OodPositive(ids, oods), "FPR95TPR");
    }),
  );
});

describe("calibration as torchmetrics computes it", () => {
  eachGolden("ood", "ece", ({ json, tensors }) => {
    const [logits, labels, wanted] = [tensors.logits, tensors.labels, tensors.ece15] as [
      Tensor,
      Tensor,
      Tensor,
    ];
    expect(Math.abs(ece(rowsOf(logits), labels.toNumbers()) - wanted.item())).toBeLessThanOrEqual(
      json.rtol * wanted.item(),
    );
  });
});

describe("metrics of tied scores as scikit-learn computes them", () => {
  eachGolden("ood", "metrics-ties", ({ json, tensors }) => {
    const isOod = (tensors.is_ood as Tensor).toNumbers();
    const scores = (tensors.score as Tensor).toNumbers(); // higher = more OOD
    const side = (ood: number) => scores.filter((_, i) => isOod[i] === ood).map((score) => -score);
    const close = (got: number, name: string) =>
      expect(Math.abs(got - (json[name] as number)), name).toBeLessThanOrEqual(json.rtol);
    close(auroc(side(0), side(1)), "auroc");
    close(auprOut(side(0), side(1)), "aupr_out_trapezoid");
    close(fpr95OodPositive(side(0), side(1)), "fpr95_ood_positive");
  });
});

test("every detector says what it needs and is fitted on", () => {
  for (const [name, { title, needs, fitsOn }] of Object.entries(detectors)) {
    expect(title, name).not.toBe("");
    expect(["logits", "features"]).toContain(needs);
    expect(["nothing", "train", "validation"]).toContain(fitsOn);
  }
});
