import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ImageError } from "./errors.ts";
import { type Outside, sampleAt } from "./geometry.ts";

/** Where the corner pixels of an image go, in pixels [x, y]: upper left, upper right, lower right, lower left. */
export type Corners = readonly [Point, Point, Point, Point];
type Point = readonly [x: number, y: number];

/**
 * Draws every image in perspective, bilinearly: its corner pixels go where they are told, straight lines stay straight
 * (torchvision `perspective`).
 *
 *   x = (a X + b Y + c) / (g X + h Y + 1),   y = (d X + e Y + f) / (g X + h Y + 1)
 *
 * for a place (X, Y) of the result and (x, y) of the image; the four corners decide the eight numbers.
 *
 * @param images [B, C, H, W], floating point
 * @param corners one an image
 * @throws ImageError when there is not one an image
 */
export function perspective(images: Tensor, corners: readonly Corners[], outside: Outside = "zeros"): Tensor {
  const [count = 0, , height = 0, width = 0] = images.shape;
  if (images.ndim !== 4 || corners.length !== count) {
    throw new ImageError(
      `Got corners of ${corners.length} images for a tensor of shape [${images.shape}]. Give images as [B, C, height, width] and four corners an image.`,
    );
  }
  return scope(() => {
    const numbers = torch
      .linalgSolve(...equations(corners, height, width)) // [B, 8], float64
      .to({ device: images.device, dtype: images.dtype });
    const of = (i: number) => numbers.narrow(1, i, 1).unsqueeze(2); // [B, 1, 1]
    const x = centresOf(width, images).view([1, 1, width]);
    const y = centresOf(height, images).view([1, height, 1]);
    const plane = (first: number) =>
      of(first)
        .mul(x)
        .add(of(first + 1).mul(y)); // [B, H, W]
    const depth = plane(6).add(1);
    const across = plane(0)
      .add(of(2))
      .div(depth)
      .mul(2 / width)
      .sub(1);
    const down = plane(3)
      .add(of(5))
      .div(depth)
      .mul(2 / height)
      .sub(1);
    return sampleAt(images, torch.stack([across, down], { dim: 3 }), outside);
  });
}

/** Two equations a corner: [B, 8, 8] and [B, 8]. */
function equations(corners: readonly Corners[], height: number, width: number): [Tensor, Tensor] {
  const own: Corners = [
    [0, 0],
    [width - 1, 0],
    [width - 1, height - 1],
    [0, height - 1],
  ];
  const rows = corners.flatMap((moved) =>
    own.flatMap(([x, y], corner) => {
      const [X, Y] = moved[corner] as Point;
      return [...[X, Y, 1, 0, 0, 0, -x * X, -x * Y], ...[0, 0, 0, X, Y, 1, -y * X, -y * Y]];
    }),
  );
  const places = corners.flatMap(() => own.flat());
  return [
    torch.fromTyped(Float64Array.from(rows), [corners.length, 8, 8]),
    torch.fromTyped(Float64Array.from(places), [corners.length, 8]),
  ];
}

/** Pixel centres as torchvision counts them here: 0.5, 1.5, … */
function centresOf(length: number, like: Tensor): Tensor {
  return torch.arange(length, { dtype: like.dtype, device: like.device }).add_(0.5);
}
