import { arange, cat, scope, type Tensor } from "@penumbra/torch";

/** Share of a tile that it has in common with the next one, as in diffusers. */
const OVERLAP = 0.25;

/**
 * Computes an image piece by piece, so that memory does not grow with it: tiles that overlap by a quarter, faded into
 * each other by a straight line (diffusers' tiled autoencoder). What looks at the whole image, as norms do, sees a tile
 * only, so that results differ a little from those of the whole.
 *
 * @param input [B, c, h, w]
 * @param side of a tile, in positions of the input; images that fit into one are computed as a whole
 * @param scale positions of the output for one of the input: an autoencoder's factor, or 1 through it
 */
export function tiled(
  input: Tensor,
  { side, scale }: { readonly side: number; readonly scale: number },
  compute: (tile: Tensor) => Tensor,
): Tensor {
  const [height, width] = input.shape.slice(2) as [number, number];
  if (height <= side && width <= side) return compute(input);
  const stride = Math.floor(side * (1 - OVERLAP));
  const fade = Math.floor(side * scale) - Math.floor(stride * scale);
  const shown = Math.floor(stride * scale);
  return scope(() => {
    const rows: Tensor[] = [];
    let above: Tensor[] = [];
    for (let top = 0; top < height; top += stride) {
      const row: Tensor[] = [];
      for (let left = 0; left < width; left += stride) {
        const part = input
          .narrow(2, top, Math.min(side, height - top))
          .narrow(3, left, Math.min(side, width - left));
        row.push(scope(() => compute(part)));
      }
      const blended: Tensor[] = [];
      for (const [column, tile] of row.entries()) {
        const vertical = above[column] ? faded(above[column], tile, 2, fade) : tile;
        const before = blended[column - 1];
        blended.push(before ? faded(before, vertical, 3, fade) : vertical);
      }
      rows.push(
        cat(
          blended.map((tile) => upTo(tile, 3, shown)),
          { dim: 3 },
        ),
      );
      above = blended;
    }
    return cat(
      rows.map((row) => upTo(row, 2, shown)),
      { dim: 2 },
    );
  });
}

const upTo = (tile: Tensor, dim: number, most: number): Tensor =>
  tile.narrow(dim, 0, Math.min(most, tile.shape[dim] as number));

/** The tile, its first positions along a dimension faded in over the last ones of the tile before it. */
function faded(before: Tensor, tile: Tensor, dim: number, extent: number): Tensor {
  const [ends, starts] = [before.shape[dim] as number, tile.shape[dim] as number];
  const length = Math.min(extent, ends, starts);
  return scope(() => {
    const shape = [1, 1, dim === 2 ? length : 1, dim === 3 ? length : 1];
    const share = arange(length, { dtype: "float32", device: tile.device })
      .div(length)
      .reshape(shape)
      .to(tile.dtype);
    const old = before.narrow(dim, ends - length, length);
    const mixed = old.mul(share.neg().add(1)).add(tile.narrow(dim, 0, length).mul(share));
    return cat([mixed, tile.narrow(dim, length, starts - length)], { dim });
  });
}
