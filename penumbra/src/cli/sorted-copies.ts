import { copyFile, mkdir } from "node:fs/promises";
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
    await mkdir(folder, { recursive: true });
    const left = new Set(unreadable.map(({ photo }) => photo));
    for (const [index, photo] of object.photos.entries())
      if (!left.has(index)) await copyBeside(photo, folder);
  }
}

/** Copies a file into a folder under its own name, or with a number behind it where that is taken. */
async function copyBeside(file: string, folder: string): Promise<void> {
  const { constants } = await import("node:fs");
  const ending = extname(file);
  const stem = basename(file, ending);
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${stem}${ending}` : `${stem}-${number}${ending}`;
    try {
      await copyFile(file, join(folder, name), constants.COPYFILE_EXCL);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
