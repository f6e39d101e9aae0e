import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { mulberry } from "../report/outcome.ts";

export interface PhotoPlan {
  readonly known?: number;
  readonly near?: number;
  readonly far?: number;
  /** Physical objects of each class. */
  readonly objects?: number;
  readonly views?: number;
  readonly size?: number;
}

/**
 * Writes photos that a classifier can learn: a class is a colour and a number of stripes, an object its own shade and
 * slant, a view its own noise.
 */
export async function writePhotos(
  root: string,
  { known = 3, near = 2, far = 1, objects = 5, views = 2, size = 32 }: PhotoPlan = {},
): Promise<void> {
  const counts = { known, near, far };
  let hue = 0;
  for (const role of ["known", "near", "far"] as const) {
    for (let index = 0; index < counts[role]; index++, hue++) {
      for (let object = 0; object < objects; object++) {
        const folder = join(root, role, `${role === "known" ? "part" : role}-${index}`, String(object));
        await mkdir(folder, { recursive: true });
        for (let view = 0; view < views; view++) {
          const seed = ((hue * 100 + object) * 100 + view) * 3 + 1;
          const pixels = stripes(size, { hue, stripes: 2 + (hue % 4), slant: object / objects, seed });
          await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
            .png()
            .toFile(join(folder, `${view}.png`));
        }
      }
    }
  }
}

function stripes(
  size: number,
  { hue, stripes: count, slant, seed }: { hue: number; stripes: number; slant: number; seed: number },
): Buffer {
  const random = mulberry(seed);
  const base = [0, 1, 2].map((channel) => 127 + 100 * Math.cos(hue * 1.7 + channel * 2.1));
  const pixels = Buffer.alloc(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const isDark = Math.sin(((x + slant * y) / size) * count * 2 * Math.PI) > 0;
      for (let channel = 0; channel < 3; channel++) {
        const value = (base[channel] ?? 0) * (isDark ? 0.45 : 1) + (random() - 0.5) * 24;
        pixels[(y * size + x) * 3 + channel] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return pixels;
}
