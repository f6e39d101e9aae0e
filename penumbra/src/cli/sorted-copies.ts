import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Judged } from "../deploy/index.ts";
import type { FileObject } from "./file-objects.ts";

/** Copies of photos in a folder for each verdict; never over another file. */
export class SortedCopies {
  readonly #root: string;
  constructor(root: string) {
    this.#root = root;
  }

  async add({ object, verdict, unreadable }: Judged<FileObject>): Promise<void> {
    if (!verdict) return;
    const { verdictName } = await import("../deploy/index.ts");
    const folder = join(this.#root, verdictName(verdict));
    const left = new Set(unreadable.map(({ photo }) => photo));
    for (const [index, photo] of object.photos.entries())
      if (!left.has(index)) await copyBeside(photo, folder);
  }
}

/**
 * Copies a file into a folder under its own name, or with a number behind it where another file has that; whole or not
 * at all, and not again where it lies there already.
 */
async function copyBeside(file: string, folder: string): Promise<void> {
  const { writeFileAtomic } = await import("../files/index.ts");
  const bytes = await readFile(file);
  const ending = extname(file);
  const stem = basename(file, ending);
  for (let number = 1; ; number++) {
    const path = join(folder, number === 1 ? `${stem}${ending}` : `${stem}-${number}${ending}`);
    const there = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    if (!there) return writeFileAtomic(path, bytes, { flush: false }); // the photo itself stays where it is
    if (bytes.equals(there)) return;
  }
}
