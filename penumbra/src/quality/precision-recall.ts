import { cat, cdist, scope, type Tensor } from "@penumbra/torch";
import { QualityError } from "./errors.ts";
import { checkedPair } from "./features.ts";

export interface PrecisionRecall {
  /** Share of the generated images that lie among the real ones: are they believable? */
  readonly precision: number;
  /** Share of the real images that lie among the generated ones: is everything there? */
  readonly recall: number;
}

/** Rows whose distances are looked at together. */
const BLOCK = 1024;

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1 and 2): an image lies among a set where it is no farther
 * from one of its images than that image is from its k-th nearest neighbour in the set.
 *
 * @param real float [N, D] @param fake float [M, D], both with more than k rows
 * @param options.k neighbours; default 3, as published
 * @throws QualityError for shapes that do not fit, too few images, or features that are no numbers
 */
export function precisionRecall(real: Tensor, fake: Tensor, { k = 3 }: { k?: number } = {}): PrecisionRecall {
  if (!Number.isInteger(k) || k < 1)
    throw new QualityError(`k is ${k}; it counts neighbours. Choose a whole number of at least 1.`);
  return scope(() => {
    const [a, b] = checkedPair(real, fake, k + 1);
    return { precision: shareAmong(b, a, k), recall: shareAmong(a, b, k) };
  });
}

/** Share of the items that lie among those of a set. */
function shareAmong(items: Tensor, set: Tensor, k: number): number {
  const radii = blocks(set).map((block) =>
    // The nearest of all is the image itself.
    scope(() =>
      distances(block, set)
        .topk(k + 1, { dim: 1, largest: false })[0]
        .select(1, k),
    ),
  );
  const radius = cat(radii); // [S]
  const inside = blocks(items).map((block) =>
    scope(() => distances(block, set).le(radius).any(1).sum().item()),
  );
  return inside.reduce((sum, count) => sum + count, 0) / (items.shape[0] as number);
}

/** Not by the shortcut over a matrix product, which makes an image a little far from itself. */
function distances(a: Tensor, b: Tensor): Tensor {
  return cdist(a, b, { computeMode: 2 });
}

function blocks(rows: Tensor): Tensor[] {
  const count = rows.shape[0] as number;
  return Array.from({ length: Math.ceil(count / BLOCK) }, (_, i) =>
    rows.narrow(0, i * BLOCK, Math.min(BLOCK, count - i * BLOCK)),
  );
}
