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

/**
 * Share of images whose class is among the k with the highest scores; of equal scores the first classes win. 1 where
 * there are no more than k classes.
 *
 * @param rows logits or probabilities, one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function topAccuracy(rows: Rows, labels: ArrayLike<number>, k: number): number {
  requireLabels(rows, labels);
  let found = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as ArrayLike<number>;
    const label = labels[i] as number;
    const own = row[label] as number;
    let before = 0;
    for (let c = 0; c < row.length; c++) {
      if ((row[c] as number) > own || (row[c] === own && c < label)) before++;
    }
    if (before < k) found++;
  }
  return found / rows.length;
}

/** How well one class is named. A share without anything that it is a share of is 0, as in scikit-learn. */
export interface ClassFigures {
  /** Column of the class. */
  readonly label: number;
  /** Images of the class. */
  readonly images: number;
  /** Share of the images called so that are. */
  readonly precision: number;
  /** Share of the images of the class that are called so. */
  readonly recall: number;
  /** 2 TP / (2 TP + FP + FN). */
  readonly f1: number;
}

/**
 * Precision, recall and F1 of every class that occurs or that an image is called.
 *
 * @param rows logits or probabilities, one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function classFigures(rows: Rows, labels: ArrayLike<number>): ClassFigures[] {
  requireLabels(rows, labels);
  const classes = Math.max(...Array.from(rows, (row) => row.length));
  const [images, called, right] = [0, 0, 0].map(() => new Float64Array(classes)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const add = (counts: Float64Array, label: number) => {
    counts[label] = (counts[label] as number) + 1;
  };
  for (let i = 0; i < rows.length; i++) {
    const [label, answer] = [labels[i] as number, argmax(rows[i] as ArrayLike<number>)];
    add(images, label);
    add(called, answer);
    if (label === answer) add(right, label);
  }
  return Array.from(images, (own, label): ClassFigures => {
    const [hits, answers] = [right[label] as number, called[label] as number];
    return {
      ...{ label, images: own },
      precision: answers === 0 ? 0 : hits / answers,
      recall: own === 0 ? 0 : hits / own,
      f1: own + answers === 0 ? 0 : (2 * hits) / (own + answers),
    };
  }).filter(({ label }) => (images[label] as number) + (called[label] as number) > 0);
}

/** Mean F1 of the classes that occur or that an image is called, each with the same weight. */
export function macroF1(figures: readonly ClassFigures[]): number {
  return figures.reduce((sum, { f1 }) => sum + f1, 0) / figures.length;
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
