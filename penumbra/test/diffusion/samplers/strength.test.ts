import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  parseSchedulerConfig,
  readySampler,
  resolveStrength,
  type SamplerChoice,
} from "../../../src/diffusion/index.ts";

const config = parseSchedulerConfig();

describe("resolveStrength", () => {
  // METHODS B.2, the DDIM columns: 50 steps of Stable Diffusion 1.x.
  test.each([
    [0.1, 81, 5],
    [0.25, 221, 12],
    [0.5, 481, 25],
    [0.7, 681, 35],
    [0.75, 721, 37],
    [0.9, 881, 45],
    [1, 981, 50],
  ])(
    "strength %f of 50 steps begins at timestep %i and calls the denoiser %i times",
    (strength, timestep, calls) => {
      const resolved = resolveStrength(config, 50, strength);
      expect(resolved).toMatchObject({ timestep, calls, startIndex: 50 - calls });
      expect(resolved.signal ** 2 + resolved.noise ** 2).toBeCloseTo(1, 12);
    },
  );

  // METHODS B.2, the PNDM columns: one call more, from a timestep later.
  test.each([
    [0.1, 101, 6],
    [0.25, 241, 13],
    [0.5, 501, 26],
    [0.75, 741, 38],
    [1, 981, 51],
  ])("as PNDM, strength %f begins at %i and calls %i times", (strength, timestep, calls) => {
    const pndm: SamplerChoice = { name: "pndm" };
    expect(resolveStrength(config, 50, strength, pndm)).toMatchObject({ timestep, calls });
  });

  test("strength 1 leaves 7.6% of the image's amplitude", () => {
    expect(resolveStrength(config, 50, 1).signal).toBeCloseTo(0.076, 3);
  });

  test("strength 0 takes no step and leaves the whole signal", () => {
    const nothing = { startIndex: 50, timestep: null, signal: 1, noise: 0, calls: 0 };
    expect(resolveStrength(config, 50, 0)).toEqual(nothing);
    expect(resolveStrength(config, 50, 0.019)).toEqual(nothing);
  });

  test("a higher strength never leaves more signal", () => {
    const strength = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(strength, strength, fc.integer({ min: 1, max: 100 }), (a, b, steps) => {
        const [weak, strong] = [Math.min(a, b), Math.max(a, b)].map((s) => resolveStrength(config, steps, s));
        expect(strong?.signal).toBeLessThanOrEqual(weak?.signal as number);
        expect(strong?.timestep).toBe(
          readySampler({ name: "ddim" }).walk(config, steps).timesteps[strong?.startIndex as number] ?? null,
        );
      }),
    );
  });

  test("a strength outside 0 … 1 is refused", () => {
    for (const strength of [-0.1, 1.1, Number.NaN]) {
      expect(() => resolveStrength(config, 50, strength)).toThrow(/from 0 .* to 1/);
    }
  });
});
