import { createHash } from "node:crypto";
import { join } from "node:path";
import { writeFileAtomic } from "../../files/index.ts";
import { sniffFormat } from "../../images/index.ts";

/**
 * Keeps the views of one unknown object, as they came, in a folder of their own below `root`. The folder is named by
 * what the photos hold, so that an object that comes twice is kept once.
 *
 * @param files bytes of image files
 */
export async function keepUnknown(root: string, files: readonly Uint8Array[]): Promise<void> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(createHash("sha256").update(file).digest());
  const folder = join(root, hash.digest("hex").slice(0, 16));
  for (const [index, file] of files.entries()) {
    const sniffed = sniffFormat(file);
    const ending = "format" in sniffed ? sniffed.format : "bin";
    await writeFileAtomic(join(folder, `${index}.${ending}`), file);
  }
}
