import type { Random } from "@penumbra/torch/random";

/** Square images in one array: uint8, [N, 3, size, size]. */
export interface SquareImages {
  readonly pixels: Uint8Array;
  readonly size: number;
}

/** Tiles along a side of a jigsaw: few enough that each shows a part, many enough that no whole is left. */
const TILES = 3;

/**
 * Jigsaw: the image's 3 x 3 tiles in another order, no arrangement being the image itself. What is local stays, the
 * object is gone.
 *
 * @param index which of the images
 * @returns uint8, [3, size, size]; the pixels beside whole tiles stay
 */
export function jigsaw({ pixels, size }: SquareImages, index: number, random: Random): Uint8Array {
  const side = Math.floor(size / TILES);
  const order = derangement(TILES * TILES, random);
  const source = imageAt(pixels, size, index);
  const mixed = source.slice();
  for (const [to, from] of order.entries()) {
    copyBox(source, mixed, size, {
      ...{ from: placeOf(from, side), to: placeOf(to, side) },
      ...{ width: side, height: side },
    });
  }
  return mixed;
}

/**
 * CutMix (Yun et al. 2019): a box of another image stands in for the same place of this one. The box is of the image's
 * proportions and holds 30 to 70 % of it, so that neither is left whole.
 *
 * @returns uint8, [3, size, size]
 */
export function cutMix(images: SquareImages, index: number, partner: number, random: Random): Uint8Array {
  const { pixels, size } = images;
  const side = Math.round(size * Math.sqrt(random.uniform(0.3, 0.7)));
  const place = { x: pick(size - side + 1, random), y: pick(size - side + 1, random) };
  const mixed = imageAt(pixels, size, index).slice();
  copyBox(imageAt(pixels, size, partner), mixed, size, {
    ...{ from: place, to: place },
    ...{ width: side, height: side },
  });
  return mixed;
}

/**
 * Blend: this image and another one laid over each other, 35 to 65 % of each, so that neither outweighs the other.
 *
 * @returns uint8, [3, size, size]
 */
export function blend(images: SquareImages, index: number, partner: number, random: Random): Uint8Array {
  const { pixels, size } = images;
  const share = random.uniform(0.35, 0.65);
  const other = imageAt(pixels, size, partner);
  return imageAt(pixels, size, index).map((value, place) =>
    Math.round(share * value + (1 - share) * (other[place] as number)),
  );
}

/** How many patches are copied, and how long their sides are as shares of the image's. */
const PATCHES = { count: { from: 3, to: 6 }, side: { from: 0.15, to: 0.3 } } as const;

/**
 * Patches: three to six small boxes of another image lie on this one, each somewhere else than where it was cut out
 * (as CutPaste, Li et al. 2021, but across classes). The object stays whole, its details are not its own.
 *
 * @returns uint8, [3, size, size]
 */
export function patches(images: SquareImages, index: number, partner: number, random: Random): Uint8Array {
  const { pixels, size } = images;
  const { count, side } = PATCHES;
  const mixed = imageAt(pixels, size, index).slice();
  const other = imageAt(pixels, size, partner);
  const copies = count.from + pick(count.to - count.from + 1, random);
  for (let copy = 0; copy < copies; copy++) {
    const [width, height] = [0, 0].map(() =>
      Math.max(1, Math.round(size * random.uniform(side.from, side.to))),
    ) as [number, number];
    const place = () => ({ x: pick(size - width + 1, random), y: pick(size - height + 1, random) });
    copyBox(other, mixed, size, { from: place(), to: place(), width, height });
  }
  return mixed;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Box {
  readonly from: Place;
  readonly to: Place;
  readonly width: number;
  readonly height: number;
}

function imageAt(pixels: Uint8Array, size: number, index: number): Uint8Array {
  const length = 3 * size * size;
  return pixels.subarray(index * length, (index + 1) * length);
}

function placeOf(tile: number, side: number): Place {
  return { x: (tile % TILES) * side, y: Math.floor(tile / TILES) * side };
}

function copyBox(source: Uint8Array, target: Uint8Array, size: number, box: Box): void {
  const { from, to, width, height } = box;
  for (let channel = 0; channel < 3; channel++) {
    for (let row = 0; row < height; row++) {
      const start = (channel * size + from.y + row) * size + from.x;
      target.set(source.subarray(start, start + width), (channel * size + to.y + row) * size + to.x);
    }
  }
}

/** A whole number from 0 to below `count`. */
function pick(count: number, random: Random): number {
  return Math.min(count - 1, Math.floor(random.uniform() * count));
}

/** An order of 0 … count - 1 in which nothing stays in its place (Sattolo's algorithm). */
function derangement(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, place) => place);
  for (let last = count - 1; last > 0; last--) {
    const other = pick(last, random);
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}
