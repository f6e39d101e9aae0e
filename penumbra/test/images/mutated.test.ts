import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeImage, reasonOf } from "../../src/images/index.ts";

const whole = [
  ...["rgb-444.jpg", "progressive.jpg", "rgb.png", "rgb.webp", "palette.gif"],
  ...["tiff_lzw.tif", "rgb.bmp", "lossless.jp2"],
].map((file) => readFileSync(join(import.meta.dirname, "decoded", file)));
const files = [...whole, readFileSync(join(import.meta.dirname, "odd-photos/phone.heic"))];

const mutated = fc
  .record({
    file: fc.constantFrom(...files),
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 6 }),
    isCut: fc.boolean(),
  })
  .map(({ file, cut, bytes, isCut }) => {
    const copy = Buffer.from(isCut ? file.subarray(0, Math.floor(cut * file.length)) : file);
    for (const [at, value] of bytes) if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });

const outcomeOf = (bytes: Buffer) =>
  decodeImage(bytes, 8).then(
    (pixels) => Buffer.from(pixels).toString("hex"),
    (error) => `refused: ${reasonOf(error)}`,
  );

// Run once with 10,000 images: numRuns below says how many the suite tries.
test("a mutated file of any format is decoded or refused, the same way every time, with what to do", async () => {
  await fc.assert(
    fc.asyncProperty(mutated, async (bytes) => {
      const [first, second] = await Promise.all([outcomeOf(bytes), outcomeOf(bytes)]);
      expect(second).toBe(first);
      expect(first).toMatch(/^([0-9a-f]{384}|refused: .+(Copy|Convert|Replace|Export|Unpack|Download).*)$/);
    }),
    { numRuns: Number(process.env.PENUMBRA_MUTATED_IMAGES ?? 300) },
  );
});
