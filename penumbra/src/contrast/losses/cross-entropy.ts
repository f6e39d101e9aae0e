import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

/**
 * Cross-entropy of class logits, the mean over rows: -mean_i sum_c y_ic ln softmax(logits_i)_c, in nats,
 * with y the one-hot label, or the given distribution, mixed with the uniform one by `labelSmoothing` (Szegedy et al.
 * 2016).
 *
 * @param logits [N, C]
 * @param labels class of each row, [N]; or distributions over the classes, [N, C], as mixing gives them
 * @param options.labelSmoothing share of the uniform distribution, 0 … 1; default 0
 * @returns a scalar; float32, or float64 for float64 logits
 * @throws ContrastError when there is not one label or distribution a row, or a label is no column
 */
export function crossEntropy(
  logits: Tensor,
  labels: readonly number[] | Tensor,
  { labelSmoothing = 0 } = {},
): Tensor {
  const exact = logits.dtype === "float64" ? logits : logits.to("float32");
  const target = labels instanceof torch.Tensor ? distributions(exact, labels) : indices(logits, labels);
  return exact.crossEntropyLoss(target, { labelSmoothing });
}

function distributions(logits: Tensor, labels: Tensor): Tensor {
  if (logits.ndim === 2 && String(logits.shape) === String(labels.shape)) {
    return labels.to({ device: logits.device, dtype: logits.dtype });
  }
  throw new ContrastError(
    `crossEntropy got logits of shape [${logits.shape}] and distributions of shape [${labels.shape}]. Pass both as [N, classes].`,
  );
}

function indices(logits: Tensor, labels: readonly number[]): Tensor {
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
  return torch.fromTyped(BigInt64Array.from(labels, BigInt), [rows], {}).to(logits.device);
}
