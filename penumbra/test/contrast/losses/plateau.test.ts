import { describe, expect, test } from "vitest";
import { detectCollapse, supConPlateau } from "../../../src/contrast/index.ts";

describe("the plateau", () => {
  test("has the values at which users report a stuck loss (SupContrast #3, #42, #83)", () => {
    const base = { temperature: 0.1, baseTemperature: 0.07 };
    expect(supConPlateau({ rows: 128, ...base })).toBeCloseTo(6.92, 3);
    expect(supConPlateau({ rows: 512, ...base })).toBeCloseTo(8.909, 3);
    expect(supConPlateau({ rows: 128 })).toBeCloseTo(4.844, 3);
  });

  test("rises with the negatives by ln(2B - 1 + lambda K)", () => {
    expect(supConPlateau({ rows: 128, negatives: 32, negativeWeight: 0.5 })).toBeCloseTo(
      Math.log(127 + 16),
      12,
    );
  });
});

describe("collapse", () => {
  const plateau = supConPlateau({ rows: 128 });

  test("is told when the last tenth of the losses lies on the plateau, with what to do", () => {
    const losses = Array.from({ length: 300 }, (_, i) => plateau * (1 + 0.002 * Math.sin(i)));
    const found = detectCollapse(losses, plateau);
    expect(found?.loss).toBeCloseTo(plateau, 1);
    expect(found?.message).toMatch(/4\.84.*last 30 steps.*learned nothing.*warm-up/s);
  });

  test("is not told when the loss came down, or before there are enough steps", () => {
    const losses = Array.from({ length: 300 }, (_, i) => plateau * Math.exp(-i / 100));
    expect(detectCollapse(losses, plateau)).toBeNull();
    expect(detectCollapse([plateau, plateau], plateau)).toBeNull();
  });
});
