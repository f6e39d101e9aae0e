import type { Tensor } from "../../tensor/index.ts";
import {
  cosineEmbeddingLoss,
  marginRankingLoss,
  pairwiseDistance,
  tripletMarginLoss,
} from "../../tensor/index.ts";
import { buffer } from "../parameter.ts";
import { Loss, type LossOptions } from "./loss.ts";

export interface MarginOptions extends LossOptions {
  /** How far apart is far enough. */
  margin?: number;
}

/** max(0, -y (x1 - x2) + margin), y = 1 where the first input should be larger, -1 where the second. Margin 0 by default. */
export class MarginRankingLoss extends Loss<[first: Tensor, second: Tensor, target: Tensor]> {
  readonly margin: number;

  constructor({ margin = 0, reduction }: MarginOptions = {}) {
    super(reduction);
    this.margin = margin;
  }

  forward(first: Tensor, second: Tensor, target: Tensor): Tensor {
    return marginRankingLoss(first, second, target, { margin: this.margin, reduction: this.reduction });
  }
}

/** x where y = 1, max(0, margin - x) where y = -1. Margin 1 by default. */
export class HingeEmbeddingLoss extends Loss {
  readonly margin: number;

  constructor({ margin = 1, reduction }: MarginOptions = {}) {
    super(reduction);
    this.margin = margin;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.hingeEmbeddingLoss(target, { margin: this.margin, reduction: this.reduction });
  }
}

/** 1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1. Margin 0 by default. */
export class CosineEmbeddingLoss extends Loss<[first: Tensor, second: Tensor, target: Tensor]> {
  readonly margin: number;

  constructor({ margin = 0, reduction }: MarginOptions = {}) {
    super(reduction);
    this.margin = margin;
  }

  /** @param first [B, D] @param second [B, D] @param target [B] */
  forward(first: Tensor, second: Tensor, target: Tensor): Tensor {
    return cosineEmbeddingLoss(first, second, target, {
      margin: this.margin,
      reduction: this.reduction,
    });
  }
}

export interface TripletMarginOptions extends MarginOptions {
  /** Order of the norm. Default 2. */
  p?: number;
  /** Added to each difference. Default 1e-6. */
  eps?: number;
  /** Whether the positive's distance to the negative counts where it is the smaller one (Balntas et al. 2016). Default false. */
  swap?: boolean;
}

/** max(0, |a - p| - |a - n| + margin) (Schroff et al. 2015). Margin 1 by default. */
export class TripletMarginLoss extends Loss<[anchor: Tensor, positive: Tensor, negative: Tensor]> {
  readonly #options: Omit<TripletMarginOptions, "reduction">;

  constructor({ margin = 1, p = 2, eps = 1e-6, swap = false, reduction }: TripletMarginOptions = {}) {
    super(reduction);
    this.#options = { margin, p, eps, swap };
  }

  /** @param anchor [B, D], as the two others */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return tripletMarginLoss(anchor, positive, negative, {
      ...this.#options,
      reduction: this.reduction,
    });
  }
}

/** TripletMarginLoss with a distance of one's own. */
export class TripletMarginWithDistanceLoss extends Loss<
  [anchor: Tensor, positive: Tensor, negative: Tensor]
> {
  readonly #distance: (x: Tensor, y: Tensor) => Tensor;
  readonly #margin: number;
  readonly #swap: boolean;

  /** @param options.distance of the rows of two tensors; default pairwiseDistance */
  constructor({
    distance = (x, y) => pairwiseDistance(x, y),
    margin = 1,
    swap = false,
    reduction,
  }: MarginOptions & { distance?: (x: Tensor, y: Tensor) => Tensor; swap?: boolean } = {}) {
    super(reduction);
    this.#distance = distance;
    this.#margin = margin;
    this.#swap = swap;
  }

  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const near = this.#distance(anchor, positive);
    const own = this.#distance(anchor, negative);
    const far = this.#swap ? own.minimum(this.#distance(positive, negative)) : own;
    return this.reduced(near.sub(far).add(this.#margin).clamp({ min: 0 }));
  }
}

/** log(1 + exp(-y x)), y = 1 or -1 */
export class SoftMarginLoss extends Loss {
  constructor({ reduction }: LossOptions = {}) {
    super(reduction);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return input.softMarginLoss(target, { reduction: this.reduction });
  }
}

/** Σ max(0, margin - x_y + x_i)^p / C over the classes i other than the target y. Margin 1 by default. */
export class MultiMarginLoss extends Loss {
  readonly weight: Tensor | null;
  readonly margin: number;
  readonly p: number;

  /** @param options.p 1 or 2; default 1 @param options.weight [C]: how much each class counts */
  constructor({
    p = 1,
    margin = 1,
    weight = null,
    reduction,
  }: MarginOptions & { p?: 1 | 2; weight?: Tensor | null } = {}) {
    super(reduction);
    this.weight = weight ? buffer(weight) : null;
    this.margin = margin;
    this.p = p;
  }

  /** @param input [B, C] @param target int64 [B] */
  forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, weight, reduction } = this;
    return input.multiMarginLoss(target, { p, margin, weight, reduction });
  }
}

/** Σ max(0, 1 - (x_y - x_i)) / C over the targets y and the classes i that are none. */
export class MultiLabelMarginLoss extends Loss {
  constructor({ reduction }: LossOptions = {}) {
    super(reduction);
  }

  /** @param input [B, C] @param target int64 [B, C]: the classes, then -1 */
  forward(input: Tensor, target: Tensor): Tensor {
    return input.multilabelMarginLoss(target, { reduction: this.reduction });
  }
}
