import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/**
 * Cross-entropy of class logits, the mean over rows: -mean_i sum_c y_ic ln softmax(logits_i)_c, in nats,
 * with y the one-hot label mixed with the uniform distribution by `labelSmoothing` (Szegedy et al. 2016).
 *
 * @param logits [N, C]
 * @param labels class of each row, [N]
 * @param options.labelSmoothing share of the uniform distribution, 0 … 1; default 0
 * @returns a scalar; float32, or float64 for float64 logits
 * @throws ContrastError when there is not one label a row, or a label is no column
 */
export function crossEntropy(logits: Tensor, labels: readonly number[], { labelSmoothing = 0 } = {}): Tensor {
  const [rows = 0, classes = 0] = logits.shape;
  if (logits.ndim !== 2 || labels.length !== rows) {
    throw new ContrastError(
      `crossEntropy got logits of shape [${logits.shape}] and ${labels.length} labels. Pass [N, classes] and one label a row.`,
    );
  }
  const wrong = labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong >= 0) {
    throw new ContrastError(
      `Label ${labels[wrong]} of row ${wrong} is none of ${classes} classes. Number the classes from 0.`,
    );
  }
  const target = torch.fromTyped(BigInt64Array.from(labels, BigInt), [rows], {}).to(logits.device);
  return (logits.dtype === "float64" ? logits : logits.to("float32")).crossEntropyLoss(target, {
    labelSmoothing,
  });
}
