/**
 * What a picture looks like, in a few numbers made from a thumbnail: enough to find pictures that are almost the same,
 * and those that are dark, flat or blurred.
 */

export interface Look {
  /** pHash: 64 bits in 16 hexadecimal digits. Pictures that look the same differ in few bits. */
  readonly perceptual: string;
  /** 16 x 16 grey levels, base64: how alike two pictures with about the same pHash are. */
  readonly tile: string;
  /** Mean grey level, 0..255. */
  readonly mean: number;
  /** Standard deviation of the grey levels; below 1 the picture shows nothing. */
  readonly deviation: number;
  /** Standard deviation of the Laplacian: the smaller, the more blurred or flat. */
  readonly sharpness: number;
}

const TILE_SIDE = 16;
const HASH_INPUT = 32;
const HASH_SIDE = 8;

/**
 * @param thumbnail square of 8-bit sRGB, channels interleaved, its side a multiple of 32
 */
export function lookOf(thumbnail: Uint8Array): Look {
  const side = Math.sqrt(thumbnail.length / 3);
  const grey = greyOf(thumbnail);
  const tile = Buffer.from(averaged(grey, side, TILE_SIDE).map(Math.round));
  const { mean, deviation } = moments(grey);
  return {
    perceptual: perceptualHash(averaged(grey, side, HASH_INPUT)),
    tile: tile.toString("base64"),
    mean: rounded(mean),
    deviation: rounded(deviation),
    sharpness: rounded(sharpnessOf(grey, side)),
  };
}

/** Rec. 601 luma, as JPEG has it. */
function greyOf(rgb: Uint8Array): Float64Array {
  const grey = new Float64Array(rgb.length / 3);
  for (let i = 0, from = 0; i < grey.length; i++, from += 3) {
    grey[i] = 0.299 * rgb[from]! + 0.587 * rgb[from + 1]! + 0.114 * rgb[from + 2]!;
  }
  return grey;
}

/** Bits in which two perceptual hashes differ, 0..64. */
export function hashDistance(a: string, b: string): number {
  return (
    bitCount(Number.parseInt(a.slice(0, 8), 16) ^ Number.parseInt(b.slice(0, 8), 16)) +
    bitCount(Number.parseInt(a.slice(8), 16) ^ Number.parseInt(b.slice(8), 16))
  );
}

/** Mean absolute difference of two tiles, in grey levels. */
export function tileDistance(a: string, b: string): number {
  const [x, y] = [Buffer.from(a, "base64"), Buffer.from(b, "base64")];
  return x.reduce((sum, value, i) => sum + Math.abs(value - y[i]!), 0) / x.length;
}

/**
 * pHash: the lowest 8 x 8 frequencies of the discrete cosine transform, each above or below their median (Zauner 2010,
 * section 3.2.1; the constant term takes no part in the median).
 */
function perceptualHash(grey: Float64Array): string {
  const frequencies = new Float64Array(HASH_SIDE * HASH_SIDE);
  const rows = new Float64Array(HASH_SIDE * HASH_INPUT); // [frequency in x, y]
  for (let u = 0; u < HASH_SIDE; u++) {
    for (let y = 0; y < HASH_INPUT; y++) {
      let sum = 0;
      for (let x = 0; x < HASH_INPUT; x++) sum += COSINES[u * HASH_INPUT + x]! * grey[y * HASH_INPUT + x]!;
      rows[u * HASH_INPUT + y] = sum;
    }
  }
  for (let v = 0; v < HASH_SIDE; v++) {
    for (let u = 0; u < HASH_SIDE; u++) {
      let sum = 0;
      for (let y = 0; y < HASH_INPUT; y++) sum += COSINES[v * HASH_INPUT + y]! * rows[u * HASH_INPUT + y]!;
      frequencies[v * HASH_SIDE + u] = sum;
    }
  }
  const sorted = frequencies.slice(1).sort();
  const median = sorted[sorted.length >> 1]!;
  let hash = "";
  for (let i = 0; i < frequencies.length; i += 4) {
    let digit = 0;
    for (let k = 0; k < 4; k++) digit = 2 * digit + Number(frequencies[i + k]! > median);
    hash += digit.toString(16);
  }
  return hash;
}

const COSINES = Float64Array.from({ length: HASH_SIDE * HASH_INPUT }, (_, i) => {
  const [u, x] = [Math.floor(i / HASH_INPUT), i % HASH_INPUT];
  return Math.cos((Math.PI * (2 * x + 1) * u) / (2 * HASH_INPUT));
});

/** Means over blocks. */
function averaged(grey: Float64Array, side: number, target: number): Float64Array {
  const block = side / target;
  if (block === 1) return grey;
  const out = new Float64Array(target * target);
  const share = 1 / (block * block);
  for (let y = 0, from = 0; y < side; y++) {
    const row = Math.floor(y / block) * target;
    for (let x = 0; x < target; x++) {
      let sum = 0;
      for (let k = 0; k < block; k++) sum += grey[from++]!;
      out[row + x]! += share * sum;
    }
  }
  return out;
}

/** Standard deviation of the Laplacian, inside of the border. */
function sharpnessOf(grey: Float64Array, side: number): number {
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < side - 1; y++) {
    for (let i = y * side + 1, end = (y + 1) * side - 1; i < end; i++) {
      const value = grey[i - 1]! + grey[i + 1]! + grey[i - side]! + grey[i + side]! - 4 * grey[i]!;
      sum += value;
      squares += value * value;
    }
  }
  return deviationOf(sum, squares, (side - 2) ** 2);
}

function moments(values: Float64Array): { mean: number; deviation: number } {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! * values[i]!;
  }
  return { mean: sum / values.length, deviation: deviationOf(sum, squares, values.length) };
}

function deviationOf(sum: number, squares: number, count: number): number {
  const mean = sum / count;
  return Math.sqrt(Math.max(0, squares / count - mean * mean));
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function bitCount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return (((v + (v >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
