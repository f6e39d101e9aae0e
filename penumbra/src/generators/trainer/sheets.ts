import { cat, scope, stack, type Tensor } from "@penumbra/torch";
import { contactSheet, encodePng, encodeWebp } from "../../images/index.ts";

const COLUMNS = 8;

/**
 * Writes originals and, in the row below each, what became of them.
 *
 * @param originals uint8 [N, 3, S, S]; N a multiple of 8 is best
 * @param others as originals
 */
export async function writeBeside(path: string, originals: Tensor, others: Tensor): Promise<void> {
  const sheet = scope(() => {
    const rows: Tensor[] = [];
    for (let start = 0; start < originals.shape[0]!; start += COLUMNS) {
      const count = Math.min(COLUMNS, originals.shape[0]! - start);
      rows.push(originals.narrow(0, start, count), others.narrow(0, start, count));
    }
    return contactSheet(cat(rows), { columns: COLUMNS });
  });
  await write(path, sheet);
}

/** Writes images row by row, eight in a row. */
export async function writeSheet(path: string, images: Tensor): Promise<void> {
  await write(
    path,
    scope(() => contactSheet(images, { columns: COLUMNS })),
  );
}

async function write(path: string, sheet: Tensor): Promise<void> {
  await (path.endsWith(".webp") ? encodeWebp(sheet, path) : encodePng(sheet, path));
  sheet.dispose();
}

/** `count` items of a batch at even distances. */
export function spread(images: Tensor, count: number): Tensor {
  const total = images.shape[0]!;
  const step = Math.max(1, Math.floor(total / count));
  return scope(() =>
    stack(Array.from({ length: Math.min(count, total) }, (_, i) => images.select(0, i * step))),
  );
}
