import { cat, scope, type Tensor } from "@penumbra/torch";

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
