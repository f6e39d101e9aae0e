import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "@penumbra/torch";
import { encodePng } from "../images/index.ts";
import { appendManifest, type ImageLine, readManifest, writeManifest } from "./image-manifest.ts";

/**
 * The line with a name for its image's file that only an image of this very line has.
 * @param beside what else decides about the image
 */
export function withFile<Line extends ImageLine>(line: Omit<Line, "file">, beside: unknown = ""): Line {
  const { recipe } = line as unknown as ImageLine;
  const name = createHash("sha256")
    .update(JSON.stringify([line, beside]))
    .digest("hex")
    .slice(0, 20);
  return { ...line, file: `images/${recipe}-${name}.png` } as Line;
}

export interface DrawImagesOptions<Line extends ImageLine> {
  /** Gets images/ and manifest.jsonl. */
  readonly folder: string;
  /** Of the images that are wanted, each with a file name of its own. */
  readonly lines: readonly Line[];
  /**
   * Draws those of some lines, by their places in `lines`: uint8 [B, 3, H, W] on the CPU. It may tell the share of them
   * that is done, 0 to 1.
   */
  readonly draw: (places: readonly number[], onShare: (share: number) => void) => Tensor | Promise<Tensor>;
  /** Images drawn at once. Default 16. */
  readonly batchSize?: number;
  /** Which to draw first. Default: the order of `lines`. */
  readonly order?: (a: Line, b: Line) => number;
  /** Images that are there, with what is done of those that are being drawn: no whole number then. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends it between two batches, with what is drawn written. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Draws the images that a folder lacks. Every image is written whole, then its line is added to `manifest.jsonl`; what
 * is there with its line is not drawn again. The manifest ends in an order that does not depend on interruptions, and
 * may hold more from other calls. Files are written while the next batch is drawn, where `draw` lets others work.
 */
export async function drawImages<Line extends ImageLine>({
  folder,
  lines,
  draw,
  batchSize = 16,
  order = () => 0,
  onProgress,
  signal,
}: DrawImagesOptions<Line>): Promise<void> {
  await mkdir(join(folder, "images"), { recursive: true });
  const known = await readManifest<Line>(folder);
  const missing = lines.flatMap((line, place) => (known.has(line.file) ? [] : [{ line, place }]));
  missing.sort((a, b) => order(a.line, b.line));
  let done = lines.length - missing.length;
  onProgress?.(done, lines.length);
  if (missing.length === 0) return;
  // Leaves out what an interruption cut off, so that lines are added to whole ones.
  await writeManifest(folder, known.values());
  let writing = Promise.resolve();
  try {
    for (let start = 0; start < missing.length; start += batchSize) {
      signal?.throwIfAborted();
      const batch = missing.slice(start, start + batchSize);
      const places = batch.map(({ place }) => place);
      const before = done;
      const images = await draw(places, (share) => onProgress?.(before + share * batch.length, lines.length));
      await writing;
      writing = writeBatch(
        folder,
        batch.map(({ line }) => line),
        images,
      );
      for (const { line } of batch) known.set(line.file, line);
      done += batch.length;
      onProgress?.(done, lines.length);
    }
  } finally {
    await writing;
  }
  await writeManifest(folder, known.values());
}

async function writeBatch(folder: string, lines: readonly ImageLine[], images: Tensor): Promise<void> {
  const slices = images.unbind();
  await Promise.all(lines.map(({ file }, index) => encodePng(slices[index]!, join(folder, file))));
  for (const each of [...slices, images]) each.dispose();
  await appendManifest(folder, lines);
}
