import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { decodeImage, decodeStrip, probeImage } from "../../images/index.ts";

const CaptionLine = z.object({ file: z.string().min(1), caption: z.string().min(1) });

/** Captioned images in memory: what `pretrain` learns from. */
export interface Corpus {
  /** uint8 [N, 3, size, size], on the CPU. */
  readonly images: Tensor;
  /** The different captions; `captionOf[i]` says which one image i has. */
  readonly captions: readonly string[];
  readonly captionOf: readonly number[];
  /** The files that were read; a strip of k views gives k images. `fileOf[i]` says which one image i is from. */
  readonly files: readonly string[];
  readonly fileOf: readonly number[];
  /** Files that could not be read, with the reason. They are left out. */
  readonly problems: readonly string[];
}

/**
 * Reads a folder of images with `captions.jsonl` (one `{"file", "caption"}` a line, `file` relative to the
 * folder). A file whose width is a whole multiple (two or more) of its height is a strip of square views
 * side by side: each view becomes an image with the strip's caption. Other images are squashed to a square,
 * as textual inversion does with photos.
 *
 * @param size edge of the images in pixels
 * @param limit reads only the first files, for trials
 * @throws when the folder or its captions.jsonl is missing, a line is malformed, or no image can be read
 */
export async function readCorpus(
  folder: string,
  options: {
    size: number;
    limit?: number;
    concurrency?: number;
    onProgress?: (done: number, total: number) => void;
  },
): Promise<Corpus> {
  const { size, concurrency = 4, onProgress } = options;
  const lines = (await readCaptions(folder)).slice(0, options.limit);
  const decoded: (Uint8Array[] | undefined)[] = new Array(lines.length);
  const problems: string[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    for (let index = next++; index < lines.length; index = next++) {
      const { file } = lines[index]!;
      try {
        decoded[index] = await decodeViews(join(folder, file), size);
      } catch (error) {
        problems.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
      }
      onProgress?.(++done, lines.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));

  const captions: string[] = [];
  const indexOf = new Map<string, number>();
  const captionOf: number[] = [];
  const files: string[] = [];
  const fileOf: number[] = [];
  const views: Uint8Array[] = [];
  lines.forEach(({ file, caption }, index) => {
    if (decoded[index]) files.push(file);
    for (const view of decoded[index] ?? []) {
      fileOf.push(files.length - 1);
      if (!indexOf.has(caption)) indexOf.set(caption, captions.push(caption) - 1);
      captionOf.push(indexOf.get(caption)!);
      views.push(view);
    }
  });
  if (views.length === 0) {
    const first = problems[0] === undefined ? "" : ` The first problem: ${problems[0]}.`;
    throw new Error(
      `No image of the corpus "${folder}" could be read (${lines.length} lines in captions.jsonl).${first} Check that the paths in captions.jsonl are relative to that folder.`,
    );
  }
  const plane = 3 * size * size;
  const all = new Uint8Array(views.length * plane);
  views.forEach((view, index) => {
    all.set(view, index * plane);
  });
  return {
    images: fromTyped(all, [views.length, 3, size, size]),
    captions,
    captionOf,
    files,
    fileOf,
    problems: problems.sort(),
  };
}

async function readCaptions(folder: string): Promise<z.infer<typeof CaptionLine>[]> {
  const path = join(folder, "captions.jsonl");
  if (!(await stat(path).catch(() => null))?.isFile()) {
    throw new Error(
      `The corpus "${folder}" has no captions.jsonl. Write one line per image: {"file": "folder/image.webp", "caption": "a photo of a relay"}.`,
    );
  }
  const lines: z.infer<typeof CaptionLine>[] = [];
  for (const [index, line] of (await readFile(path, "utf8")).split("\n").entries()) {
    if (line.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      value = null;
    }
    const parsed = CaptionLine.safeParse(value);
    if (!parsed.success) {
      throw new Error(
        `Line ${index + 1} of "${path}" is not {"file": "...", "caption": "..."}: ${line.slice(0, 80)}. Correct or remove the line.`,
      );
    }
    lines.push(parsed.data);
  }
  return lines;
}

/** Decodes one file into its square views, each 3 x size x size, planar RGB. */
async function decodeViews(path: string, size: number): Promise<Uint8Array[]> {
  const { width, height } = await probeImage(path);
  if (width < 2 * height || width % height !== 0) return [await decodeImage(path, size)];
  // Views are cut before they are scaled: scaling the whole strip would mix neighbours at their edges.
  return decodeStrip(path, size);
}
