import { expect, test } from "vitest";
import { Graph } from "../../../src/deploy/export/onnx/graph.ts";
import { loadModel } from "../../../src/deploy/export/onnx-runtime.ts";
import { drawPreprocessing } from "../../../src/deploy/export/preprocessing.ts";
import { FITS, type Interpolation, squareOf } from "../../../src/images/index.ts";
import { mulberry } from "../../report/outcome.ts";

/** Smaller and larger, one axis or both, 1 pixel, whole and other factors, more than a box at a time. */
const SIZES = [
  ...[
    [24, 24],
    [12, 12],
    [48, 48],
    [96, 96],
    [25, 23],
    [1, 9],
    [7, 90],
    [90, 7],
    [640, 480],
    [505, 123],
  ],
  ...[
    [262, 455],
    [451, 321],
    [100, 75],
    [192, 108],
    [333, 1],
  ],
] as const as readonly (readonly [number, number])[];

const CASES = [
  ...FITS.map((fit) => ({ fit, interpolation: "lanczos3" as Interpolation })),
  ...(["bicubic", "bilinear"] as const).map((interpolation) => ({ fit: "squash" as const, interpolation })),
];

test.each(CASES)("resizing is libvips' own, bit for bit: $fit by $interpolation", async (resizing) => {
  const { fit, interpolation } = resizing;
  const random = mulberry(3);
  const size = 24;
  const graph = new Graph();
  const images = graph.input("images", "uint8", ["N", "height", "width", 3]);
  const pixels = drawPreprocessing(graph, images, { imageSize: size, ...resizing });
  graph.output("pixels", pixels, "float32", ["N", 3, size, size]);
  const model = await loadModel(graph.toModel("resizing", "0").toBytes());
  for (const [width, height] of SIZES) {
    const data = Uint8Array.from({ length: 3 * width * height }, () => 256 * random());
    const wanted = await squareOf({ data, width, height }, size, resizing);
    // Two photos at once: the second is the first upside down, so that no photo can see the other's pixels.
    const both = new Uint8Array(2 * data.length);
    both.set(data);
    both.set(data.toReversed(), data.length);
    const { pixels: made } = await model.run({
      images: { type: "uint8", dims: [2, height, width, 3], data: both },
    });
    expect(made!.dims).toEqual([2, 3, size, size]);
    const first = Uint8Array.from((made!.data as Float32Array).subarray(0, wanted.length));
    let [largest, off] = [0, 0];
    for (let i = 0; i < wanted.length; i++) {
      const difference = Math.abs(first[i]! - wanted[i]!);
      largest = Math.max(largest, difference);
      if (difference > 0) off++;
    }
    // Weights of "bilinear" are fractions that fall on a step of 1/4096, and products of them are cut off in growing.
    if (interpolation === "bilinear") {
      expect(largest).toBeLessThanOrEqual(1);
      continue;
    }
    // Where a position lies just between two of libvips' 64 phases, its own rounding depends on the tile; only a
    // crop's tiles are not known.
    if (fit === "crop") expect([largest <= 2, off <= 0.03 * wanted.length]).toEqual([true, true]);
    else expect({ width, height, largest }).toEqual({ width, height, largest: 0 });
  }
  await model.release();
});

test("resizing by the nearest pixel is refused by name", () => {
  const graph = new Graph();
  const images = graph.input("images", "uint8", ["N", "height", "width", 3]);
  const resizing = { imageSize: 8, fit: "squash", interpolation: "nearest" } as const;
  expect(() => drawPreprocessing(graph, images, resizing)).toThrow(
    /"nearest" have no form in ONNX. Those that have one: lanczos3, bicubic, bilinear/,
  );
});
