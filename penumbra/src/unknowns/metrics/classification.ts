/** Class scores of images, one row an image: logits or probabilities. */
export type Rows = ArrayLike<ArrayLike<number>>;

/**
 * Share of images whose highest class score is that of their class. Of equal scores the first class wins.
 *
 * @param rows logits or probabilities, one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function accuracy(rows: Rows, labels: ArrayLike<number>): number {
  requireLabels(rows, labels);
  let right = 0;
  for (let i = 0; i < rows.length; i++) if (argmax(rows[i] as ArrayLike<number>) === labels[i]) right++;
  return right / rows.length;
}

/**
 * Mean accuracy over the classes that occur, each with the same weight: for test sets of unequal classes.
 *
 * @param rows logits or probabilities, one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function macroAccuracy(rows: Rows, labels: ArrayLike<number>): number {
  requireLabels(rows, labels);
  const counts = new Map<number, { right: number; total: number }>();
  for (let i = 0; i < rows.length; i++) {
    const label = labels[i] as number;
    const count = counts.get(label) ?? { right: 0, total: 0 };
    count.total++;
    if (argmax(rows[i] as ArrayLike<number>) === label) count.right++;
    counts.set(label, count);
  }
  let sum = 0;
  for (const { right, total } of counts.values()) sum += right / total;
  return sum / counts.size;
}

/** Column of the largest value; the first of equal ones. */
export function argmax(row: ArrayLike<number>): number {
  let best = 0;
  for (let c = 1; c < row.length; c++) if ((row[c] as number) > (row[best] as number)) best = c;
  return best;
}

/** softmax(logits) of one row, with the largest logit subtracted. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const largest = logits[argmax(logits)] as number;
  const probabilities = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = probabilities.reduce((total, value) => total + value, 0);
  return probabilities.map((value) => value / sum);
}

/** @throws RangeError when there are no rows, the counts differ or a label is no column */
export function requireLabels(rows: Rows, labels: ArrayLike<number>): void {
  if (rows.length === 0) throw new RangeError("There are no images to measure. Pass at least one row.");
  if (rows.length !== labels.length) {
    throw new RangeError(`There are ${rows.length} rows but ${labels.length} labels. Pass one label a row.`);
  }
  for (let i = 0; i < rows.length; i++) {
    const label = labels[i] as number;
    const classes = (rows[i] as ArrayLike<number>).length;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new RangeError(
        `Label ${label} of image ${i} is no column of its ${classes} class scores. Number the classes from 0.`,
      );
    }
  }
}
