import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { batchAt, seenBy } from "../../../src/generators/latent-diffusion/batches.ts";
import { AutoencoderSettings } from "../../../src/generators/latent-diffusion/settings.ts";

const settings = (given: Partial<AutoencoderSettings>) => AutoencoderSettings.parse(given);

describe("the autoencoder's batches", () => {
  test("of whole images cost what those of crops do", () => {
    const given = settings({ batchSize: 32, crop: 32, fullEvery: 4 });
    expect(batchAt(given, 64, 0)).toEqual({ isWhole: true, count: 8, size: 64 });
    expect(batchAt(given, 64, 1)).toEqual({ isWhole: false, count: 32, size: 32 });
  });

  test("never hold more images than the batch size, crops larger than the images included", () => {
    fc.assert(
      fc.property(
        fc.record({
          batchSize: fc.integer({ min: 1, max: 64 }),
          crop: fc.integer({ min: 1, max: 512 }),
          fullEvery: fc.nat(5),
        }),
        fc.integer({ min: 1, max: 128 }),
        fc.nat(20),
        (given, edge, step) => {
          const { count, size } = batchAt(settings(given), edge, step);
          expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(given.batchSize);
          expect(size).toBeLessThanOrEqual(edge);
        },
      ),
    );
  });

  test("are told as what they held", () => {
    const given = settings({ batchSize: 4, crop: 8, fullEvery: 2 });
    expect(seenBy(given, 16, 5)).toBe("8 crops of 8 px, 3 whole images");
    expect(seenBy({ ...given, crop: 99 }, 16, 5)).toBe("8 crops of 16 px, 12 whole images");
  });
});
