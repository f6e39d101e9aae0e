import * as torch from "@penumbra/torch";
import { optim, scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";

export interface ProbeOptions {
  /** Number of classes. Default: the highest label + 1. */
  readonly classes?: number;
  /**
   * Penalty lambda on the weights, above 0 (without it separable data have no minimum). scikit-learn's C is
   * 1 / (N lambda). Default 1e-3; choose it on validation images with {@link chooseProbe}.
   */
  readonly l2?: number;
}

/** A linear classifier on frozen features. */
export interface LinearProbe {
  /** [C, D], float64; for features as the encoder gives them: the standardisation is folded in. */
  readonly weight: Tensor;
  /** [C], float64. */
  readonly bias: Tensor;
  readonly l2: number;
  /** Iterations that the solver took. */
  readonly iterations: number;
  /** Class logits, [N, D] -> [N, C], float64. */
  logits(features: Tensor): Tensor;
}

// Solved to 1e-9; where rounding stops it earlier, the solution is still good to about this much.
const ACCEPTABLE_GRADIENT = 1e-6;

/**
 * Solves multinomial logistic regression on frozen features: no learning rate, no epochs, no randomness.
 *
 *   min over W, b of  1/N sum_i -ln softmax(W x_i + b)[y_i] + lambda/2 |W|^2
 *
 * x = features scaled to mean 0 and standard deviation 1 over the training images; the bias is not penalised. The
 * minimum is unique; it is found in float64 to convergence, by L-BFGS or, of two classes, by Newton's method, and equals
 * scikit-learn's LogisticRegression on StandardScaler features with C = 1 / (N lambda).
 *
 * @param features [N, D] of the TRAINING images
 * @param labels class of each, 0 … C - 1
 * @throws ContrastError for features that are not finite, labels that do not fit, fewer than two classes, l2 not above
 *   0, or when the solver cannot reach the minimum
 * @example
 * const probe = fitLinearProbe(extractFeatures(encoder, trainImages), trainLabels, { l2: 1e-2 });
 * const predicted = probe.logits(testFeatures).argmax({ dim: 1 }).toNumbers();
 */
export function fitLinearProbe(
  features: Tensor,
  labels: readonly number[],
  { classes = 1 + labels.reduce((most, label) => Math.max(most, label), -1), l2 = 1e-3 }: ProbeOptions = {},
): LinearProbe {
  requireProbeData(features, labels, classes, l2);
  const solved = scope(() => {
    const exact = features.detach().to({ device: "cpu", dtype: "float64" }); // [N, D]
    const mean = exact.mean([0]); // [D]
    const spread = exact.sub(mean).square().mean([0]).sqrt();
    const deviation = spread.maskedFill(spread.le(mean.abs().mul(1e-12)), 1); // a constant feature stays 0
    const rows = exact.sub(mean).div(deviation); // [N, D]
    const dimensions = rows.shape[1] as number;
    const minimum = classes === 2 ? solveTwo(rows, labels, l2) : solveMany(rows, oneHot(labels, classes), l2);
    if (!(minimum.gradientSize <= ACCEPTABLE_GRADIENT)) {
      throw new ContrastError(
        `The linear probe (${rows.shape[0]} images, ${dimensions} features, l2 ${l2}) stopped after ${minimum.iterations} iterations with a gradient of ${minimum.gradientSize.toExponential(1)}. Raise l2.`,
      );
    }
    const [scaled, bias] = split(minimum.point, classes, dimensions);
    const weight = scaled.div(deviation); // W diag(1 / deviation)
    return { weight, bias: bias.sub(weight.matmul(mean)), iterations: minimum.iterations };
  });
  return probeOf(solved.weight, solved.bias, l2, solved.iterations);
}

/** A probe from its parts, for one that was saved. */
export function probeOf(weight: Tensor, bias: Tensor, l2: number, iterations = 0): LinearProbe {
  return {
    weight,
    bias,
    l2,
    iterations,
    logits: (features) =>
      scope(() =>
        features.detach().to({ device: weight.device, dtype: "float64" }).matmul(weight.t()).add(bias),
      ),
  };
}

function solveMany(rows: Tensor, targets: Tensor, l2: number): optim.Minimum {
  const size = (targets.shape[1] as number) * ((rows.shape[1] as number) + 1);
  const start = torch.zeros([size], { dtype: "float64" });
  return optim.minimize((point) => penalisedNll(point, rows, targets, l2), start);
}

/**
 * Two classes mirror each other, W = (-d/2, d/2) and b = (-c/2, c/2): what is left is logistic regression in d and c
 * with the penalty lambda/4 |d|^2. d lies in the space that the rows span, so no more dimensions than rows are looked at.
 */
function solveTwo(rows: Tensor, labels: readonly number[], l2: number): optim.Minimum {
  const [images, dimensions] = rows.shape as [number, number];
  const [basis, coordinates] = dimensions > images ? torch.linalgQr(rows.t()) : [null, rows.t()];
  const seen = torch.cat([coordinates.t(), torch.ones([images, 1], { dtype: "float64" })], { dim: 1 }); // [N, k + 1]
  const size = seen.shape[1] as number;
  const penalty = torch.full([size], l2 / 2, { dtype: "float64" }).setAt([-1], 0);
  const targets = torch.fromTyped(Float64Array.from(labels), [images]);
  const evaluate = (point: Tensor): optim.Evaluation => {
    const logits = seen.matmul(point);
    const fit = logits.neg().logSigmoid().add(logits.mul(targets)).neg().mean();
    const value = fit.add(point.square().dot(penalty), { alpha: 0.5 }).item();
    const error = logits.sigmoid().sub(targets).div(images);
    return { value, gradient: seen.t().matmul(error).add(point.mul(penalty)) };
  };
  const hessian = (point: Tensor): Tensor => {
    const share = seen.matmul(point).sigmoid();
    const curvature = share.mul(share.neg().add(1)).div(images).unsqueeze(1);
    return seen.t().matmul(seen.mul(curvature)).add(torch.diag(penalty));
  };
  const minimum = optim.minimize(evaluate, torch.zeros([size], { dtype: "float64" }), { hessian });
  const own = minimum.point.narrow(0, 0, size - 1);
  const half = (basis ? basis.matmul(own) : own).div(2);
  const bias = minimum.point.narrow(0, size - 1, 1).div(2);
  return { ...minimum, point: torch.cat([half.neg(), half, bias.neg(), bias]) };
}

/** Value and gradient in closed form: dW = (softmax - targets)' X / N + lambda W, db = mean(softmax - targets). */
function penalisedNll(point: Tensor, rows: Tensor, targets: Tensor, l2: number): optim.Evaluation {
  const [images, dimensions] = rows.shape as [number, number];
  const [weight, bias] = split(point, targets.shape[1] as number, dimensions);
  const logProbabilities = rows.matmul(weight.t()).add(bias).logSoftmax(1); // [N, C]
  const fit = logProbabilities.mul(targets).sum().neg().div(images);
  const value = fit.add(weight.square().sum(), { alpha: l2 / 2 }).item();
  const error = logProbabilities.exp().sub(targets).div(images); // [N, C]
  const weightGradient = error.t().matmul(rows).add(weight, { alpha: l2 }); // [C, D]
  return { value, gradient: torch.cat([weightGradient.flatten(), error.sum([0])]) };
}

/** The weights [C, D] and biases [C] that lie one after the other in a vector. */
function split(point: Tensor, classes: number, dimensions: number): [weight: Tensor, bias: Tensor] {
  const weights = classes * dimensions;
  return [point.narrow(0, 0, weights).reshape([classes, dimensions]), point.narrow(0, weights, classes)];
}

function oneHot(labels: readonly number[], classes: number): Tensor {
  const index = torch.fromTyped(BigInt64Array.from(labels, BigInt), [labels.length]);
  return index.oneHot({ numClasses: classes }).to("float64");
}

function requireProbeData(features: Tensor, labels: readonly number[], classes: number, l2: number): void {
  if (features.ndim !== 2 || features.shape[0] !== labels.length || labels.length === 0) {
    throw new ContrastError(
      `The linear probe got features of shape [${features.shape}] and ${labels.length} labels. Pass [images, dimensions] and one label an image.`,
    );
  }
  if (!(l2 > 0))
    throw new ContrastError(`The linear probe got l2 = ${l2}; it must be above 0, such as 1e-3.`);
  const wrong = labels.find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong !== undefined) {
    throw new ContrastError(
      `The linear probe got the label ${wrong}; labels are 0 to ${classes - 1}. Number the classes from 0.`,
    );
  }
  if (new Set(labels).size < 2) {
    throw new ContrastError("The linear probe got images of one class only. Give it at least two classes.");
  }
  if (!scope(() => features.isfinite().all().item())) {
    throw new ContrastError(
      `The features [${features.shape}] hold NaN or infinity. Check the encoder's training loss; a lower learning rate usually helps.`,
    );
  }
}
