import type { Generator, Tensor } from "../tensor/index.ts";
import { cat, empty, gru, lstm, rnnRelu, rnnTanh, TorchError } from "../tensor/index.ts";
import { dropoutFrom } from "./dropout.ts";
import { type InitOptions, uniform_ } from "./init.ts";
import { type Member, Module } from "./module.ts";
import { PackedSequence } from "./packed-sequence.ts";
import { parameter } from "./parameter.ts";

export interface RecurrentOptions extends InitOptions {
  /** Layers on top of each other. Default 1. */
  numLayers?: number;
  /** Whether there are biases. Default true. */
  bias?: boolean;
  /** false for [L, B, ...], as PyTorch has it by default. Default true, as all of this package's layers. */
  batchFirst?: boolean;
  /** Dropout of the outputs of every layer but the last, in training. Default 0. */
  dropout?: number;
  /** Whether each layer also reads the sequence backwards; outputs are twice as wide. Default false. */
  bidirectional?: boolean;
}

/** Sequences of one length, or packed ones of different lengths. */
type Sequences = Tensor | PackedSequence;

/** The parameters of one layer in one direction, by their names without layer and direction. */
type Names = "weight_ih" | "weight_hh" | "bias_ih" | "bias_hh" | "weight_hr";

/** An operator of libtorch for whole sequences, packed ones with `batchSizes`: the output, then the states at the end. */
type Operator = (
  x: Tensor,
  batchSizes: Tensor | null,
  states: readonly Tensor[],
  parameters: readonly Tensor[],
  settings: { bias: boolean; layers: number; dropout: number; training: boolean; bidirectional: boolean },
) => [output: Tensor, ...states: Tensor[]];

/**
 * What recurrent layers have in common. Parameters are those of PyTorch: `weight_ih_l0` [gates H, in], `weight_hh_l0`
 * [gates H, H], `bias_ih_l0`, `bias_hh_l0`, with `_reverse` for the second direction, all drawn uniformly from
 * ±1 / sqrt(H).
 */
abstract class Recurrent<Args extends unknown[], Out> extends Module<Args, Out> {
  readonly #parameters: readonly (readonly [key: string, parameter: Tensor])[];
  readonly #options: Required<Omit<RecurrentOptions, "generator">>;
  readonly generator: Generator | null;

  constructor(
    readonly inputSize: number,
    readonly hiddenSize: number,
    gates: number,
    {
      numLayers = 1,
      bias = true,
      batchFirst = true,
      dropout = 0,
      bidirectional = false,
      generator = null,
    }: RecurrentOptions,
    readonly projSize = 0,
  ) {
    super();
    const name = new.target.name;
    if (!(dropout >= 0 && dropout <= 1))
      throw new TorchError(`${name}: dropout is ${dropout}, which is no probability. Choose it in 0 … 1.`);
    if (dropout > 0 && numLayers === 1)
      throw new TorchError(
        `${name}: dropout is between layers, and there is one. Leave it out, or set numLayers.`,
      );
    if (!(projSize >= 0 && projSize < hiddenSize))
      throw new TorchError(
        `${name}: projSize ${projSize} is not below hiddenSize ${hiddenSize}. Choose a smaller one, or 0 for none.`,
      );
    this.generator = generator;
    this.#options = { numLayers, bias, batchFirst, dropout, bidirectional };
    const bound = 1 / Math.sqrt(hiddenSize);
    const draw = (shape: number[]) => parameter(uniform_(empty(shape), -bound, bound, { generator }));
    const directions = bidirectional ? ["", "_reverse"] : [""];
    const stateSize = projSize > 0 ? projSize : hiddenSize;
    this.#parameters = Array.from({ length: numLayers }, (_, layer) =>
      directions.flatMap((direction) => {
        const width = layer === 0 ? inputSize : stateSize * directions.length;
        const shapes: [Names, number[]][] = [
          ["weight_ih", [gates * hiddenSize, width]],
          ["weight_hh", [gates * hiddenSize, stateSize]],
        ];
        if (bias) shapes.push(["bias_ih", [gates * hiddenSize]], ["bias_hh", [gates * hiddenSize]]);
        if (projSize > 0) shapes.push(["weight_hr", [projSize, hiddenSize]]);
        return shapes.map(([name, shape]) => [`${name}_l${layer}${direction}`, draw(shape)] as const);
      }),
    ).flat();
  }

  get numLayers(): number {
    return this.#options.numLayers;
  }

  /**
   * @param given the states at the beginning, or none for zeros
   * @param sizes of the states' last dimension
   */
  protected run(
    operator: Operator,
    x: Tensor | PackedSequence,
    given: readonly Tensor[] | undefined,
    sizes: readonly number[],
  ): [output: Tensor | PackedSequence, ...states: Tensor[]] {
    if (x instanceof PackedSequence) return this.#packed(operator, x, given, sizes);
    const { batchFirst } = this.#options;
    if ((x.ndim !== 2 && x.ndim !== 3) || x.shape.at(-1) !== this.inputSize) {
      throw new TorchError(
        `${this.constructor.name} was given [${x.shape}]. Pass ${batchFirst ? "[B, L" : "[L, B"}, ${this.inputSize}], or [L, ${this.inputSize}] for one sequence.`,
      );
    }
    const isBatched = x.ndim === 3;
    const lengthFirst = isBatched ? (batchFirst ? x.transpose(0, 1) : x) : x.unsqueeze(1); // [L, B, in]
    const states = this.#states(x, lengthFirst.shape[1]!, given, sizes, isBatched);
    const [output, ...ends] = this.#layers(operator, lengthFirst, null, states);
    if (!isBatched) return [output.squeeze(1), ...ends.map((state) => state.squeeze(1))];
    return [batchFirst ? output.transpose(0, 1) : output, ...ends];
  }

  #packed(
    operator: Operator,
    x: PackedSequence,
    given: readonly Tensor[] | undefined,
    sizes: readonly number[],
  ): [output: PackedSequence, ...states: Tensor[]] {
    if (x.data.ndim !== 2 || x.data.shape[1] !== this.inputSize) {
      throw new TorchError(
        `${this.constructor.name} was given packed sequences of [${x.data.shape}]. Pack [B, L, ${this.inputSize}].`,
      );
    }
    const ordered = (states: readonly Tensor[], indices: Tensor | null) =>
      indices ? states.map((state) => state.indexSelect(1, indices)) : states;
    const states = ordered(this.#states(x.data, x.batch, given, sizes, true), given ? x.sortedIndices : null);
    const [output, ...ends] = this.#layers(operator, x.data, x.batchSizes, states);
    return [x.with(output), ...ordered(ends, x.unsortedIndices)];
  }

  /** The states at the beginning, [depth, B, size] each. */
  #states(
    x: Tensor,
    batch: number,
    given: readonly Tensor[] | undefined,
    sizes: readonly number[],
    isBatched: boolean,
  ): Tensor[] {
    const depth = this.#options.numLayers * (this.#options.bidirectional ? 2 : 1);
    return sizes.map((size, i) => {
      const state = given?.[i];
      if (!state) return x.newZeros([depth, batch, size]);
      const shaped = isBatched ? state : state.unsqueeze(1);
      if (`${shaped.shape}` !== `${[depth, batch, size]}`) {
        const wanted = isBatched ? [depth, batch, size] : [depth, size];
        throw new TorchError(
          `${this.constructor.name}: a state of shape [${state.shape}] does not fit; it must be [${wanted.join(", ")}]: layers times directions first.`,
        );
      }
      return shaped;
    });
  }

  /** All layers in one call; layer by layer where masks of dropout come from a generator, which the operators do not take. */
  #layers(
    operator: Operator,
    x: Tensor,
    batchSizes: Tensor | null,
    states: readonly Tensor[],
  ): [output: Tensor, ...states: Tensor[]] {
    const { bias, numLayers, dropout, bidirectional } = this.#options;
    const parameters = this.#parameters.map(([, tensor]) => tensor);
    const { training, generator } = this;
    if (!generator || !training || dropout === 0) {
      const settings = { bias, layers: numLayers, dropout, training, bidirectional };
      return operator(x, batchSizes, states, parameters, settings);
    }
    const directions = bidirectional ? 2 : 1;
    const perLayer = parameters.length / numLayers;
    let output = x;
    const ends: Tensor[][] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      if (layer > 0) output = dropoutFrom(generator, output, dropout, output.emptyLike());
      const [next, ...end] = operator(
        output,
        batchSizes,
        states.map((state) => state.narrow(0, layer * directions, directions)),
        parameters.slice(layer * perLayer, (layer + 1) * perLayer),
        { bias, layers: 1, dropout: 0, training, bidirectional },
      );
      output = next;
      ends.push(end);
    }
    return [output, ...states.map((_, i) => cat(ends.map((end) => end[i]!)))];
  }

  protected override members(): Member[] {
    return [...super.members(), ...this.#parameters.map(([key, tensor]): Member => [key, tensor])];
  }
}

/**
 * Elman's recurrent layer: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh).
 *
 * @example const [outputs, last] = new nn.RNN(16, 32).forward(x); // [B, L, 16] -> [B, L, 32], [1, B, 32]
 */
export class RNN extends Recurrent<[x: Sequences, state?: Tensor], [output: Sequences, state: Tensor]> {
  readonly #operator: typeof rnnTanh;

  /** @param options.nonlinearity default "tanh" */
  constructor(
    inputSize: number,
    hiddenSize: number,
    { nonlinearity = "tanh", ...options }: RecurrentOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    super(inputSize, hiddenSize, 1, options);
    this.#operator = nonlinearity === "tanh" ? rnnTanh : rnnRelu;
  }

  /**
   * @param x [B, L, in], or [L, in]; packed sequences give packed outputs
   * @param state [layers * directions, B, H]; default zeros
   * @returns the states of the last layer at every time [B, L, directions * H], and those of all layers at the end
   */
  forward(x: Tensor, state?: Tensor): [output: Tensor, state: Tensor];
  forward(x: PackedSequence, state?: Tensor): [output: PackedSequence, state: Tensor];
  forward(x: Sequences, state?: Tensor): [output: Sequences, state: Tensor] {
    return this.run(oneState(this.#operator), x, state && [state], [this.hiddenSize]) as [Sequences, Tensor];
  }
}

/**
 * Gated recurrent unit (Cho et al. 2014): r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise,
 * n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h.
 */
export class GRU extends Recurrent<[x: Sequences, state?: Tensor], [output: Sequences, state: Tensor]> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  /**
   * @param x [B, L, in], or [L, in]; packed sequences give packed outputs
   * @param state [layers * directions, B, H]; default zeros
   * @returns the states of the last layer at every time [B, L, directions * H], and those of all layers at the end
   */
  forward(x: Tensor, state?: Tensor): [output: Tensor, state: Tensor];
  forward(x: PackedSequence, state?: Tensor): [output: PackedSequence, state: Tensor];
  forward(x: Sequences, state?: Tensor): [output: Sequences, state: Tensor] {
    return this.run(oneState(gru), x, state && [state], [this.hiddenSize]) as [Sequences, Tensor];
  }
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997): i, f, o = σ(W x + b + W' h + b'), g = tanh(…) likewise,
 * c' = f c + i g, h' = o tanh(c'); with `projSize` h' is projected to that size (Sak et al. 2014).
 *
 * @example const [outputs, [h, c]] = new nn.LSTM(16, 32, { numLayers: 2 }).forward(x); // [B, L, 16] -> [B, L, 32]
 */
export class LSTM extends Recurrent<
  [x: Sequences, state?: readonly [h: Tensor, c: Tensor]],
  [output: Sequences, state: [h: Tensor, c: Tensor]]
> {
  /** @param options.projSize size of the projected states; 0 for none, the default */
  constructor(
    inputSize: number,
    hiddenSize: number,
    { projSize = 0, ...options }: RecurrentOptions & { projSize?: number } = {},
  ) {
    super(inputSize, hiddenSize, 4, options, projSize);
  }

  /**
   * @param x [B, L, in], or [L, in]; packed sequences give packed outputs
   * @param state h [layers * directions, B, projSize or H] and c [layers * directions, B, H]; default zeros
   * @returns the states of the last layer at every time [B, L, directions * H], and those of all layers at the end
   */
  forward(x: Tensor, state?: LstmState): [output: Tensor, state: [h: Tensor, c: Tensor]];
  forward(x: PackedSequence, state?: LstmState): [output: PackedSequence, state: [h: Tensor, c: Tensor]];
  forward(x: Sequences, state?: LstmState): [output: Sequences, state: [h: Tensor, c: Tensor]] {
    const sizes = [this.projSize || this.hiddenSize, this.hiddenSize];
    const [output, h, c] = this.run(lstmStates, x, state, sizes) as [Sequences, Tensor, Tensor];
    return [output, [h, c]];
  }
}

/** The hidden state and the cell's. */
type LstmState = readonly [h: Tensor, c: Tensor];

const lstmStates: Operator = (
  x,
  batchSizes,
  states,
  parameters,
  { bias, layers, dropout, training, bidirectional },
) =>
  batchSizes
    ? lstm(x, batchSizes, states, parameters, bias, layers, dropout, training, bidirectional)
    : lstm(x, states, parameters, bias, layers, dropout, training, bidirectional, false);

/** The operators of one state take it as it is, not in a list. */
function oneState(operator: typeof gru): Operator {
  return (x, batchSizes, [state], parameters, { bias, layers, dropout, training, bidirectional }) =>
    batchSizes
      ? operator(x, batchSizes, state!, parameters, bias, layers, dropout, training, bidirectional)
      : operator(x, state!, parameters, bias, layers, dropout, training, bidirectional, false);
}
