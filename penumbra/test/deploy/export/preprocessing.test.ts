import { expect, test } from "vitest";
import { Graph } from "../../../src/deploy/export/onnx/graph.ts";
import { loadModel } from "../../../src/deploy/export/onnx-runtime.ts";
import { drawPreprocessing } from "../../../src/deploy/export/preprocessing.ts";
import { FITS, squareOf } from "../../../src/images/index.ts";
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

test.each(FITS)("resizing is libvips' own, bit for bit: %s", async (fit) => {
  const random = mulberry(3);
  const size = 24;
  const graph = new Graph();
  const images = graph.input("images", "uint8", ["N", "height", "width", 3]);
  const pixels = drawPreprocessing(graph, images, { imageSize: size, fit });
  graph.output("pixels", pixels, "float32", ["N", 3, size, size]);
  const model = await loadModel(graph.toModel("resizing", "0").toBytes());
  for (const [width, height] of SIZES) {
    const data = Uint8Array.from({ length: 3 * width * height }, () => 256 * random());
    const wanted = await squareOf({ data, width, height }, size, { fit });
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
    // Where a position lies just between two of libvips' 64 phases, its own rounding depends on the tile; only a
    // crop's tiles are not known.
    if (fit === "crop") expect([largest <= 2, off <= 0.03 * wanted.length]).toEqual([true, true]);
    else expect({ width, height, largest }).toEqual({ width, height, largest: 0 });
  }
  await model.release();
});
