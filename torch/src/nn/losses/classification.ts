import type { Tensor } from "../../tensor/index.ts";
import { ctcLoss, isTensor } from "../../tensor/index.ts";
import { buffer } from "../parameter.ts";
import { Loss, type LossOptions } from "./loss.ts";

export interface ClassWeightOptions extends LossOptions {
  /** [C]: how much each class counts. Default all alike. */
  weight?: Tensor | null;
  /** Targets of this number do not count. Default -100. */
  ignoreIndex?: number;
}

const bufferOf = (tensor: Tensor | null): Tensor | null => (tensor ? buffer(tensor) : null);

/** -log softmax(x)_y; the mean is over the weights of the targets. */
export class CrossEntropyLoss extends Loss {
  readonly weight: Tensor | null;
  readonly #ignoreIndex: number;
  readonly #labelSmoothing: number;

  /** @param options.labelSmoothing share of the target that is spread over all classes (Szegedy et al. 2016); default 0 */
  constructor({
    weight = null,
    ignoreIndex = -100,
    labelSmoothing = 0,
    reduction,
  }: ClassWeightOptions & { labelSmoothing?: number } = {}) {
    super(reduction);
    this.weight = bufferOf(weight);
    this.#ignoreIndex = ignoreIndex;
    this.#labelSmoothing = labelSmoothing;
  }

  /**
   * @param input logits [B, C, ...]
   * @param target int64 [B, ...], or probabilities [B, C, ...]
   */
  forward(input: Tensor, target: Tensor): Tensor {
    return input.crossEntropyLoss(target, {
      weight: this.weight,
      reduction: this.reduction,
      ignoreIndex: this.#ignoreIndex,
      labelSmoothing: this.#labelSmoothing,
    });
  }
}

/** -x_y for log-probabilities x; the mean is over the weights of the targets. */
export class NLLLoss extends Loss {
  readonly weight: Tensor | null;
  readonly #ignoreIndex: number;

  constructor({ weight = null, ignoreIndex = -100, reduction }: ClassWeightOptions = {}) {
    super(reduction);
    this.weight = bufferOf(weight);
    this.#ignoreIndex = ignoreIndex;
  }

  /** @param input log-probabilities [B, C, ...] @param target int64 [B, ...] */
  forward(input: Tensor, target: Tensor): Tensor {
    return input.nllLossNd(target, {
      weight: this.weight,
      reduction: this.reduction,
      ignoreIndex: this.#ignoreIndex,
    });
  }
}

/** -(y log p + (1 - y) log(1 - p)) for probabilities p; logarithms are at least -100. */
export class BCELoss extends Loss {
  readonly weight: Tensor | null;

  /** @param options.weight of each element, broadcast */
  constructor({ weight = null, reduction }: { weight?: Tensor | null } & LossOptions = {}) {
    super(reduction);
    this.weight = bufferOf(weight);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.binaryCrossEntropy(target, { weight: this.weight, reduction: this.reduction });
  }
}

/** -(posWeight y log sigmoid(x) + (1 - y) log(1 - sigmoid(x))), without the overflow of a sigmoid. */
export class BCEWithLogitsLoss extends Loss {
  readonly weight: Tensor | null;
  readonly posWeight: Tensor | null;

  /** @param options.weight of each element, broadcast @param options.posWeight of positive targets, by class */
  constructor({
    weight = null,
    posWeight = null,
    reduction,
  }: { weight?: Tensor | null; posWeight?: Tensor | null } & LossOptions = {}) {
    super(reduction);
    this.weight = bufferOf(weight);
    this.posWeight = bufferOf(posWeight);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, posWeight, reduction } = this;
    return input.binaryCrossEntropyWithLogits(target, { weight, posWeight, reduction });
  }
}

/** y (log y - x) for log-probabilities x: the divergence of the target from the input. */
export class KLDivLoss extends Loss {
  readonly isBatchMean: boolean;
  readonly logTarget: boolean;

  /**
   * @param options.reduction "batchmean" divides the sum by the batch's size, as the divergence is defined; default "mean"
   * @param options.logTarget whether the target is given as log-probabilities; default false
   */
  constructor({
    reduction = "mean",
    logTarget = false,
  }: { reduction?: LossOptions["reduction"] | "batchmean"; logTarget?: boolean } = {}) {
    super(reduction === "batchmean" ? "sum" : reduction);
    this.isBatchMean = reduction === "batchmean";
    this.logTarget = logTarget;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const loss = input.klDiv(target, { reduction: this.reduction, logTarget: this.logTarget });
    return this.isBatchMean ? loss.div(input.shape[0]!) : loss;
  }
}

/**
 * Connectionist temporal classification (Graves et al. 2006): -log of the probability of all alignments of a sequence
 * with a shorter target. The mean is over the batch, of losses divided by their target's length.
 */
export class CTCLoss extends Loss<
  [
    logProbabilities: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ]
> {
  readonly blank: number;
  readonly zeroInfinity: boolean;

  /** @param options.blank number of the class that stands for nothing; default 0 @param options.zeroInfinity makes impossible alignments 0; default false */
  constructor({
    blank = 0,
    zeroInfinity = false,
    reduction,
  }: { blank?: number; zeroInfinity?: boolean } & LossOptions = {}) {
    super(reduction);
    this.blank = blank;
    this.zeroInfinity = zeroInfinity;
  }

  /**
   * @param logProbabilities [T, B, C] or [T, C]
   * @param targets int64 [B, S], or all one after the other
   */
  forward(
    logProbabilities: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ): Tensor {
    const { blank, zeroInfinity, reduction } = this;
    const list = (lengths: Tensor | readonly number[]) =>
      isTensor(lengths) ? lengths.toNumbers() : [...lengths];
    return ctcLoss(logProbabilities, targets, list(inputLengths), list(targetLengths), {
      blank,
      reduction,
      zeroInfinity,
    });
  }
}
