// The contract of every detector: a new entry of the table is held to it the moment it is listed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import {
  auroc,
  type Detector,
  detectors,
  FITS_ON,
  fitChosen,
  type Need,
  readDetector,
  type Samples,
  Shared,
  UnknownsError,
  usualDetectors,
  writeDetector,
} from "../../../src/unknowns/index.ts";

const CLASSES = 3;
const PIXELS = 12; // 3 x 2 x 2
const LABELS = Array.from({ length: 24 }, (_, i) => i % CLASSES);
const NEEDS: readonly Need[] = ["features", "logits", "stages", "pixels", "classifier", "network"];

const folder = mkdtempSync(join(tmpdir(), "penumbra-detectors-"));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Images around class centres, an encoder of two linear layers with ReLU and a classifier that is sure near the
 * centres; unknown images lie between the centres.
 */
function scene() {
  const generator = new torch.Generator({ seed: 3 });
  const normal = (shape: number[]) => torch.randn(shape, { generator });
  const patterns = torch
    .cat([torch.eye(CLASSES), torch.zeros([CLASSES, PIXELS - CLASSES])], { dim: 1 })
    .mul(0.8);
  const first = torch
    .eye(PIXELS)
    .mul(4)
    .add(normal([PIXELS, PIXELS]).mul(0.05));
  const second = torch
    .eye(PIXELS)
    .mul(2)
    .add(normal([PIXELS, PIXELS]).mul(0.05));
  const stagesOf = (pixels01: Tensor): [Tensor, Tensor] => {
    const stage = pixels01.flatten({ startDim: 1 }).matmul(first).relu(); // [N, 12]
    return [stage, stage.matmul(second).relu()];
  };
  const centres = stagesOf(patterns.add(0.1))[1]; // [C, 12]
  const classifier = {
    weight: centres.div(8).to("float64"),
    bias: torch.zeros([CLASSES], { dtype: "float64" }),
  };
  const network = (pixels01: Tensor) => stagesOf(pixels01)[1];
  const samples = (rows: Tensor): Samples => {
    const pixels = rows
      .clampMin(0)
      .clampMax(1)
      .reshape([rows.shape[0] as number, 3, 2, 2]);
    const stages = stagesOf(pixels);
    const features = stages[1];
    const logits = features.to("float64").matmul(classifier.weight.t()).add(classifier.bias);
    return { pixels, stages, features, logits, classifier, network };
  };
  const around = (): Samples => {
    const repeated = patterns.repeat([LABELS.length / CLASSES, 1]).add(0.1);
    const images = samples(repeated.add(normal([LABELS.length, PIXELS]).mul(0.05)));
    // Two views of each object, one after the other; names that do not tell the class.
    const objects = LABELS.map(
      (label, i) => `object ${(7 * (Math.floor(i / (2 * CLASSES)) * CLASSES + label)) % 12}`,
    );
    return { ...images, labels: LABELS, objects };
  };
  const between = torch.full([20, PIXELS], 0.1);
  return {
    train: around(),
    validation: around(),
    unknown: samples(between.add(normal([20, PIXELS]).mul(0.05))),
  };
}

/** Some images of the samples, in the order of `rows`. */
const rowsOf = (samples: Samples, rows: readonly number[]): Samples => {
  const index = torch.tensor(rows, { dtype: "int64" });
  const pick = (tensor: Tensor | undefined) => tensor?.indexSelect(0, index);
  return {
    ...samples,
    pixels: pick(samples.pixels),
    features: pick(samples.features),
    logits: pick(samples.logits),
    stages: samples.stages?.map((stage) => pick(stage) as Tensor),
    labels: samples.labels && rows.map((row) => samples.labels?.[row] as number),
    objects: samples.objects && rows.map((row) => samples.objects?.[row] as string),
  };
};

/** The same images with class c called order[c]. */
const relabelled = (samples: Samples, order: readonly number[]): Samples => {
  const from = torch.tensor(
    order.map((_, place) => order.indexOf(place)),
    { dtype: "int64" },
  );
  const { classifier, logits } = samples;
  return {
    ...samples,
    logits: logits?.indexSelect(1, from),
    classifier: classifier && {
      weight: classifier.weight.indexSelect(0, from),
      bias: classifier.bias.indexSelect(0, from),
    },
    labels: samples.labels?.map((label) => order[label] as number),
  };
};

const expectClose = (got: ArrayLike<number>, wanted: ArrayLike<number>) => {
  const size = Math.max(...Array.from(wanted, Math.abs), 1e-12);
  expect(got.length).toBe(wanted.length);
  // Matrix products of other shapes sum in another order; the pixels' gradients are in float32.
  for (let i = 0; i < wanted.length; i++) {
    expect(Math.abs((got[i] as number) - (wanted[i] as number)) / size).toBeLessThan(1e-6);
  }
};

test("the detectors that a study has by default are in the table", () => {
  for (const name of usualDetectors) expect(Object.keys(detectors)).toContain(name);
});

for (const [name, detector] of Object.entries(detectors) as [string, Detector][]) {
  describe(`the detector ${name}`, () => {
    const fit = ({ train, validation, unknown }: ReturnType<typeof scene>) =>
      fitChosen(detector, { train, validation, unknown: [unknown] }).detector;

    test("says what it is, needs and is fitted on, and what can be chosen", () => {
      expect(detector.title).not.toBe("");
      expect(detector.description).toMatch(/\w+ \w+/);
      expect(detector.needs.length).toBeGreaterThan(0);
      expect(NEEDS).toEqual(expect.arrayContaining([...detector.needs]));
      expect(FITS_ON).toContain(detector.fitsOn);
      if (!detector.tuning) return;
      const settings = detector.tuning.settings.parse({});
      for (const values of Object.values(settings)) expect(values.length).toBeGreaterThan(0);
      expect(detector.tuning.candidates(settings, 1).length).toBeGreaterThan(0);
      expect(detector.tuning.candidates(settings, 1000).length).toBeGreaterThan(1);
    });

    test("scores known images higher than unknown ones", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        expect(auroc(fitted.score(all.validation), fitted.score(all.unknown))).toBeGreaterThan(0.9);
      }));

    test("scores an image alone, and in any order, as in a batch", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        const whole = fitted.score(all.validation);
        const backwards = LABELS.map((_, i) => LABELS.length - 1 - i);
        expectClose(fitted.score(rowsOf(all.validation, backwards)).reverse(), whole);
        for (const i of [0, 7, 23])
          expectClose(fitted.score(rowsOf(all.validation, [i])), [whole[i] as number]);
      }));

    test("learns the same from images in another order", () =>
      scope(() => {
        const all = scene();
        const mixed = LABELS.map((_, i) => (i * 7) % LABELS.length);
        const other = { ...all, train: rowsOf(all.train, mixed), validation: rowsOf(all.validation, mixed) };
        expectClose(fit(other).score(all.unknown), fit(all).score(all.unknown));
      }));

    test("scores the same whatever number each class has", () =>
      scope(() => {
        const all = scene();
        const order = [2, 0, 1];
        const other = {
          train: relabelled(all.train, order),
          validation: relabelled(all.validation, order),
          unknown: relabelled(all.unknown, order),
        };
        expectClose(fit(other).score(other.unknown), fit(all).score(all.unknown));
      }));

    test("looks at nothing but what it says it needs", () =>
      scope(() => {
        const all = scene();
        const only = (samples: Samples): Samples => ({
          ...Object.fromEntries(detector.needs.map((need) => [need, samples[need]])),
          labels: samples.labels,
          objects: samples.objects,
        });
        const other = {
          train: only(all.train),
          validation: only(all.validation),
          unknown: only(all.unknown),
        };
        expect([...fit(other).score(other.unknown)]).toEqual([...fit(all).score(all.unknown)]);
      }));

    test("refuses samples without what it needs", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        for (const need of detector.needs) {
          const without = { ...all.unknown, [need]: undefined };
          expect(() => fitted.score(without)).toThrow(UnknownsError);
          expect(() => fitted.score(without)).toThrow(new RegExp(`needs ${need}.*Pass "${need}"`));
          if (detector.fitsOn === "nothing") continue;
          expect(() => detector.fit({ ...all.train, [need]: undefined })).toThrow(`needs ${need}`);
        }
      }));

    test("refuses more neighbours than there are training images", () =>
      scope(() => {
        const all = scene();
        if (!detector.tuning || !("k" in detector.tuning.settings.shape)) return;
        expect(() => detector.fit(all.train, { k: LABELS.length + 1 })).toThrow(
          /k = 25 with 24 training images/,
        );
        const few = rowsOf(all.train, [0, 1, 2, 3]);
        const choice = { ...all, train: few, unknown: [all.unknown] };
        expect(fitChosen(detector, choice).detector.fitted.k).toBe(1);
        expect(() => fitChosen(detector, choice, { k: [5, 9] })).toThrow(
          /\(5, 9\) can be tried with 4 training images/,
        );
      }));

    test("scores, read from its file, to the bit as when it was written", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        const path = join(folder, `${name}.safetensors`);
        writeDetector(path, name, fitted);
        const read = readDetector(path, detectors);
        expect(read.name).toBe(name);
        expect(read.detector.fitted).toEqual(fitted.fitted);
        expect([...read.detector.score(all.unknown)]).toEqual([...fitted.score(all.unknown)]);
      }));

    test("leaves no tensor behind when it scores", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        const before = torch.memory().tensors;
        fitted.score(all.unknown);
        // Below, where tensors of earlier tests were collected meanwhile.
        expect(torch.memory().tensors).toBeLessThanOrEqual(before);
      }));

    test("is chosen by unknowns: the best of its candidates, all of them told, or the first where there are none", () =>
      scope(() => {
        const all = scene();
        const choice = fitChosen(detector, { ...all, unknown: [all.unknown] });
        const blind = fitChosen(detector, { ...all, unknown: [] });
        if (!detector.tuning) {
          expect(choice.trials).toEqual([]);
          return expect(blind.detector.fitted).toEqual(choice.detector.fitted);
        }
        const known = detector.fitsOn === "validation" ? all.validation : all.train;
        const every = detector.tuning
          .candidates(detector.tuning.settings.parse({}), LABELS.length)
          .map((options) => ({ options, fitted: detector.fit(known, options) }));
        expect(blind.detector.fitted).toEqual(every[0]?.fitted.fitted);
        expect(blind.trials.map(({ auroc, isChosen }) => [auroc, isChosen])).toEqual(
          every.map((_, index) => [null, index === 0]),
        );
        const values = every.map(({ fitted }) =>
          auroc(fitted.score(all.validation), fitted.score(all.unknown)),
        );
        expect(choice.trials.map(({ options, auroc }) => ({ options, auroc }))).toEqual(
          every.map(({ options }, index) => ({ options, auroc: values[index] })),
        );
        const best = values.indexOf(Math.max(...values));
        expect(choice.trials.findIndex(({ isChosen }) => isChosen)).toBe(best);
        expect(choice.detector.fitted).toEqual(every[best]?.fitted.fitted);
      }));
  });
}

test("all detectors score to the bit the same where what they work out is shared, also when that is gone", () =>
  scope(() => {
    const alone = scene();
    const all = Object.fromEntries(
      Object.entries(alone).map(([part, samples]) => [part, { ...samples, shared: new Shared() }]),
    ) as unknown as ReturnType<typeof scene>;
    const shared = Object.values(all).map((samples: Samples) => samples.shared as Shared);
    const fitted = (from: typeof all) =>
      (Object.values(detectors) as Detector[]).map(
        (detector) => fitChosen(detector, { ...from, unknown: [from.unknown] }).detector,
      );
    const [one, other] = [fitted(all), fitted(alone)];
    const scores = other.map(({ score }) => [...score(alone.unknown)]);
    expect(one.map(({ score }) => [...score(all.unknown)])).toEqual(scores);
    for (const made of shared) made.dispose();
    expect(one.map(({ score }) => [...score(alone.unknown)])).toEqual(scores);
  }));

test("shared things are made once, by their name, and released", () =>
  scope(() => {
    const shared = new Shared();
    let calls = 0;
    const make = () => ({ rows: torch.ones([2]), number: ++calls });
    const before = torch.memory().tensors;
    expect(shared.once("a", make).number).toBe(1);
    expect(shared.once("a", make).number).toBe(1);
    expect(shared.once("b", make).number).toBe(2);
    expect(torch.memory().tensors).toBe(before + 2);
    shared.dispose();
    expect(torch.memory().tensors).toBe(before);
    expect(shared.once("a", make).number).toBe(3);
    shared.dispose();
  }));
