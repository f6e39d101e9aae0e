import type { Tensor } from "@penumbra/torch";
import { test } from "vitest";
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  affine,
  autoContrast,
  type Corners,
  equalize,
  gaussianBlur,
  grayscale,
  horizontalFlip,
  inverseAffine,
  perspective,
  posterize,
  resize,
  resizedCrop,
  rotate,
  solarize,
} from "../../src/images/index.ts";
import { expectClose, goldens } from "../goldens.ts";

/** The reference's tensors carry their parameters in their names: `crop_t3_l5_h9_w11_to16_aa`. */
const NUMBER = "(-?\\d+(?:\\.\\d+)?)";
type Transform = (images: Tensor, numbers: number[], expected: Tensor, isAntialiased: boolean) => Tensor;
const size = (expected: Tensor) => [expected.shape.at(-2)!, expected.shape.at(-1)!] as const;

const TRANSFORMS: readonly [pattern: string, transform: Transform][] = [
  ["hflip", (x) => horizontalFlip(x)],
  ["gr[ae]y(?:scale)?", (x) => grayscale(x)],
  [`rotate_${NUMBER}(?:_bilinear)?`, (x, [degrees]) => rotate(x, degrees!)],
  [`brightness_${NUMBER}`, (x, [factor]) => adjustBrightness(x, factor!)],
  [`contrast_${NUMBER}`, (x, [factor]) => adjustContrast(x, factor!)],
  [`saturation_${NUMBER}`, (x, [factor]) => adjustSaturation(x, factor!)],
  [`hue_${NUMBER}`, (x, [shift]) => adjustHue(x, shift!)],
  [`blur_k${NUMBER}_s${NUMBER}`, (x, [kernel, sigma]) => gaussianBlur(x, kernel!, sigma!)],
  [`solarize_${NUMBER}`, (x, [threshold]) => solarize(x, threshold!)],
  [`posterize_${NUMBER}`, (x, [bits]) => posterize(x, bits!)],
  ["equalize", (x) => equalize(x)],
  ["autocontrast", (x) => autoContrast(x)],
  [`sharpness_${NUMBER}`, (x, [factor]) => adjustSharpness(x, factor!)],
  [
    `affine_r${NUMBER}_x${NUMBER}_y${NUMBER}`,
    (x, [degrees, shearX, shearY], expected) => {
      const [height, width] = size(expected);
      const matrix = inverseAffine({ height, width, degrees: degrees!, shearX: shearX!, shearY: shearY! });
      return affine(x, [matrix, matrix]);
    },
  ],
  [
    `perspective${`_${NUMBER}`.repeat(8)}`,
    (x, [a, b, c, d, e, f, g, h]) => {
      const corners: Corners = [
        [a!, b!],
        [c!, d!],
        [e!, f!],
        [g!, h!],
      ];
      return perspective(x, [corners, corners]);
    },
  ],
  [`resize_?${NUMBER}`, (x, _, expected, antialias) => resize(x, size(expected), { antialias })],
  [
    `crop_t${NUMBER}_l${NUMBER}_h${NUMBER}_w${NUMBER}_to${NUMBER}`,
    (x, [top, left, height, width], expected, antialias) =>
      resizedCrop(x, { top: top!, left: left!, height: height!, width: width! }, size(expected), {
        antialias,
      }),
  ],
];

const cases = goldens("image", "transforms");
if (cases.length === 0) test.skip("no golden image/transforms* in the folder of goldens", () => {});
for (const { name, json, tensors } of cases) {
  for (const [title, expected] of Object.entries(tensors)) {
    if (title === "image") continue;
    test(`agrees with image/${name}: ${title}`, () => {
      const isAntialiased = title.endsWith("_aa");
      const plain = isAntialiased ? title.slice(0, -"_aa".length) : title;
      for (const [pattern, transform] of TRANSFORMS) {
        const match = plain.match(new RegExp(`^${pattern}$`));
        if (!match) continue;
        const actual = transform(tensors.image!, match.slice(1).map(Number), expected, isAntialiased);
        return expectClose(actual, expected, json.rtol, title);
      }
      throw new Error(`The golden ${name} has a tensor "${title}" that is no transform known here.`);
    });
  }
}
