import type { Random } from "@penumbra/torch/random";
import type { SquareImages } from "./mixing.ts";

/** How far pixels move on either axis, and the deviation of the field's Gaussian: shares of the side. */
const MOVE = { from: 0.06, to: 0.12 } as const;
const REACH = 0.08;

/**
 * Elastic deformation (Simard et al. 2003): every pixel comes from somewhere else, as far as two smooth random fields
 * say. With moves as long as the fields are smooth, outlines fold over themselves: colours and texture stay, the shape
 * is gone. Where it reaches beyond the image, the mirrored image is seen.
 *
 * @param index which of the images
 * @returns uint8, [3, size, size]
 */
export function elastic({ pixels, size }: SquareImages, index: number, random: Random): Uint8Array {
  const area = size * size;
  const move = size * random.uniform(MOVE.from, MOVE.to);
  const [across, down] = [0, 1].map(() => {
    const noise = Float64Array.from({ length: area }, () => random.uniform(-1, 1));
    return scaledTo(move, smooth(noise, size, REACH * size));
  }) as [Float64Array, Float64Array];
  const bent = new Uint8Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const start = (3 * index + channel) * area;
    bent.set(bend(pixels.subarray(start, start + area), size, across, down), channel * area);
  }
  return bent;
}

/**
 * A field under a Gaussian that ends at three deviations; beyond its edges it is mirrored.
 *
 * @param field [size, size], by rows
 * @param deviation of the Gaussian, in pixels
 */
export function smooth(field: Float64Array, size: number, deviation: number): Float64Array {
  const reach = Math.round(3 * deviation);
  const bell = Array.from({ length: 2 * reach + 1 }, (_, k) =>
    Math.exp(-0.5 * ((k - reach) / deviation) ** 2),
  );
  const sum = bell.reduce((all, weight) => all + weight, 0);
  /** Along one axis; the other one comes first then, so that two passes smooth both. */
  const pass = (from: Float64Array) =>
    from.map((_, i) => {
      const [line, place] = [i % size, Math.floor(i / size)];
      const weighted = bell.reduce(
        (all, weight, k) => all + weight * from[line * size + mirrored(place + k - reach, size)]!,
        0,
      );
      return weighted / sum;
    });
  return pass(pass(field));
}

/**
 * A channel whose every pixel comes from another place, between four pixels there.
 *
 * @param across, down [size, size] in pixels: how far to the right and below
 */
export function bend(
  channel: Uint8Array,
  size: number,
  across: Float64Array,
  down: Float64Array,
): Uint8Array {
  const at = (column: number, row: number) => channel[mirrored(row, size) * size + mirrored(column, size)]!;
  return channel.map((_, i) => {
    const [x, y] = [(i % size) + across[i]!, Math.floor(i / size) + down[i]!];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const along = (row: number) => at(left, row) + (x - left) * (at(left + 1, row) - at(left, row));
    return Math.round(along(top) + (y - top) * (along(top + 1) - along(top)));
  });
}

/** The field with another root mean square. */
function scaledTo(rootMeanSquare: number, field: Float64Array): Float64Array {
  const own = Math.sqrt(field.reduce((sum, value) => sum + value * value, 0) / field.length);
  return field.map((value) => (value * rootMeanSquare) / own);
}

/** The place that stands for one beyond the edges, where the image is mirrored at its outermost pixels. */
function mirrored(place: number, size: number): number {
  const period = 2 * (size - 1);
  const inside = ((place % period) + period) % period;
  return inside < size ? inside : period - inside;
}
