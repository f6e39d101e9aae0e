import type { Tensor } from "../tensor/index.ts";
import { bucketize, cat, TorchError, tensor, where } from "../tensor/index.ts";
import { Sequential } from "./containers.ts";
import type { InitOptions } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { checkSizes, sizesOf } from "./sizes.ts";

export interface AdaptiveSoftmaxOptions extends InitOptions {
  /** By how much each further cluster's features are narrower. Default 4. */
  divValue?: number;
  /** Whether the head has a bias. Default false. */
  headBias?: boolean;
}

/**
 * Softmax over very many classes that are sorted by their frequency (Grave et al. 2017, "Efficient softmax approximation
 * for GPUs"): the head has the frequent classes and one place for each cluster of rarer ones, and
 * log p(c) = log p_head(cluster of c) + log p_cluster(c). A cluster is computed only for the rows whose target lies in it.
 *
 * Cluster i has floor(inFeatures / divValue^i) features. Keys are PyTorch's: `head.weight`, `tail.0.0.weight`, …
 */
export class AdaptiveLogSoftmaxWithLoss extends Module<
  [x: Tensor, target: Tensor],
  [output: Tensor, loss: Tensor]
> {
  readonly head: Linear;
  readonly tail: readonly Sequential[];
  readonly cutoffs: readonly number[];

  /**
   * @param cutoffs the first class of each cluster, increasing, in 1 … classes - 1
   * @throws TorchError for other cutoffs, and where a cluster would have no features
   */
  constructor(
    readonly inFeatures: number,
    readonly classes: number,
    cutoffs: readonly number[],
    { divValue = 4, headBias = false, generator = null }: AdaptiveSoftmaxOptions = {},
  ) {
    super();
    checkSizes("AdaptiveLogSoftmaxWithLoss", { inFeatures, classes });
    const isIncreasing = sizesOf("AdaptiveLogSoftmaxWithLoss", "the cutoffs argument", cutoffs).every(
      (cutoff, i) => Number.isInteger(cutoff) && cutoff > (cutoffs[i - 1] ?? 0) && cutoff < classes,
    );
    if (cutoffs.length === 0 || !isIncreasing)
      throw new TorchError(
        `AdaptiveLogSoftmaxWithLoss: the cutoffs [${cutoffs.join(", ")}] do not part ${classes} classes. Pass increasing whole numbers in 1 … ${classes - 1}.`,
      );
    this.cutoffs = [...cutoffs];
    this.head = new Linear(inFeatures, cutoffs[0]! + cutoffs.length, { bias: headBias, generator });
    this.tail = cutoffs.map((cutoff, i) => {
      const width = Math.floor(inFeatures / divValue ** (i + 1));
      if (width < 1)
        throw new TorchError(
          `AdaptiveLogSoftmaxWithLoss: ${inFeatures} features divided by ${divValue}^${i + 1} leave none for cluster ${i}. Choose a smaller divValue, or fewer cutoffs.`,
        );
      return new Sequential(
        new Linear(inFeatures, width, { bias: false, generator }),
        new Linear(width, (cutoffs[i + 1] ?? classes) - cutoff, { bias: false, generator }),
      );
    });
  }

  /**
   * @param x [B, in], or [in]
   * @param target int64 [B], or []
   * @returns the logarithm of each target's probability, [B] or [], and the mean of its negative
   * @throws TorchError for shapes that do not belong together, and for a target that is no class
   */
  forward(x: Tensor, target: Tensor): [output: Tensor, loss: Tensor] {
    if (
      x.ndim !== target.ndim + 1 ||
      target.ndim > 1 ||
      (target.ndim === 1 && x.shape[0] !== target.shape[0])
    )
      throw new TorchError(
        `AdaptiveLogSoftmaxWithLoss was given [${x.shape}] and targets [${target.shape}]. Pass [B, ${this.inFeatures}] and [B], or [${this.inFeatures}] and [].`,
      );
    if (target.ndim === 1) return this.#batch(x, target);
    const [output, loss] = this.#batch(x.unsqueeze(0), target.unsqueeze(0));
    return [output.squeeze(0), loss];
  }

  #batch(x: Tensor, target: Tensor): [output: Tensor, loss: Tensor] {
    const first = this.cutoffs[0]!;
    if (target.lt(0).logicalOr(target.ge(this.classes)).any().item())
      throw new TorchError(
        `AdaptiveLogSoftmaxWithLoss: targets lie in ${target.min().item()} … ${target.max().item()}, classes in 0 … ${this.classes - 1}.`,
      );
    const cutoffs = tensor(this.cutoffs, { dtype: "int64", device: target.device });
    const cluster = bucketize(target, cutoffs, { right: true }); // 0 for the head's own classes
    const column = where(cluster.eq(0), target, cluster.add(first - 1));
    let output = this.head.forward(x).logSoftmax(1).gather(1, column.unsqueeze(1)).squeeze(1); // [B]
    for (const [i, tail] of this.tail.entries()) {
      const rows = cluster
        .eq(i + 1)
        .nonzero()
        .squeeze(1);
      if (rows.numel === 0) continue;
      const within = target.indexSelect(0, rows).sub(this.cutoffs[i]!).unsqueeze(1);
      const local = tail.forward(x.indexSelect(0, rows)).logSoftmax(1).gather(1, within).squeeze(1);
      output = output.indexAdd(0, rows, local);
    }
    return [output, output.neg().mean()];
  }

  /** The logarithms of all classes' probabilities: [B, in] -> [B, classes]. */
  logProb(x: Tensor): Tensor {
    const first = this.cutoffs[0]!;
    const head = this.head.forward(x).logSoftmax(1);
    const clusters = this.tail.map((tail, i) =>
      tail
        .forward(x)
        .logSoftmax(1)
        .add(head.narrow(1, first + i, 1)),
    );
    return cat([head.narrow(1, 0, first), ...clusters], { dim: 1 });
  }

  /** The most probable class: [B, in] -> int64 [B]. */
  predict(x: Tensor): Tensor {
    return this.logProb(x).argmax({ dim: 1 });
  }
}
