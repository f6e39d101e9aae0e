/** Transforms of position: they move pixels and leave their colours. Each equals its torchvision namesake. */
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ImageError } from "./errors.ts";

/** A rectangle in pixels; `top` and `left` count from the upper left corner. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Cuts the same rectangle out of every image.
 *
 * @param images [..., H, W]
 * @returns a view [..., box.height, box.width]
 * @throws ImageError when the rectangle leaves the image
 */
export function crop(images: Tensor, { top, left, height, width }: Box): Tensor {
  const [imageHeight, imageWidth] = sides(images);
  if (
    top < 0 ||
    left < 0 ||
    height < 1 ||
    width < 1 ||
    top + height > imageHeight ||
    left + width > imageWidth
  ) {
    throw new ImageError(
      `Cannot crop rows ${top}..${top + height} and columns ${left}..${left + width} from images of ${imageHeight} x ${imageWidth}. Choose a box inside the image.`,
    );
  }
  return scope(() => images.narrow(-2, top, height).narrow(-1, left, width));
}

/**
 * Scales images bilinearly, pixel centres at half-integers (`align_corners=False`).
 *
 * @param images [B, C, H, W], floating point
 * @param size [height, width] of the result
 * @param options `antialias` averages over all source pixels that a target pixel covers; without it, shrinking
 *   by more than half skips source pixels
 */
export function resize(images: Tensor, size: readonly [number, number], { antialias = true } = {}): Tensor {
  return antialias ? images._upsampleBilinear2dAa(size, false) : images.upsampleBilinear2d(size, false);
}

/** `crop`, then `resize`. */
export function resizedCrop(
  images: Tensor,
  box: Box,
  size: readonly [number, number],
  options: { antialias?: boolean } = {},
): Tensor {
  return scope(() => resize(crop(images, box), size, options));
}

/** Mirrors left and right. */
export function horizontalFlip(images: Tensor): Tensor {
  return images.flip([-1]);
}

/**
 * Rotates about the centre, counter-clockwise, bilinearly; what comes from outside is black.
 *
 * @param images [B, C, H, W], floating point
 * @param degrees the angle
 */
export function rotate(images: Tensor, degrees: number): Tensor {
  const [height, width] = sides(images);
  const matrix = inverseAffine({ height, width, degrees });
  return affine(
    images,
    Array.from({ length: images.shape[0]! }, () => matrix),
    "zeros",
  );
}

/** What `inverseAffine` composes. All of it is about the image's centre; lengths are in pixels. */
export interface AffineMotion {
  readonly height: number;
  readonly width: number;
  /** Counter-clockwise. */
  readonly degrees?: number;
  /** The content becomes this much larger. */
  readonly zoom?: number;
  /** Shear in degrees: rows lean along x, columns along y, as torchvision's `affine` has it. */
  readonly shearX?: number;
  readonly shearY?: number;
  /** The content moves right and down. */
  readonly shiftX?: number;
  readonly shiftY?: number;
  readonly flip?: boolean;
  /** The rectangle that fills the result; fractions of a pixel are fine. */
  readonly crop?: Box;
}

/** The upper two rows of a 3 x 3 matrix, row by row. */
export type AffineMatrix = readonly [number, number, number, number, number, number];

/**
 * The one matrix that crops, flips, rotates, zooms and shifts: it maps a place in the result to the place in the
 * source where its colour comes from, both in coordinates -1..1 (`gridSample`, `align_corners=False`).
 *
 * Read from source to result: the crop box is stretched over the frame, mirrored, then sheared, zoomed, rotated and
 * shifted.
 */
export function inverseAffine(motion: AffineMotion): AffineMatrix {
  const { height, width, degrees = 0, zoom = 1, shiftX = 0, shiftY = 0, flip = false } = motion;
  const { shearX = 0, shearY = 0 } = motion;
  const box = motion.crop ?? { top: 0, left: 0, height, width };
  const radians = Math.PI / 180;
  const angle = degrees * radians;
  const cos = Math.cos(angle) / zoom;
  const sin = Math.sin(angle) / zoom;
  // In pixels from the centre: q = S R (p - shift), R = rotation by -angle on screen (y points down), divided by zoom,
  // S = [1 + ab, a; b, 1] with a, b the tangents of the shears.
  const a = Math.tan(shearX * radians);
  const b = Math.tan(shearY * radians);
  const across = 1 + a * b;
  // In -1..1: the x axis is counted in width / 2, the y axis in height / 2.
  const xx = across * cos + a * sin;
  const xy = ((a * cos - across * sin) * height) / width;
  const yx = ((sin + b * cos) * width) / height;
  const yy = cos - b * sin;
  const tx = (2 * shiftX) / width;
  const ty = (2 * shiftY) / height;
  // The box: x' = centre + (half width of the box) x, mirrored when flipped.
  const mirror = flip ? -1 : 1;
  const boxX = (mirror * box.width) / width;
  const boxY = box.height / height;
  const centreX = (2 * (box.left + box.width / 2)) / width - 1;
  const centreY = (2 * (box.top + box.height / 2)) / height - 1;
  return [
    boxX * xx,
    boxX * xy,
    centreX - boxX * (xx * tx + xy * ty),
    boxY * yx,
    boxY * yy,
    centreY - boxY * (yx * tx + yy * ty),
  ];
}

/** What is seen where a transform reaches beyond the image: black, the mirrored image, or the nearest edge pixel. */
export type Outside = "zeros" | "reflection" | "border";

const OUTSIDE_CODE = { zeros: 0, border: 1, reflection: 2 } as const;
const BILINEAR = 0;

/**
 * Samples every image through its own matrix, bilinearly, in one pass.
 *
 * @param images [B, C, H, W], floating point
 * @param matrices one `inverseAffine` per image
 * @returns [B, C, H, W]
 */
export function affine(
  images: Tensor,
  matrices: readonly AffineMatrix[],
  outside: Outside = "zeros",
): Tensor {
  if (matrices.length !== images.shape[0]) {
    throw new ImageError(
      `Got ${matrices.length} matrices for images of shape [${images.shape}]. Give one matrix per image.`,
    );
  }
  const [, , height = 0, width = 0] = images.shape;
  return scope(() => {
    const theta = torch
      .fromTyped(Float32Array.from(matrices.flat()), [matrices.length, 2, 3]) // [B, 2, 3]
      .to({ device: images.device, dtype: images.dtype });
    const [ofX, ofY, constant] = [0, 1, 2].map((i) => theta.narrow(2, i, 1).unsqueeze(3)); // [B, 2, 1, 1]
    const alongX = constant!.addcmul(ofX!, centres(width, images).view([1, 1, 1, width])); // [B, 2, 1, W]
    const alongY = ofY!.mul(centres(height, images).view([1, 1, height, 1])); // [B, 2, H, 1]
    // Four times faster than affineGridGenerator, which multiplies a matrix of two columns per image.
    return sampleAt(images, alongX.add(alongY).permute([0, 2, 3, 1]), outside); // [B, C, H, W]
  });
}

/**
 * The colours at places of the images, bilinearly.
 *
 * @param images [B, C, H, W], floating point
 * @param places [B, H, W, 2]: x and y in -1..1 (`gridSample`, `align_corners=False`)
 */
export function sampleAt(images: Tensor, places: Tensor, outside: Outside): Tensor {
  return torch.gridSampler(images, places, BILINEAR, OUTSIDE_CODE[outside], false);
}

/** The pixel centres of a side in -1..1: (2 i + 1) / n - 1. */
function centres(length: number, like: Tensor): Tensor {
  return torch
    .arange(length, { dtype: like.dtype, device: like.device })
    .mul_(2 / length)
    .add_(1 / length - 1);
}

function sides(images: Tensor): [number, number] {
  if (images.ndim < 2) {
    throw new ImageError(`A tensor of shape [${images.shape}] is no image. Images end in [height, width].`);
  }
  return [images.shape.at(-2)!, images.shape.at(-1)!];
}
