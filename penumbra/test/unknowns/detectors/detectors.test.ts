import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  auroc,
  detectors,
  fitChosen,
  fitTemperature,
  ledoitWolfShrinkage,
  type Network,
  nll,
  type Samples,
  UnknownsError,
  withSharing,
} from "../../../src/unknowns/index.ts";
import ledoitWolf from "./ledoit-wolf.json" with { type: "json" };

const CLASSES = 3;

/** Known images around class centres in `dimensions` dimensions, with a nearest-centre head, and unknown ones between. */
function scene({ perClass = 20, dimensions = 8, seed = 1 } = {}) {
  const generator = new torch.Generator({ seed });
  const normal = (shape: number[]) => torch.randn(shape, { generator });
  const centres = normal([CLASSES, dimensions]).mul(3);
  const labels = Array.from({ length: CLASSES * perClass }, (_, i) => i % CLASSES);
  const samples = (features: Tensor): Samples => ({ features, logits: features.matmul(centres.t()).div(3) });
  const around = () => samples(centres.repeat([perClass, 1]).add(normal([labels.length, dimensions])));
  return {
    labels,
    train: { ...around(), labels },
    known: around(),
    unknown: samples(normal([30, dimensions]).mul(6)),
  };
}

describe("all detectors", () => {
  test("score known images higher than far unknown ones where they look at features", () => {
    scope(() => {
      const { train, known, unknown } = scene();
      for (const name of ["knn", "mahalanobis"] as const) {
        const fitted = detectors[name].fit(train);
        expect(auroc(fitted.score(known), fitted.score(unknown)), name).toBeGreaterThan(0.9);
      }
    });
  });

  test("say which input is missing, and refuse NaN", () => {
    scope(() => {
      const { train, known } = scene();
      const fitted = detectors.knn.fit(train);
      expect(() => fitted.score({ logits: known.logits })).toThrow(UnknownsError);
      expect(() => fitted.score({ logits: known.logits })).toThrow(/needs features.*Pass "features"/s);
      expect(() => detectors.msp.fit(train).score({ features: known.features })).toThrow(/needs logits/);
      const broken = (known.features as Tensor).clone().setAt([0, 0], Number.NaN);
      expect(() => fitted.score({ features: broken })).toThrow(/NaN or infinity/);
      expect(() => detectors.mahalanobis.fit({ features: train.features })).toThrow(/no labels/);
    });
  });
});

describe("temperature scaling", () => {
  const wrongEveryFourth = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? 1 : 0));

  test("finds the temperature at which confidence is accuracy", () => {
    // Two classes with logit gap 6 and 75 % accuracy: sigmoid(6 / T) = 0.75 at T = 6 / ln 3.
    const logits = wrongEveryFourth.map(() => [6, 0]);
    expect(fitTemperature(logits, wrongEveryFourth)).toBeCloseTo(6 / Math.log(3), 9);
  });

  test("scaling the logits scales the temperature", () => {
    const random = new torch.Random(3);
    const logits = wrongEveryFourth.map(() => [2 + random.normal(), random.normal()]);
    const fitted = fitTemperature(logits, wrongEveryFourth);
    const fiveTimes = fitTemperature(
      logits.map((row) => row.map((value) => value * 5)),
      wrongEveryFourth,
    );
    expect(fiveTimes).toBeCloseTo(5 * fitted, 8);
    const at = (t: number) =>
      nll(
        logits.map((row) => row.map((value) => value / t)),
        wrongEveryFourth,
      );
    expect(at(fitted)).toBeLessThan(Math.min(at(fitted * 1.01), at(fitted * 0.99)));
  });

  test("stays 1 where all images are right, and at most 100 where they are as good as guessed", () => {
    const sure = [
      [1, 0],
      [0, 1],
    ];
    expect(fitTemperature(sure, [0, 1])).toBe(1);
    expect(fitTemperature(sure, [1, 0])).toBe(100);
  });
});

describe("KNN", () => {
  test("with k = 1 is 0 on a training image and the length of the step beside it", () => {
    const features = torch.tensor([
      [0, 0],
      [10, 0],
    ]);
    const { score } = detectors.knn.fit({ features }, { normalize: false });
    expect([...score({ features: torch.tensor([[0, 0]]) })]).toEqual([-0]);
    expect([...score({ features: torch.tensor([[3, 4]]) })]).toEqual([-5]);
  });

  test("takes the k-th neighbour, not the mean of k", () => {
    const features = torch.tensor([[0], [1], [5]]);
    const { score, fitted } = detectors.knn.fit({ features }, { k: 2, normalize: false });
    expect([...score({ features: torch.tensor([[0]]) })]).toEqual([-1]);
    expect(fitted).toEqual({ k: 2, normalize: 0 });
  });

  test("normalised features make it blind to length, raw ones do not", () => {
    scope(() => {
      const { train, known } = scene();
      const longer = { features: known.features?.mul(3) };
      const blind = detectors.knn.fit(train);
      expect(
        Math.max(...blind.score(longer).map((v, i) => Math.abs(v - (blind.score(known)[i] as number)))),
      ).toBeLessThan(1e-6);
      const raw = detectors.knn.fit(train, { normalize: false });
      expect(raw.score(longer)).not.toEqual(raw.score(known));
    });
  });

  test("refuses more neighbours than training images", () => {
    expect(() => detectors.knn.fit({ features: torch.ones([3, 2]) }, { k: 4 })).toThrow(
      /k = 4 with 3 training images/,
    );
  });
});

describe("Mahalanobis", () => {
  test("does not change under an invertible linear map of the features, without shrinkage", () => {
    scope(() => {
      const { train, known } = scene();
      const map = torch.randn([8, 8], { generator: new torch.Generator({ seed: 5 }) });
      const mapped = (samples: Samples) => ({ ...samples, features: samples.features?.matmul(map) });
      const plain = detectors.mahalanobis.fit(train, { shrinkage: 0 }).score(known);
      const other = detectors.mahalanobis.fit(mapped(train), { shrinkage: 0 }).score(mapped(known));
      for (const [i, value] of plain.entries()) expect((other[i] as number) / value).toBeCloseTo(1, 3);
    });
  });

  test("works with more dimensions than images when shrunk, and says so when not", () => {
    scope(() => {
      const { train, known, unknown } = scene({ perClass: 4, dimensions: 64 });
      const fitted = detectors.mahalanobis.fit(train);
      expect(fitted.fitted.shrinkage).toBeGreaterThan(0);
      expect(auroc(fitted.score(known), fitted.score(unknown))).toBeGreaterThan(0.9);
      expect(() => detectors.mahalanobis.fit(train, { shrinkage: 0 })).toThrow(
        /12 features in 64 dimensions.*ledoit-wolf/s,
      );
      expect(() => detectors.mahalanobis.fit(train, { shrinkage: 2 })).toThrow(/shrinkage 2/);
    });
  });

  test("of one image a class is the distance to the nearest of them", () => {
    scope(() => {
      const { known } = scene();
      const features = torch.randn([3, 8], { generator: new torch.Generator({ seed: 7 }) });
      const train = { features, labels: [0, 1, 2] };
      const scores = detectors.mahalanobis.fit(train).score(known);
      const nearest = detectors.knn.fit(train, { k: 1, normalize: false }).score(known);
      for (const [i, distance] of nearest.entries()) expect(scores[i]).toBeCloseTo(-(distance ** 2), 8);
    });
  });

  test("with shrinkage 1 ranks by the distance to the nearest class mean", () => {
    scope(() => {
      const { train, known } = scene();
      const scores = detectors.mahalanobis.fit(train, { shrinkage: 1 }).score(known);
      const features = (known.features as Tensor).to("float64");
      const means = [0, 1, 2].map((c) =>
        (train.features as Tensor)
          .to("float64")
          .at(torch.tensor(train.labels.map((label) => label === c)))
          .mean([0]),
      );
      const distances = means.map((mean) => features.sub(mean).square().sum([1]));
      const wanted = torch
        .stack(distances)
        .amin({ dim: [0] })
        .toNumbers();
      const ratio = (scores[0] as number) / (wanted[0] as number);
      for (const [i, value] of wanted.entries()) expect((scores[i] as number) / value).toBeCloseTo(ratio, 8);
    });
  });

  test("chooses the shrinkage that scikit-learn's ledoit_wolf chooses", () => {
    for (const { rows, shrinkage } of ledoitWolf.cases) {
      expect(ledoitWolfShrinkage(torch.tensor(rows, { dtype: "float64" }))).toBeCloseTo(shrinkage, 10);
    }
  });
});

describe("ODIN", () => {
  const IMAGES = 6;

  /** Pixels, and a network that remembers how many images it was shown for what. */
  function watched() {
    const generator = new torch.Generator({ seed: 1 });
    const normal = (shape: number[]) => torch.randn(shape, { generator });
    const weights = normal([12, 5]);
    const seen = { features: 0, signs: 0 };
    const network: Network = (pixels01, purpose = "features") => {
      seen[purpose] += pixels01.shape[0] as number;
      return pixels01.flatten({ startDim: 1 }).matmul(weights).relu();
    };
    const classifier = { weight: normal([3, 5]), bias: normal([3]) };
    const samples = (): Samples => ({
      ...{ pixels: normal([IMAGES, 3, 2, 2]).sigmoid(), network, classifier },
    });
    return { seen, train: samples(), validation: samples(), unknown: samples() };
  }

  test("takes the gradient of each image once for all sizes of the step, and of gradients asks for signs alone", () =>
    scope(() => {
      const { seen, ...all } = watched();
      const noise = [0.001, 0.002, 0.004];
      const chosen = withSharing(Object.values(all), ([train, validation, unknown]) => {
        const choice = { train: train!, validation: validation!, unknown: [unknown!] };
        return fitChosen(detectors.odin, choice, { noise });
      });
      expect(chosen.trials).toHaveLength(noise.length);
      expect(seen).toEqual({ signs: 2 * IMAGES, features: noise.length * 2 * IMAGES });
    }));
});

test("what is shared among detectors ends with its use, whatever becomes of that", () =>
  scope(() => {
    const before = torch.memory().tensors;
    const seen = withSharing([{}, {}], (samples) => {
      for (const { shared } of samples) shared?.once("rows", () => ({ rows: torch.ones([3]) }));
      expect(torch.memory().tensors).toBe(before + 2);
      return samples.length;
    });
    expect(seen).toBe(2);
    const fails = () =>
      withSharing([{}], ([sample]) => {
        sample?.shared?.once("rows", () => ({ rows: torch.ones([3]) }));
        throw new Error("no use");
      });
    expect(fails).toThrow("no use");
    expect(torch.memory().tensors).toBe(before);
  }));
