import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { mapConcurrently } from "../../data/index.ts";
import { decodeImage, decodeStrip, probeImage } from "../../images/index.ts";
import { GeneratorError } from "../errors.ts";

const CaptionLine = z.object({ file: z.string().min(1), caption: z.string().min(1) });
type CaptionLine = z.output<typeof CaptionLine>;

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

/** Gives images of an edge in pixels, of at most so many files. */
export type CorpusSource = (options: { readonly size: number; readonly limit?: number }) => Promise<Corpus>;

/** The images of a training: a folder's, see `readCorpus`, or those that the caller has. */
export function corpusOf(
  corpus: string | CorpusSource,
  options: { readonly size: number; readonly limit?: number },
): Promise<Corpus> {
  return typeof corpus === "string" ? readCorpus(corpus, options) : corpus(options);
}

/**
 * Reads a folder of images with `captions.jsonl` (one `{"file", "caption"}` a line, `file` relative to the
 * folder). A file whose width is a whole multiple (two or more) of its height is a strip of square views
 * side by side: each view becomes an image with the strip's caption. Other images are squashed to a square,
 * as textual inversion does with photos.
 *
 * @param size edge of the images in pixels
 * @param limit reads only the first files, for trials
 * @throws GeneratorError when the folder or its captions.jsonl is missing, a line is malformed, or no image can be read
 */
export async function readCorpus(
  folder: string,
  options: {
    size: number;
    limit?: number;
    onProgress?: (done: number, total: number) => void;
  },
): Promise<Corpus> {
  const { size, onProgress } = options;
  const lines = (await readCaptions(folder)).slice(0, options.limit);
  const problems: string[] = [];
  const decode = ({ file }: CaptionLine) =>
    decodeViews(join(folder, file), size).catch((error: unknown) => {
      problems.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    });
  const decoded = await mapConcurrently(lines, decode, onProgress);
  if (!decoded.some((views) => views.length > 0)) {
    const first = problems[0] === undefined ? "" : ` The first problem: ${problems[0]}.`;
    throw new GeneratorError(
      `No image of the corpus "${folder}" could be read (${lines.length} lines in captions.jsonl).${first} Check that the paths in captions.jsonl are relative to that folder.`,
    );
  }
  return { ...index(lines, decoded), images: stackViews(decoded.flat(), size), problems: problems.sort() };
}

/** Which caption and file each view belongs to; files without views are left out. */
function index(
  lines: readonly CaptionLine[],
  decoded: readonly (readonly Uint8Array[])[],
): Pick<Corpus, "captions" | "captionOf" | "files" | "fileOf"> {
  const captions = new Map<string, number>();
  const captionOf: number[] = [];
  const files: string[] = [];
  const fileOf: number[] = [];
  for (const [place, { file, caption }] of lines.entries()) {
    const views = decoded[place] as readonly Uint8Array[];
    if (views.length === 0) continue;
    files.push(file);
    if (!captions.has(caption)) captions.set(caption, captions.size);
    for (const _ of views) {
      fileOf.push(files.length - 1);
      captionOf.push(captions.get(caption) as number);
    }
  }
  return { captions: [...captions.keys()], captionOf, files, fileOf };
}

/** uint8 [N, 3, size, size] */
function stackViews(views: readonly Uint8Array[], size: number): Tensor {
  const plane = 3 * size * size;
  const all = new Uint8Array(views.length * plane);
  for (const [place, view] of views.entries()) all.set(view, place * plane);
  return fromTyped(all, [views.length, 3, size, size]);
}

async function readCaptions(folder: string): Promise<CaptionLine[]> {
  const path = join(folder, "captions.jsonl");
  if (!(await stat(path).catch(() => null))?.isFile()) {
    throw new GeneratorError(
      `The corpus "${folder}" has no captions.jsonl. Write one line per image: {"file": "folder/image.webp", "caption": "a photo of a relay"}.`,
    );
  }
  const lines: CaptionLine[] = [];
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
      throw new GeneratorError(
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
