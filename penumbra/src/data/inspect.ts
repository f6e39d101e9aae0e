import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import { type ImageFacts, probeImage, reasonOf } from "../images/index.ts";
import { mapConcurrently } from "./concurrent.ts";
import { readPhoto, stampOf } from "./sources/index.ts";

/** What opening a file told: its content's hash and what it shows, or why it cannot be used. */
export type Inspection = ({ readonly hash: string } & ImageFacts) | { readonly reason: string };

/**
 * Reads, hashes and decodes every file. With a `cacheFolder`, what was learned is kept, and a file whose length and
 * time of change are as before is not opened again.
 *
 * @param ids paths from `root`
 */
export async function inspectFiles(
  root: string,
  ids: readonly string[],
  options: { cacheFolder?: string; onProgress?: (done: number, total: number) => void } = {},
): Promise<Inspection[]> {
  const memory = await Memory.open(root, options.cacheFolder);
  const inspections = await mapConcurrently(ids, (id) => memory.inspect(id), options.onProgress);
  await memory.save();
  return inspections;
}

/** Bump when the meaning of what is kept changes. */
const VERSION = 2;

class Memory {
  private readonly seen: Record<string, Inspection> = {};
  private constructor(
    private readonly root: string,
    private readonly file: string | undefined,
    private readonly known: Readonly<Record<string, Inspection>>,
  ) {}

  static async open(root: string, cacheFolder: string | undefined): Promise<Memory> {
    if (!cacheFolder) return new Memory(root, undefined, {});
    await mkdir(cacheFolder, { recursive: true });
    const place = createHash("sha256").update(resolve(root)).digest("hex").slice(0, 16);
    const file = join(cacheFolder, `scan-${place}-v${VERSION}.json`);
    const known = await readFile(file, "utf8")
      .then((text) => JSON.parse(text) as Record<string, Inspection>)
      .catch(() => ({})); // the first scan, or a damaged file: only time is lost
    return new Memory(root, file, known);
  }

  async inspect(id: string): Promise<Inspection> {
    try {
      const { size, mtimeMs } = await stampOf(this.root, id);
      const key = `${id}:${size}:${mtimeMs}`;
      const inspection = this.known[key] ?? (await inspectFile(this.root, id));
      this.seen[key] = inspection;
      return inspection;
    } catch (error) {
      return { reason: reasonOf(error) };
    }
  }

  async save(): Promise<void> {
    if (this.file) await writeFileAtomic(this.file, JSON.stringify(this.seen), { flush: false });
  }
}

async function inspectFile(root: string, id: string): Promise<Inspection> {
  const bytes = await readPhoto(root, id); // errors of the file system are not remembered
  try {
    return { hash: contentHash(bytes), ...(await probeImage(bytes)) };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** SHA-256, hexadecimal. */
export function contentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
