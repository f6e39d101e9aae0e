import { argmax, type Rows, requireLabels, softmax } from "./classification.ts";

/**
 * Expected calibration error: how far confidence is from accuracy, averaged over bins of confidence.
 *
 * ECE = sum_b n_b / N * |accuracy_b - confidence_b| (Guo et al. 2017, eq. 3; the l1 norm), confidence = max softmax.
 * Bins are equally wide and closed below, [b/15, (b+1)/15), as in torchmetrics; the last one holds 1 too.
 *
 * @param logits one row an image
 * @param labels class index of each image
 * @param options.bins default 15
 * @returns 0 (calibrated) … 1
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function ece(logits: Rows, labels: ArrayLike<number>, { bins = 15 } = {}): number {
  requireLabels(logits, labels);
  const gaps = new Float64Array(bins); // n_b * (accuracy_b - confidence_b)
  for (let i = 0; i < logits.length; i++) {
    const probabilities = softmax(logits[i] as ArrayLike<number>);
    const predicted = argmax(probabilities);
    const confidence = probabilities[predicted] as number;
    const bin = Math.min(Math.floor(confidence * bins), bins - 1);
    gaps[bin] = (gaps[bin] as number) + (predicted === labels[i] ? 1 : 0) - confidence;
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / logits.length;
}

/**
 * Classwise ECE: the gap of {@link ece} for every class's probability instead of the largest one, averaged over the
 * classes: 1/C sum_c sum_b n_cb / N |share of c_b - mean p_c,b| (Nixon et al. 2019, "Measuring calibration in deep
 * learning", with bins of equal width).
 *
 * @param logits one row an image
 * @param labels class index of each image
 * @param options.bins default 15
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function classwiseEce(logits: Rows, labels: ArrayLike<number>, { bins = 15 } = {}): number {
  requireLabels(logits, labels);
  const probabilities = Array.from(logits, softmax);
  const classes = (logits[0] as ArrayLike<number>).length;
  let total = 0;
  for (let c = 0; c < classes; c++) {
    const gaps = new Float64Array(bins);
    for (const [i, row] of probabilities.entries()) {
      const probability = row[c] as number;
      const bin = Math.min(Math.floor(probability * bins), bins - 1);
      gaps[bin] = (gaps[bin] as number) + (labels[i] === c ? 1 : 0) - probability;
    }
    total += gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / logits.length;
  }
  return total / classes;
}

/**
 * Adaptive ECE: {@link ece} over bins of equally many images, so that no bin is empty (Nixon et al. 2019). Images are
 * sorted by confidence, equal ones in the order given, and cut into parts whose sizes differ by 1 at most, the larger
 * ones first.
 *
 * @param logits one row an image
 * @param labels class index of each image
 * @param options.bins default 15
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function adaptiveEce(logits: Rows, labels: ArrayLike<number>, { bins = 15 } = {}): number {
  requireLabels(logits, labels);
  const images = Array.from(logits, (row, i) => {
    const probabilities = softmax(row);
    const predicted = argmax(probabilities);
    return { confidence: probabilities[predicted] as number, isRight: predicted === labels[i] };
  }).sort((a, b) => a.confidence - b.confidence);
  const [size, larger] = [Math.floor(images.length / bins), images.length % bins];
  let total = 0;
  let start = 0;
  for (let bin = 0; bin < bins; bin++) {
    const end = start + size + (bin < larger ? 1 : 0);
    const gap = images
      .slice(start, end)
      .reduce((sum, { confidence, isRight }) => sum + Number(isRight) - confidence, 0);
    total += Math.abs(gap);
    start = end;
  }
  return total / images.length;
}

/**
 * Brier score: mean over images of sum_c (p_c - [c is the label])^2 (Brier 1950), 0 (perfect) … 2.
 *
 * @param logits one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function brier(logits: Rows, labels: ArrayLike<number>): number {
  requireLabels(logits, labels);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    for (const [c, probability] of softmax(logits[i] as ArrayLike<number>).entries()) {
      sum += (probability - (labels[i] === c ? 1 : 0)) ** 2;
    }
  }
  return sum / logits.length;
}

/**
 * Negative log-likelihood of the right class, in nats: NLL = -mean_i ln softmax(logits_i)[label_i].
 *
 * @param logits one row an image
 * @param labels class index of each image
 * @throws RangeError when there are no images, the counts differ or a label is no column
 */
export function nll(logits: Rows, labels: ArrayLike<number>): number {
  requireLabels(logits, labels);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const row = logits[i] as ArrayLike<number>;
    sum += logSumExp(row) - (row[labels[i] as number] as number);
  }
  return sum / logits.length;
}

/** ln sum_c exp(row_c), with the largest value subtracted. */
function logSumExp(row: ArrayLike<number>): number {
  const largest = row[argmax(row)] as number;
  let sum = 0;
  for (let c = 0; c < row.length; c++) sum += Math.exp((row[c] as number) - largest);
  return largest + Math.log(sum);
}
