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
