import type { Tensor } from "../tensor/index.ts";
import { Module } from "./module.ts";

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

/** x itself, where a layer is left out. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Makes one dimension of several: [B, C, H, W] -> [B, C * H * W] by default. */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.flatten({ startDim: this.startDim, endDim: this.endDim });
  }
}
