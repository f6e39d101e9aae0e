import sharp from "sharp";

/** Okabe & Ito's vermilion and blue: what speaks for it, and what speaks against. */
const FOR = [213, 94, 0] as const;
const AGAINST = [0, 114, 178] as const;
/** How much of a pixel the strongest place covers. */
const STRONGEST = 0.75;

/**
 * A picture with a map of numbers over it: orange where they are positive, blue where they are negative, the stronger
 * the larger; nothing where they are 0.
 *
 * @param planes 3 * side * side values 0..255: red, green and blue plane
 * @param heat rows of a grid over the picture, interpolated between the middles of its places
 * @returns the bytes of a WebP file
 */
export async function heatMap(
  planes: Uint8Array,
  side: number,
  heat: readonly (readonly number[])[],
): Promise<Buffer> {
  const largest = Math.max(...heat.flat().map(Math.abs)) || 1;
  const pixels = Buffer.alloc(3 * side * side);
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = heightAt(heat, (x + 0.5) / side, (y + 0.5) / side) / largest;
      const cover = STRONGEST * Math.abs(value);
      const colour = value > 0 ? FOR : AGAINST;
      for (let channel = 0; channel < 3; channel++)
        pixels[at++] = Math.round(
          (1 - cover) * planes[channel * side * side + y * side + x]! + cover * colour[channel]!,
        );
    }
  }
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .webp({ quality: 85 })
    .toBuffer();
}

/** Bilinear between the middles of the places, level beyond the outermost; x and y in 0..1. */
function heightAt(heat: readonly (readonly number[])[], x: number, y: number): number {
  const [rows, columns] = [heat.length, heat[0]!.length];
  const [top, down] = split(y, rows);
  const [left, right] = split(x, columns);
  const row = (at: number) => {
    const [a, b] = [heat[at]![left]!, heat[at]![Math.min(columns - 1, left + 1)]!];
    return a + (b - a) * right;
  };
  const [above, below] = [row(top), row(Math.min(rows - 1, top + 1))];
  return above + (below - above) * down;
}

/** The place before a position, and how far it lies behind that place's middle, 0..1. */
function split(position: number, count: number): readonly [number, number] {
  const at = Math.min(count - 1, Math.max(0, position * count - 0.5));
  const place = Math.floor(at);
  return [place, at - place];
}
