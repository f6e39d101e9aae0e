import { Random } from "../random.ts";
import { type Tensor, TorchError } from "../tensor/index.ts";
import type { Dataset, ItemContext } from "./dataset.ts";

/**
 * Rows of tensors that have the same first dimension: item i is `[first.at(i), second.at(i), …]`.
 * @example new data.TensorDataset(images, labels) // [N, 3, 32, 32], [N]
 */
export class TensorDataset<Tensors extends readonly Tensor[]> implements Dataset<Tensors> {
  readonly tensors: Tensors;
  readonly length: number;

  /** @throws TorchError for no tensors, for one without dimensions, and for different first dimensions */
  constructor(...tensors: Tensors) {
    const lengths = tensors.map(({ shape }) => shape[0]);
    const [length] = lengths;
    if (length === undefined || lengths.some((other) => other !== length)) {
      const shapes = tensors.map(({ shape }) => `[${shape.join(", ")}]`).join(" and ");
      throw new TorchError(
        `TensorDataset: the first dimensions of ${shapes || "no tensors"} are not one number of items. Pass tensors with as many rows each.`,
      );
    }
    this.tensors = tensors;
    this.length = length;
  }

  get(index: number): Tensors {
    return this.tensors.map((tensor) => tensor.select(0, index)) as unknown as Tensors;
  }
}

/** Some of a dataset's items, by their numbers in it; they keep their seeds. */
export class Subset<Item> implements Dataset<Item> {
  readonly length: number;

  /** @throws TorchError for a number that is none of the dataset's */
  constructor(
    readonly dataset: Dataset<Item> | readonly Item[],
    readonly indices: readonly number[],
  ) {
    const outside = indices.find((index) => !Number.isInteger(index) || index < 0 || index >= dataset.length);
    if (outside !== undefined)
      throw new TorchError(
        `Subset: there is no item ${outside} among ${dataset.length}. Use 0 … ${dataset.length - 1}.`,
      );
    this.length = indices.length;
  }

  get(index: number, context: ItemContext): Item | Promise<Item> {
    return itemOf(this.dataset, this.indices[index]!, context);
  }
}

/** Datasets one after the other. */
export class ConcatDataset<Item> implements Dataset<Item> {
  readonly length: number;

  constructor(readonly datasets: readonly (Dataset<Item> | readonly Item[])[]) {
    this.length = datasets.reduce((sum, { length }) => sum + length, 0);
  }

  get(index: number, context: ItemContext): Item | Promise<Item> {
    let rest = index;
    for (const dataset of this.datasets) {
      if (rest < dataset.length) return itemOf(dataset, rest, context);
      rest -= dataset.length;
    }
    throw new TorchError(`ConcatDataset: there is no item ${index} among ${this.length}.`);
  }
}

/**
 * Parts a dataset at random, each item into one part.
 * @param lengths of the parts: whole numbers that add up to the dataset's length, or fractions that add up to 1, whose
 *   remainder goes to the first parts, one each
 * @throws TorchError where they add up to something else
 * @example const [train, test] = data.randomSplit(photos, [0.8, 0.2], { seed: 0 });
 */
export function randomSplit<Item>(
  dataset: Dataset<Item> | readonly Item[],
  lengths: readonly number[],
  { seed = 0 }: { seed?: number } = {},
): Subset<Item>[] {
  const counts = countsOf(lengths, dataset.length);
  const order = new Random(seed).shuffle(Array.from({ length: dataset.length }, (_, index) => index));
  let begin = 0;
  return counts.map((count) => {
    begin += count;
    return new Subset(dataset, order.slice(begin - count, begin));
  });
}

function countsOf(lengths: readonly number[], total: number): number[] {
  const sum = lengths.reduce((a, b) => a + b, 0);
  const areCounts = lengths.every((length) => Number.isInteger(length) && length >= 0);
  if (areCounts && sum === total) return [...lengths];
  if (!lengths.every((length) => length >= 0) || Math.abs(sum - 1) > 1e-9) {
    throw new TorchError(
      `randomSplit: [${lengths.join(", ")}] add up to ${sum}. Pass numbers of items that add up to ${total}, or fractions that add up to 1.`,
    );
  }
  const counts = lengths.map((fraction) => Math.floor(fraction * total + 1e-9)); // 0.29 * 100 is 28.999…
  const rest = total - counts.reduce((a, b) => a + b, 0);
  for (let i = 0; i < rest; i += 1) counts[i % counts.length]! += 1;
  return counts;
}

/** An item of a dataset or an array. */
export function itemOf<Item>(
  dataset: Dataset<Item> | readonly Item[],
  index: number,
  context: ItemContext,
): Item | Promise<Item> {
  return isArray(dataset) ? dataset[index]! : dataset.get(index, context);
}

const isArray = <Item>(dataset: Dataset<Item> | readonly Item[]): dataset is readonly Item[] =>
  Array.isArray(dataset);
