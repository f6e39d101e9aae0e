import { cat, fromTyped, scope, type Tensor } from "@penumbra/torch";

/** Rows and columns of patches. */
export type Grid = readonly [rows: number, columns: number];

export interface InterpolationOptions {
  /** Tokens before those of the patches, which stay as they are. */
  readonly prefix: number;
  /**
   * Whether the cubic kernel widens where the grid shrinks (coefficient -0.5), as timm does it; without, as transformers'
   * Dinov2 does it (coefficient -0.75). Default true.
   */
  readonly antialias?: boolean;
}

/**
 * Learned position embeddings of a square grid, for an image of another size: bicubic interpolation over the grid, as
 * timm's `resample_abs_pos_embed`.
 *
 * @param embedding [1, prefix + n^2, D]
 * @param grid patches of the images
 * @returns [1, prefix + rows columns, D]; the embedding itself where the grid is its own
 */
export function interpolatePositions(
  embedding: Tensor,
  [rows, columns]: Grid,
  { prefix, antialias = true }: InterpolationOptions,
): Tensor {
  const side = Math.sqrt((embedding.shape[1] as number) - prefix);
  if (rows === side && columns === side) return embedding;
  return scope(() => {
    const patches = embedding.narrow(1, prefix, side * side).to("float32"); // [1, n n, D]
    const image = patches.unflatten(1, [side, side]).permute([0, 3, 1, 2]); // [1, D, n, n]
    const size = [rows, columns];
    const resized = antialias
      ? image._upsampleBicubic2dAa(size, false)
      : image.upsampleBicubic2d(size, false);
    const flat = resized.permute([0, 2, 3, 1]).flatten({ startDim: 1, endDim: 2 }).to(embedding.dtype);
    return prefix === 0 ? flat : cat([embedding.narrow(1, 0, prefix), flat], { dim: 1 });
  });
}

export interface RotaryOptions {
  /** Numbers of a query or key of one head, a multiple of 4. */
  readonly size: number;
  /** The longest period, in units of half an image. */
  readonly base: number;
  /** Tokens before those of the patches, which are not turned. */
  readonly prefix: number;
}

/**
 * Rotary positions of an image's patches (Su et al. 2021, eq. 34, on two axes as in DINOv3, Simeoni et al. 2025): angle
 * 2 pi c / base^(4 i / size) for the patch's centre c = (row, column), each from -1 to 1 over the image, i < size / 4.
 *
 * @returns float32 [2, prefix + rows columns, size]: sines and cosines
 */
export function rotaryPositions([rows, columns]: Grid, { size, base, prefix }: RotaryOptions): Tensor {
  const count = prefix + rows * columns;
  const table = new Float32Array(2 * count * size).fill(1, count * size); // sine 0 and cosine 1: nothing turns
  const centre = (index: number, of: number) => (2 * (index + 0.5)) / of - 1;
  const quarter = size / 4;
  for (let patch = 0; patch < rows * columns; patch++) {
    const places = [centre(Math.floor(patch / columns), rows), centre(patch % columns, columns)];
    for (let i = 0; i < size; i++) {
      const angle = (2 * Math.PI * places[Math.floor(i / quarter) % 2]!) / base ** ((i % quarter) / quarter);
      const at = (prefix + patch) * size + i;
      table[at] = Math.sin(angle);
      table[count * size + at] = Math.cos(angle);
    }
  }
  return fromTyped(table, [2, count, size]);
}

/**
 * Queries or keys turned by the places of their tokens: x cos + (-x2, x1) sin, x1 and x2 the halves of x.
 * @param x [B, heads, N, size] @param table of {@link rotaryPositions}
 */
export function turned(x: Tensor, table: Tensor): Tensor {
  const [sin, cos] = table.to(x.dtype).unbind() as [Tensor, Tensor];
  const [first, second] = x.chunk(2, { dim: -1 }) as [Tensor, Tensor];
  return x.mul(cos).add(cat([second.neg(), first], { dim: -1 }).mul(sin));
}
