import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { PhotoObject } from "../deploy/index.ts";

/** An object whose photos are files. */
export interface FileObject extends PhotoObject {
  readonly photos: readonly string[];
}

/**
 * The objects that arguments name: files as they are, folders with what lies in them, "-" for paths from standard
 * input.
 *
 * @param views whether the photos of one folder are views of one object
 */
export async function* objectsOf(places: readonly string[], views = false): AsyncGenerator<FileObject> {
  const { groupBy, listPhotoFiles } = await import("../data/index.ts");
  for (const place of places) {
    if (place === "-") {
      for await (const line of createInterface({ input: process.stdin }))
        if (line.trim() !== "") yield* objectsOf([line.trim()], views);
      continue;
    }
    const found = await stat(place).catch(() => undefined);
    // A file that is missing is a line with its reason, as one that is damaged.
    const files = found?.isDirectory() ? await listPhotoFiles(place) : [place];
    if (views) for (const [name, photos] of groupBy(files, dirname)) yield { name, photos };
    else for (const file of files) yield { name: file, photos: [file] };
  }
}
