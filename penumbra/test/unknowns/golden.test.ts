import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect } from "vitest";
import {
  accuracy,
  adaptiveEce,
  argmax,
  auprIn,
  auprOut,
  aurc,
  auroc,
  brier,
  ccrAtFpr,
  classFigures,
  classwiseEce,
  detectors,
  ece,
  entropyDensity,
  type FittedDetector,
  fitTemperature,
  fpr95OodPositive,
  macroAccuracy,
  macroF1,
  nll,
  riskCoverage,
  type Samples,
  topAccuracy,
  towardsClass,
} from "../../src/unknowns/index.ts";
import { eachGolden, expectClose, type Golden } from "../goldens.ts";

/** What a case of the detectors holds, with logits computed from its head. */
function casesOf({ tensors }: Golden) {
  const part = (name: string) => tensors[name] as Tensor;
  const classifier = { weight: part("weight"), bias: part("bias") };
  const samples = (features: Tensor): Samples => ({
    features,
    stages: [features],
    classifier,
    logits: features
      .to("float64")
      .matmul(classifier.weight.to("float64").t())
      .add(classifier.bias.to("float64")),
  });
  const train = { ...samples(part("train")), labels: part("train_labels").toNumbers() };
  return { part, samples, train, known: samples(part("id_test")), unknown: samples(part("ood_test")) };
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
        entropy: () => [detectors.entropy.fit(train)],
        maxlogit: () => [detectors["max-logit"].fit(train)],
        dice_p90: () => [detectors.dice.fit(train, { percentile: 90 })],
        vim_d12: () => [detectors.vim.fit(train, { dimensions: 12 })],
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

describe("ODIN as pytorch-ood computes it, through a network of two layers", () => {
  eachGolden("ood", "scores", (golden) =>
    scope(() => {
      const { part } = casesOf(golden);
      const network = (pixels: Tensor) =>
        pixels.matmul(part("odin_0.weight").t()).add(part("odin_0.bias")).relu();
      const classifier = { weight: part("odin_2.weight"), bias: part("odin_2.bias") };
      const options = { temperature: 1000, noise: 0.01 };
      const exact = { weight: classifier.weight.to("float64"), bias: classifier.bias.to("float64") };
      const images = torch.cat([part("id_test"), part("ood_test")]);
      const logitsOf = (features: Tensor) => features.to("float64").matmul(exact.weight.t()).add(exact.bias);
      const called = logitsOf(network(images)).argmax({ dim: 1 }).toNumbers();
      const wanted = part("score_odin_t1000_e0.01").toNumbers();
      // pytorch-ood moves along the gradient of the largest logit, published is that of its log-probability. With the
      // other classes held still the two have the same sign. It scores at T = 1, published is T for both.
      for (const label of new Set(called)) {
        const rows = called.flatMap((other, index) => (other === label ? [index] : []));
        const isOwn = torch.zeros([exact.bias.shape[0] as number], { dtype: "float64" });
        isOwn.setAt([label], 1);
        const still = {
          weight: exact.weight.mul(isOwn.unsqueeze(1)),
          bias: exact.bias.mul(isOwn).add(isOwn.mul(1e3)),
        };
        const own = images.indexSelect(0, torch.tensor(rows, { dtype: "int64" }));
        const moved = towardsClass(own, network, still, options);
        const got = detectors.msp.fit({}).score({ logits: logitsOf(network(moved)) });
        for (const [i, row] of rows.entries()) {
          expect(Math.abs((got[i] as number) + (wanted[row] as number))).toBeLessThanOrEqual(
            golden.json.rtol,
          );
        }
      }
      const ours = detectors.odin.fit({}, options).score({ pixels: images, network, classifier });
      const step = towardsClass(images, network, exact, options);
      const published = detectors.msp.fit({}).score({ logits: logitsOf(network(step)).div(1000) });
      for (const [i, value] of published.entries()) expect(ours[i]).toBeCloseTo(value, 12);
    }),
  );
});

describe("detectors as OpenOOD computes them, with the sign turned", () => {
  eachGolden("ood", "more-scores", (golden) =>
    scope(() => {
      const { part, samples, train } = casesOf(golden);
      const validation = { ...samples(part("val")), labels: part("val_labels").toNumbers() };
      const called = (validation.logits as Tensor).argmax({ dim: 1 }).toNumbers();
      const withoutFirst = torch.tensor(
        called.flatMap((label, index) => (label === 0 ? [] : [index])),
        { dtype: "int64" },
      );
      const partly = { logits: (validation.logits as Tensor).indexSelect(0, withoutFirst) };
      const squared = (fitted: FittedDetector): FittedDetector => ({
        ...fitted,
        score: (images) => fitted.score(images).map((distance) => -(distance ** 2)),
      });
      const unit = { shrinkage: 0, normalize: true };
      const reference: Record<string, () => FittedDetector> = {
        react_p90: () => detectors.react.fit(validation, { percentile: 90 }),
        ash_b_p90: () => detectors["ash-b"].fit(train, { percentile: 90 }),
        ash_b_p65: () => detectors["ash-b"].fit(train, { percentile: 65 }),
        ash_s_p90: () => detectors["ash-s"].fit(train, { percentile: 90 }),
        ash_s_p65: () => detectors["ash-s"].fit(train, { percentile: 65 }),
        ash_p_p90: () => detectors["ash-p"].fit(train, { percentile: 90 }),
        ash_p_p65: () => detectors["ash-p"].fit(train, { percentile: 65 }),
        scale_p90: () => detectors.scale.fit(train, { percentile: 90 }),
        scale_p85: () => detectors.scale.fit(train, { percentile: 85 }),
        "gen_g0.1_m6": () => detectors.gen.fit(train, { gamma: 0.1, classes: 6 }),
        "gen_g0.5_m3": () => detectors.gen.fit(train, { gamma: 0.5, classes: 3 }),
        gradnorm: () => detectors.gradnorm.fit(train),
        fdbd: () => detectors.fdbd.fit(train),
        fdbd_norm: () => detectors.fdbd.fit(train, { divideBy: "length" }),
        nnguide_k10: () => detectors.nnguide.fit(train, { k: 10 }),
        knn_k1_normalised: () => squared(detectors.knn.fit(train, { k: 1 })),
        knn_k5_normalised: () => squared(detectors.knn.fit(train, { k: 5 })),
        knn_k10_normalised: () => squared(detectors["multi-layer-knn"].fit(train, { k: 10 })),
        mds: () => detectors.mahalanobis.fit(train, { shrinkage: 0 }),
        rmds: () => detectors["relative-mahalanobis"].fit(train, { shrinkage: 0 }),
        mahalanobis_pp: () => detectors["mahalanobis++"].fit(train, { shrinkage: 0 }),
        relative_mahalanobis_pp: () => detectors["relative-mahalanobis"].fit(train, unit),
        vim_d12: () => detectors.vim.fit(train, { dimensions: 12 }),
        klm: () => detectors["kl-matching"].fit(validation),
        klm_unseen_class: () => detectors["kl-matching"].fit(partly),
        she: () => detectors.she.fit(train),
      };
      const here = Object.keys(golden.json.scores as object).filter((name) => name in reference);
      expect(here.length).toBeGreaterThan(0);
      for (const name of here) expectScores(golden, name, (reference[name] as () => FittedDetector)());
      const { ceiling } = (reference.react_p90 as () => FittedDetector)().fitted;
      expect(ceiling).toBeCloseTo(
        (golden.json.scores as { react_p90: { threshold: number } }).react_p90.threshold,
        6,
      );
    }),
  );
});

describe("Mahalanobis over several layers as OpenOOD and pytorch-ood compute it", () => {
  eachGolden("ood", "mds-ensemble", (golden) =>
    scope(() => {
      const part = (name: string) => golden.tensors[name] as Tensor;
      const stagesOf = (images: Tensor): Tensor[] => {
        const first = torch
          .conv2d(images, part("conv1.weight"), { bias: part("conv1.bias"), padding: 1 })
          .relu();
        const second = torch
          .conv2d(first, part("conv2.weight"), { bias: part("conv2.bias"), padding: 1, stride: 2 })
          .relu();
        return [first.mean([2, 3]), second.mean([2, 3])];
      };
      const train = { stages: stagesOf(part("train")), labels: part("train_labels").toNumbers() };
      const { alpha } = golden.json as unknown as { alpha: number[] };
      const fitted = detectors["multi-layer-mahalanobis"].fit(train, {
        fusion: "per-layer",
        shrinkage: 0,
        weights: alpha.map((weight) => weight / 2), // both have the Gaussian's exponent, half the distance
      });
      const got = fitted.score({ stages: stagesOf(part("test")) });
      const wanted = part("score_openood_noise0")
        .toNumbers()
        .map((outlier) => -outlier);
      const allowed = golden.json.rtol * Math.max(...wanted.map(Math.abs));
      for (const [i, value] of wanted.entries()) {
        expect(Math.abs((got[i] as number) - value)).toBeLessThanOrEqual(allowed);
      }
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

describe("detectors over several stages as numpy and scikit-learn compute them", () => {
  const partsOf = ({ json, tensors }: Golden) => {
    const stages = (part: string) =>
      Object.keys(tensors)
        .filter((key) => key.startsWith(part))
        .sort()
        .map((key) => tensors[key] as Tensor);
    return {
      train: { stages: stages("train"), labels: json.labels as number[] },
      test: { stages: stages("test") },
      wanted: tensors.scores as Tensor,
    };
  };
  const scored = (scores: Float64Array) => torch.fromTyped(scores, [scores.length]);

  eachGolden("ood", "mm-plus-plus-", (golden) =>
    scope(() => {
      const { train, test: images, wanted } = partsOf(golden);
      const { labels } = train;
      for (const [place, density] of (golden.json.densities as number[]).entries()) {
        const rows = train.stages[place]!.div(
          train.stages[place]!.linalgVectorNorm({ dim: [1], keepdim: true }),
        );
        expect(entropyDensity(rows, labels)).toBeCloseTo(density, 9);
      }
      const chosen = golden.json.chosen as number[];
      const fit = detectors["multi-layer-mahalanobis"].fit(train, {
        ...{ fusion: "mm++", last: golden.json.count as number },
      });
      expect(chosen.map((_, index) => fit.fitted[`stage${index}`])).toEqual(chosen);
      expect(fit.fitted.last).toBe(chosen.length);
      expectClose(scored(fit.score(images)), wanted, golden.json.rtol, "scores");
    }),
  );

  eachGolden("ood", "multi-layer-", (golden) =>
    scope(() => {
      const { train, test: images } = partsOf(golden);
      const { last, k } = golden.json as unknown as { last: number; k: number };
      const mahalanobis = detectors["multi-layer-mahalanobis"];
      for (const [name, fit] of Object.entries({
        knn: detectors["multi-layer-knn"].fit(train, { last, k }),
        cosine: detectors["cosine-prototypes"].fit(train, { last }),
        joint: mahalanobis.fit(train, { last, fusion: "joint" }),
        per_layer: mahalanobis.fit(train, { last, fusion: "per-layer" }),
      })) {
        const wanted = golden.tensors[`score_${name}`] as Tensor;
        expectClose(scored(fit.score(images)), wanted, golden.json.rtol, name);
      }
    }),
  );

  eachGolden("ood", "nearness-", (golden) =>
    scope(() => {
      const { train, test: images, wanted } = partsOf(golden);
      const known = { ...train, objects: golden.json.objects as string[] };
      const fit = detectors.nearness.fit(known, { known: golden.json.known as number });
      expectClose(scored(fit.score(images)), wanted, golden.json.rtol, "scores");
    }),
  );
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

describe("metrics of a classifier as scikit-learn, OpenOOD, fd-shifts and others compute them", () => {
  eachGolden("ood", "more-metrics", ({ json, tensors }) => {
    const part = (name: string) => tensors[name] as Tensor;
    const logits = rowsOf(part("logits"));
    const labels = part("labels").toNumbers();
    const metrics = json.metrics as Record<string, number>;
    const close = (got: number, name: string) =>
      expect(Math.abs(got - (metrics[name] as number)), name).toBeLessThanOrEqual(json.rtol);
    const figures = classFigures(logits, labels);
    const confidence = part("confidence").toNumbers();
    const isRight = logits.map((row, i) => argmax(row) === labels[i]);
    const unknown = part("ood_confidence").toNumbers();

    close(accuracy(logits, labels), "accuracy");
    close(macroAccuracy(logits, labels), "balanced_accuracy");
    close(macroF1(figures), "macro_f1");
    for (const [i, f1] of (json.metrics as { per_class_f1: number[] }).per_class_f1.entries()) {
      expect(figures[i]?.f1).toBeCloseTo(f1, 12);
    }
    close(topAccuracy(logits, labels, 5), "top5_lower_index_first");
    close(nll(logits, labels), "nll");
    close(brier(logits, labels), "brier");
    close(ece(logits, labels), "ece15_torchmetrics");
    close(classwiseEce(logits, labels), "classwise_ece15");
    // Only where no confidences are equal has this reference an order.
    if ("adaptive_ece15_torch_uncertainty" in metrics) {
      close(adaptiveEce(logits, labels), "adaptive_ece15_torch_uncertainty");
    }
    close(aurc(confidence, isRight), "aurc_plateaus");
    const coverage = part("coverage_plateaus").toNumbers();
    const risk = part("selective_risk_plateaus").toNumbers();
    const curve = riskCoverage(confidence, isRight);
    for (const [i, point] of curve.entries()) {
      expect(point.coverage).toBeCloseTo(coverage[i] as number, 9);
      expect(point.risk).toBeCloseTo(risk[i] as number, 9);
    }
    const byFpr = (json.metrics as { ccr_at_fpr: Record<string, number> }).ccr_at_fpr;
    for (const [fpr, wanted] of Object.entries(byFpr)) {
      expect(ccrAtFpr(confidence, isRight, unknown, Number(fpr)), `CCR at ${fpr}`).toBeCloseTo(wanted, 12);
    }
    close(auroc(confidence, unknown), "msp_auroc");
    close(auprIn(confidence, unknown), "msp_aupr_in");
    close(auprOut(confidence, unknown), "msp_aupr_out");
    close(fpr95OodPositive(confidence, unknown), "msp_fpr95_ood_positive");
  });
});

describe("the reconstruction error as scikit-learn's principal components give it", () => {
  eachGolden("ood", "reconstruction-", ({ json, tensors }) =>
    scope(() => {
      const { train, test: images, scores } = tensors as Record<string, Tensor>;
      const fitted = detectors.reconstruction.fit(
        { pixels: train as Tensor },
        { share: json.share as number },
      );
      expect(fitted.fitted.components).toBe(json.components);
      expectClose(
        torch.tensor([...fitted.score({ pixels: images as Tensor })], { dtype: "float64" }),
        scores,
        json.rtol,
        "scores",
      );
    }),
  );
});

describe("the abnormality module as scikit-learn's ridge and logistic regression give it", () => {
  eachGolden("ood", "abnormality", ({ json, tensors }) =>
    scope(() => {
      const { train, test: images, first, weight, bias, scores } = tensors as Record<string, Tensor>;
      const network = (pixels01: Tensor) =>
        pixels01
          .flatten({ startDim: 1 })
          .matmul(first as Tensor)
          .relu();
      const classifier = { weight: weight as Tensor, bias: bias as Tensor };
      const seen = (pixels: Tensor | undefined): Samples => {
        const features = network(pixels as Tensor).to("float64");
        const logits = features
          .matmul(classifier.weight.to("float64").t())
          .add(classifier.bias.to("float64"));
        return { pixels: pixels as Tensor, features, logits, network, classifier };
      };
      const fitted = detectors.abnormality.fit(seen(train), { noise: json.noise as number });
      const got = torch.tensor([...fitted.score(seen(images))], { dtype: "float64" });
      expectClose(got, scores, json.rtol, "scores");
    }),
  );
});
