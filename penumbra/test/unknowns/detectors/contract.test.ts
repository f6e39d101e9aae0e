// The contract of every detector: a new entry of the table is held to it the moment it is listed.
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  auroc,
  type Detector,
  detectors,
  fitChosen,
  type Samples,
  UnknownsError,
} from "../../../src/unknowns/index.ts";

const CLASSES = 3;
const LABELS = Array.from({ length: 24 }, (_, i) => i % CLASSES);

/** Features around class centres, logits that are sure near them; unknown images lie between the centres. */
function scene() {
  const generator = new torch.Generator({ seed: 3 });
  const normal = (shape: number[]) => torch.randn(shape, { generator, dtype: "float64" });
  const centres = torch.eye(CLASSES, { dtype: "float64" }).mul(8);
  const samples = (features: Tensor): Samples => ({ features, logits: features.matmul(centres.t()).div(8) });
  const around = (): Samples => ({
    ...samples(centres.repeat([LABELS.length / CLASSES, 1]).add(normal([LABELS.length, CLASSES]))),
    labels: LABELS,
  });
  const unknown = samples(
    torch.full([20, CLASSES], 8 / CLASSES, { dtype: "float64" }).add(normal([20, CLASSES])),
  );
  return { train: around(), validation: around(), unknown };
}

const rowsOf = ({ features, logits }: Samples, rows: number[]): Samples => {
  const index = torch.tensor(rows, { dtype: "int64" });
  return { features: features?.indexSelect(0, index), logits: logits?.indexSelect(0, index) };
};

for (const [name, detector] of Object.entries(detectors) as [string, Detector][]) {
  describe(`the detector ${name}`, () => {
    const fit = ({ train, validation, unknown }: ReturnType<typeof scene>) =>
      fitChosen(detector, { train, validation, unknown });

    test("says what it is, needs and is fitted on, and what can be chosen", () => {
      expect(detector.title).not.toBe("");
      expect(detector.description).toMatch(/\w+ \w+/);
      expect(["logits", "features"]).toContain(detector.needs);
      expect(["nothing", "train", "validation"]).toContain(detector.fitsOn);
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
        const reversed = fitted.score(
          rowsOf(
            all.validation,
            LABELS.map((_, i) => LABELS.length - 1 - i),
          ),
        );
        for (const [i, score] of whole.entries()) {
          expect(reversed[LABELS.length - 1 - i]).toBeCloseTo(score, 10);
          expect(fitted.score(rowsOf(all.validation, [i]))[0]).toBeCloseTo(score, 10);
        }
      }));

    test("refuses samples without what it needs", () =>
      scope(() => {
        const all = scene();
        const fitted = fit(all);
        const without = { ...all.unknown, [detector.needs]: undefined };
        expect(() => fitted.score(without)).toThrow(UnknownsError);
        expect(() => fitted.score(without)).toThrow(new RegExp(`needs ${detector.needs}`));
      }));

    test("is chosen by validation unknowns: the best of its candidates, or the first where there are none", () =>
      scope(() => {
        const all = scene();
        if (!detector.tuning)
          return expect(fitChosen(detector, { ...all, unknown: null }).fitted).toEqual(fit(all).fitted);
        const known = detector.fitsOn === "validation" ? all.validation : all.train;
        const every = detector.tuning
          .candidates(detector.tuning.settings.parse({}), LABELS.length)
          .map((options) => detector.fit(known, options));
        expect(fitChosen(detector, { ...all, unknown: null }).fitted).toEqual(every[0]?.fitted);
        const of = (fitted: ReturnType<typeof fit>) =>
          auroc(fitted.score(all.validation), fitted.score(all.unknown));
        expect(of(fit(all))).toBe(Math.max(...every.map(of)));
      }));
  });
}
