import { fromTyped, Random } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { randomCrops } from "../../../src/generators/trainer/crops.ts";

describe("randomCrops", () => {
  const images = fromTyped(
    Uint8Array.from({ length: 4 * 3 * 8 * 8 }, (_, i) => (i * 37) % 256),
    [4, 3, 8, 8],
  );

  test("are whole images, plain or mirrored, where the crop has the images' size", () => {
    const crops = randomCrops(images, [2, 0, 2, 1, 3, 3], 8, new Random(4));
    expect(crops.shape).toEqual([6, 3, 8, 8]);
    [2, 0, 2, 1, 3, 3].forEach((item, place) => {
      const crop = crops.select(0, place).add(1).mul(127.5).round();
      const original = images.select(0, item).to("float32");
      const distances = [original, original.flip([2])].map((image) => image.sub(crop).abs().max().item());
      expect(Math.min(...distances)).toBe(0);
    });
  });

  test("lie inside of the image and repeat with the same draws", () => {
    const [first, second] = [0, 1].map(() => randomCrops(images, [0, 1, 2, 3], 5, new Random(9)));
    expect(first!.shape).toEqual([4, 3, 5, 5]);
    expect(first!.toNumbers()).toEqual(second!.toNumbers());
  });
});
