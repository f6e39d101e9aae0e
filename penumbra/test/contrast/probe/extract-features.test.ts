import * as torch from "@penumbra/torch";
import { scope } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { Encoder, extractFeatures, extractStages } from "../../../src/contrast/index.ts";

const images = torch.randint(256, [5, 3, 32, 32], {
  generator: new torch.Generator({ seed: 1 }),
  dtype: "uint8",
});

describe("the features of every stage", () => {
  test("have the stage's width, one row an image, and end with the bits of the features", () =>
    scope(() => {
      torch.manualSeed(1);
      const encoder = new Encoder({ network: "resnet10", width: 8 });
      const stages = extractStages(encoder, images);
      expect(stages.map(({ shape }) => shape)).toEqual(encoder.stageDimensions.map((width) => [5, width]));
      expect(encoder.stageDimensions).toEqual([8, 16, 32, 64]);
      const features = extractFeatures(encoder, images);
      expect(stages.at(-1)?.toNumbers()).toEqual(features.toNumbers());
    }));

  test("do not depend on the batch size beyond rounding", () =>
    scope(() => {
      torch.manualSeed(2);
      const encoder = new Encoder({ network: "resnet10", width: 8 });
      const whole = extractStages(encoder, images);
      for (const [index, rows] of extractStages(encoder, images, { batchSize: 2 }).entries()) {
        expect(whole[index]?.allclose(rows, { rtol: 1e-4, atol: 1e-6 })).toBe(true);
      }
    }));
});
