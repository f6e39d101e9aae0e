import type { Tensor } from "../tensor/index.ts";
import { empty, gruCell, lstmCell, rnnReluCell, rnnTanhCell, TorchError } from "../tensor/index.ts";
import { type InitOptions, uniform_ } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";
import { checkSizes } from "./sizes.ts";

export interface CellOptions extends InitOptions {
  /** Whether there are biases. Default true. */
  bias?: boolean;
}

/**
 * One step of a recurrent layer. Weights [gates H, in] and [gates H, H] and biases [gates H] are drawn uniformly from
 * ±1 / sqrt(H), as in PyTorch.
 */
abstract class Cell<Args extends unknown[], Out> extends Module<Args, Out> {
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;

  constructor(
    readonly inputSize: number,
    readonly hiddenSize: number,
    gates: number,
    { bias = true, generator = null }: CellOptions,
  ) {
    super();
    checkSizes(new.target.name, { inputSize, hiddenSize });
    const bound = 1 / Math.sqrt(hiddenSize);
    const draw = (shape: number[]) => parameter(uniform_(empty(shape), -bound, bound, { generator }));
    this.weightIh = draw([gates * hiddenSize, inputSize]);
    this.weightHh = draw([gates * hiddenSize, hiddenSize]);
    this.biasIh = bias ? draw([gates * hiddenSize]) : null;
    this.biasHh = bias ? draw([gates * hiddenSize]) : null;
  }

  /** @throws TorchError for an input of other than 1 or 2 dimensions */
  protected checked(x: Tensor): Tensor {
    if ((x.ndim === 1 || x.ndim === 2) && x.shape.at(-1) === this.inputSize) return x;
    const name = this.constructor.name;
    throw new TorchError(
      `${name} was given [${x.shape}]. Pass [B, ${this.inputSize}], or [${this.inputSize}] for one.`,
    );
  }

  protected get biases() {
    return { bIh: this.biasIh, bHh: this.biasHh };
  }

  /** A state to begin with. */
  protected zeros(x: Tensor): Tensor {
    return x.newZeros([...x.shape.slice(0, -1), this.hiddenSize]);
  }
}

/** One step of RNN: h' = tanh(W_ih x + b_ih + W_hh h + b_hh). */
export class RNNCell extends Cell<[x: Tensor, state?: Tensor], Tensor> {
  readonly #operator: typeof rnnTanhCell;

  /** @param options.nonlinearity default "tanh" */
  constructor(
    inputSize: number,
    hiddenSize: number,
    { nonlinearity = "tanh", ...options }: CellOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    super(inputSize, hiddenSize, 1, options);
    this.#operator = nonlinearity === "tanh" ? rnnTanhCell : rnnReluCell;
  }

  /** @param x [B, in], or [in] for one @param state [B, H]; default zeros @returns the next state [B, H] */
  forward(x: Tensor, state = this.zeros(x)): Tensor {
    return alike(this.checked(x), (rows) =>
      this.#operator(rows, asRows(state), this.weightIh, this.weightHh, this.biases),
    );
  }
}

/** One step of GRU. */
export class GRUCell extends Cell<[x: Tensor, state?: Tensor], Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  /** @param x [B, in], or [in] for one @param state [B, H]; default zeros @returns the next state [B, H] */
  forward(x: Tensor, state = this.zeros(x)): Tensor {
    return alike(this.checked(x), (rows) =>
      gruCell(rows, asRows(state), this.weightIh, this.weightHh, this.biases),
    );
  }
}

/** One step of LSTM. */
export class LSTMCell extends Cell<
  [x: Tensor, state?: readonly [h: Tensor, c: Tensor]],
  [h: Tensor, c: Tensor]
> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, 4, options);
  }

  /** @param x [B, in], or [in] for one @param state h and c, [B, H] each; default zeros @returns the next h and c */
  forward(
    x: Tensor,
    state: readonly [h: Tensor, c: Tensor] = [this.zeros(x), this.zeros(x)],
  ): [h: Tensor, c: Tensor] {
    const { weightIh, weightHh, biases } = this;
    const [h, c] = lstmCell(asRows(this.checked(x)), state.map(asRows), weightIh, weightHh, biases);
    return x.ndim === 1 ? [h.squeeze(0), c.squeeze(0)] : [h, c];
  }
}

/** [D] -> [1, D]; [B, D] stays. */
const asRows = (x: Tensor): Tensor => (x.ndim === 1 ? x.unsqueeze(0) : x);

/** What `step` makes of x as rows, with x's number of dimensions. */
function alike(x: Tensor, step: (rows: Tensor) => Tensor): Tensor {
  const y = step(asRows(x));
  return x.ndim === 1 ? y.squeeze(0) : y;
}
