import * as torch from "@penumbra/torch";
import { scope } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ContrastError,
  energyMargin,
  energyMarginPlateau,
  outlierExposure,
} from "../../../src/contrast/index.ts";

const logit = fc.double({ min: -30, max: 30, noNaN: true });
const matrix = fc
  .integer({ min: 2, max: 5 })
  .chain((classes) =>
    fc.array(fc.array(logit, { minLength: classes, maxLength: classes }), { minLength: 1, maxLength: 6 }),
  );
const tensor = (rows: readonly (readonly number[])[]) =>
  torch.fromTyped(Float64Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const lse = (row: readonly number[]) => {
  const most = Math.max(...row);
  return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
};

describe("outlier exposure", () => {
  test("is the cross-entropy of the softmax with the uniform distribution, at least ln C", () => {
    fc.assert(
      fc.property(matrix, (rows) =>
        scope(() => {
          const got = outlierExposure(tensor(rows)).item();
          // -1/C sum_c ln softmax_c, row by row
          const expected = mean(rows.map((row) => mean(row.map((value) => lse(row) - value))));
          expect(got).toBeCloseTo(expected, 9);
          expect(got).toBeGreaterThanOrEqual(Math.log(rows[0]?.length ?? 0) - 1e-9);
        }),
      ),
    );
  });

  test("of equal logits is ln C, wherever they lie", () =>
    scope(() => {
      for (const level of [-7, 0, 100])
        expect(outlierExposure(torch.full([3, 4], level)).item()).toBeCloseTo(Math.log(4), 5);
    }));

  test("refuses what is no matrix of logits", () => {
    expect(() => outlierExposure(torch.zeros([4]))).toThrow(ContrastError);
    expect(() => outlierExposure(torch.zeros([0, 4]))).toThrow(
      /outlierExposure got .*\[0,4\].*at least one image/,
    );
  });
});

describe("the energy margin", () => {
  test("is the squared hinge of both energies", () => {
    const margin = fc.double({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(matrix, matrix, margin, margin, (known, outliers, a, b) =>
        scope(() => {
          const [inside, outside] = [Math.min(a, b), Math.max(a, b) + 0.5];
          const hinge = (value: number) => Math.max(0, value) ** 2;
          const expected =
            mean(known.map((row) => hinge(-lse(row) - inside))) +
            mean(outliers.map((row) => hinge(outside + lse(row))));
          const got = energyMargin(tensor(known), tensor(outliers), { inside, outside }).item();
          expect(Math.abs(got - expected)).toBeLessThan(1e-9 * Math.max(1, expected));
        }),
      ),
    );
  });

  test("is 0 where photos lie below and outliers above", () =>
    scope(() => {
      const sure = torch.tensor([[40, 0, 0]]);
      const flat = torch.tensor([[-20, -20, -20]]);
      expect(energyMargin(sure, flat).item()).toBe(0);
      expect(energyMargin(flat, sure).item()).toBeGreaterThan(1);
    }));

  test("of one energy for all is least in the middle between the margins", () =>
    scope(() => {
      const margins = { inside: -9, outside: -4 };
      const at = (level: number) => {
        const logits = torch.full([2, 5], level - Math.log(5), { dtype: "float64" });
        return energyMargin(logits, logits, margins).item();
      };
      expect(at(6.5)).toBeCloseTo(energyMarginPlateau(margins), 10);
      for (const level of [4, 6, 7, 9]) expect(at(level)).toBeGreaterThan(energyMarginPlateau(margins));
    }));

  test("refuses margins in the wrong order", () => {
    const logits = torch.zeros([1, 2]);
    expect(() => energyMargin(logits, logits, { inside: -5, outside: -15 })).toThrow(
      /Set inside below outside/,
    );
  });
});
