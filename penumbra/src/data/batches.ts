import { deriveSeed, Random } from "@penumbra/torch";
import { DataError } from "./errors.ts";

export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Counts from 0; each epoch has an order of its own. */
  readonly epoch: number;
  /** Every class equally often, small ones repeated: classes differ by at most one image within a batch. */
  readonly isBalanced?: boolean;
  /** Leaves out a last batch that is not full. */
  readonly dropLast?: boolean;
}

/**
 * The places of the images of each batch of one epoch, in an order that follows from seed and epoch alone.
 *
 * @param labels one class index per image; only their number matters unless `isBalanced`
 * @returns arrays of indices into `labels`
 *
 * @example
 * for (const indices of batches(labels, { batchSize: 128, seed, epoch })) step(indices);
 */
export function* batches(
  labels: readonly number[],
  options: BatchOptions,
): Generator<number[], void, undefined> {
  const { batchSize, seed, epoch, isBalanced = false, dropLast = false } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1 || labels.length === 0) {
    throw new DataError(
      `Cannot make batches of ${batchSize} from ${labels.length} images. Give at least one image and a whole batch size of at least 1.`,
    );
  }
  const random = new Random(deriveSeed(seed, "batches", epoch));
  const order = isBalanced ? balancedOrder(labels, random) : random.shuffle(labels.map((_, index) => index));
  for (let start = 0; start < order.length; start += batchSize) {
    if (dropLast && start + batchSize > order.length) return;
    yield order.slice(start, start + batchSize);
  }
}

/** As many places as there are images; the classes take turns, each going through its images in shuffled rounds. */
function balancedOrder(labels: readonly number[], random: Random): number[] {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const same = members.get(label) ?? [];
    members.set(label, same);
    same.push(index);
  });
  const decks = random.shuffle([...members.values()]).map((all) => ({ all, left: [] as number[] }));
  return labels.map((_, turn) => {
    const deck = decks[turn % decks.length]!;
    if (deck.left.length === 0) deck.left = random.shuffle(deck.all);
    return deck.left.pop()!;
  });
}
