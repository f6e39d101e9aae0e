import type { Generator, Tensor } from "../tensor/index.ts";
import { full, TorchError } from "../tensor/index.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

/** max(x, 0) */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** x where it is positive, negativeSlope * x elsewhere */
export class LeakyReLU extends Module {
  constructor(readonly negativeSlope = 0.01) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.leakyRelu({ negativeSlope: this.negativeSlope });
  }
}

/** x where it is positive, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016) */
export class ELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.elu({ alpha: this.alpha });
  }
}

/** x Φ(x), with Φ the normal distribution function (Hendrycks and Gimpel 2016) */
export class GELU extends Module {
  readonly #approximate: "none" | "tanh";

  /** @param options.approximate "tanh" for 0.5 x (1 + tanh(sqrt(2 / π) (x + 0.044715 x^3))); default "none" */
  constructor({ approximate = "none" }: { approximate?: "none" | "tanh" } = {}) {
    super();
    this.#approximate = approximate;
  }

  forward(x: Tensor): Tensor {
    return x.gelu({ approximate: this.#approximate });
  }
}

/** x sigmoid(x), also called swish */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return x.silu();
  }
}

/** x tanh(softplus(x)) (Misra 2019) */
export class Mish extends Module {
  forward(x: Tensor): Tensor {
    return x.mish();
  }
}

/** x clamp(x + 3, 0, 6) / 6 (Howard et al. 2019) */
export class Hardswish extends Module {
  forward(x: Tensor): Tensor {
    return x.hardswish();
  }
}

/** log(1 + exp(beta x)) / beta, linear where beta x is above the threshold */
export class Softplus extends Module {
  constructor(
    readonly beta = 1,
    readonly threshold = 20,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.softplus({ beta: this.beta, threshold: this.threshold });
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** (exp(x) - exp(-x)) / (exp(x) + exp(-x)) */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** exp(x) / Σ exp(x) along one dimension */
export class Softmax extends Module {
  constructor(readonly dim = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }
}

/** x - log Σ exp(x) along one dimension */
export class LogSoftmax extends Module {
  constructor(readonly dim = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }
}

/** exp(-x) / Σ exp(-x) along one dimension */
export class Softmin extends Module {
  constructor(readonly dim = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.neg().softmax(this.dim);
  }
}

/** Softmax over the channels of each place: [B, C, H, W] or [C, H, W]. */
export class Softmax2d extends Module {
  /** @throws TorchError for a tensor of other than 3 or 4 dimensions */
  forward(x: Tensor): Tensor {
    if (x.ndim !== 3 && x.ndim !== 4)
      throw new TorchError(`Softmax2d was given [${x.shape}]. Pass [B, C, H, W] or [C, H, W].`);
    return x.softmax(-3);
  }
}

/** log(1 / (1 + exp(-x))) */
export class LogSigmoid extends Module {
  forward(x: Tensor): Tensor {
    return x.logSigmoid();
  }
}

/** x / (1 + |x|) */
export class Softsign extends Module {
  forward(x: Tensor): Tensor {
    return x.div(x.abs().add(1));
  }
}

/** x - tanh(x) */
export class Tanhshrink extends Module {
  forward(x: Tensor): Tensor {
    return x.sub(x.tanh());
  }
}

/** clamp(x, 0, 6) */
export class ReLU6 extends Module {
  forward(x: Tensor): Tensor {
    return x.hardtanh({ minVal: 0, maxVal: 6 });
  }
}

/** clamp(x, minVal, maxVal) */
export class Hardtanh extends Module {
  constructor(
    readonly minVal = -1,
    readonly maxVal = 1,
  ) {
    super();
    if (!(minVal < maxVal))
      throw new TorchError(`Hardtanh: ${minVal} is not below ${maxVal}. Give the lower bound first.`);
  }

  forward(x: Tensor): Tensor {
    return x.hardtanh({ minVal: this.minVal, maxVal: this.maxVal });
  }
}

/** clamp(x / 6 + 1 / 2, 0, 1) */
export class Hardsigmoid extends Module {
  forward(x: Tensor): Tensor {
    return x.hardsigmoid();
  }
}

/** x where |x| is above the threshold, 0 elsewhere */
export class Hardshrink extends Module {
  constructor(readonly threshold = 0.5) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.hardshrink({ lambd: this.threshold });
  }
}

/** x moved towards 0 by the threshold, 0 where it is nearer than that */
export class Softshrink extends Module {
  constructor(readonly threshold = 0.5) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.softshrink({ lambd: this.threshold });
  }
}

/** x where it is above the threshold, `value` elsewhere */
export class Threshold extends Module {
  constructor(
    readonly threshold: number,
    readonly value: number,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.threshold(this.threshold, this.value);
  }
}

/** 1.0507 (x where it is positive, 1.6733 (exp(x) - 1) elsewhere): keeps mean 0 and variance 1 (Klambauer et al. 2017) */
export class SELU extends Module {
  forward(x: Tensor): Tensor {
    return x.selu();
  }
}

/** max(0, x) + min(0, alpha (exp(x / alpha) - 1)) (Barron 2017) */
export class CELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.celu({ alpha: this.alpha });
  }
}

/** a sigmoid(b), a and b the two halves of a dimension (Dauphin et al. 2017) */
export class GLU extends Module {
  constructor(readonly dim = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.glu({ dim: this.dim });
  }
}

/** x where it is positive, weight * x elsewhere, with a learned weight for all or for each channel (He et al. 2015) */
export class PReLU extends Module {
  readonly weight: Tensor;

  /**
   * @param numParameters 1, or the number of channels: the second dimension
   * @param init the weights at first
   */
  constructor(
    readonly numParameters = 1,
    init = 0.25,
  ) {
    super();
    this.weight = parameter(full([numParameters], init));
  }

  forward(x: Tensor): Tensor {
    return x.prelu(this.weight);
  }
}

/**
 * x where it is positive, a x elsewhere; in training a is drawn uniformly from lower … upper for each element, in
 * evaluation it is the mean of the two (Xu et al. 2015).
 */
export class RReLU extends Module {
  readonly #generator: Generator | null;

  /** @param options.generator draws a; default libtorch's for the whole process */
  constructor(
    readonly lower = 1 / 8,
    readonly upper = 1 / 3,
    { generator = null }: { generator?: Generator | null } = {},
  ) {
    super();
    if (!(lower <= upper))
      throw new TorchError(`RReLU: ${lower} is above ${upper}. Give the lower bound first.`);
    this.#generator = generator;
  }

  forward(x: Tensor): Tensor {
    const { lower, upper, training } = this;
    return x.rrelu({ lower, upper, training, generator: this.#generator });
  }
}
