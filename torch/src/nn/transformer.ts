import type { Tensor } from "../tensor/index.ts";
import { full, TorchError } from "../tensor/index.ts";
import { MultiheadAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { type InitOptions, xavierUniform_ } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { LayerNorm } from "./norm.ts";

const ACTIVATIONS = { relu: (x: Tensor) => x.relu(), gelu: (x: Tensor) => x.gelu() };

export interface TransformerLayerOptions extends InitOptions {
  /** Width between the two linear layers. Default 2048. */
  dimFeedforward?: number;
  /** In training, of attention weights and of what every part adds. Default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: keyof typeof ACTIVATIONS | ((x: Tensor) => Tensor);
  /** Of the norms. Default 1e-5. */
  layerNormEps?: number;
  /** false for [L, B, E], as PyTorch has it by default. Default true, as all of this package's layers. */
  batchFirst?: boolean;
  /** Whether the norms are on the parts' inputs (Xiong et al. 2020), not on the sums. Default false. */
  normFirst?: boolean;
  /** Of linear layers and norms. Default true. */
  bias?: boolean;
}

/** What the layers of encoder and decoder have in common. */
abstract class TransformerLayer<Args extends unknown[]> extends Module<Args> {
  abstract readonly linear1: Linear;
  abstract readonly dropout: Dropout;
  abstract readonly linear2: Linear;
  readonly #normFirst: boolean;
  readonly #activation: (x: Tensor) => Tensor;

  constructor({ normFirst = false, activation = "relu" }: TransformerLayerOptions) {
    super();
    this.#normFirst = normFirst;
    this.#activation = typeof activation === "function" ? activation : ACTIVATIONS[activation];
  }

  /** linear2(dropout(activation(linear1(x)))) */
  protected feedForward(x: Tensor): Tensor {
    return this.linear2.forward(this.dropout.forward(this.#activation(this.linear1.forward(x))));
  }

  /** norm(x + dropout(part(x))), or with the norm first x + dropout(part(norm(x))). */
  protected added(x: Tensor, part: (x: Tensor) => Tensor, dropout: Dropout, norm: LayerNorm): Tensor {
    if (this.#normFirst) return x.add(dropout.forward(part(norm.forward(x))));
    return norm.forward(x.add(dropout.forward(part(x))));
  }
}

export interface EncoderMasks {
  /** [L, L] or [B * heads, L, L]: true where a place may NOT look, or floats that are added to the scores. */
  mask?: Tensor | null;
  /** Bool [B, L]: true for places that are padding. */
  srcKeyPaddingMask?: Tensor | null;
  /** Lets each place look at those up to its own only. Default false. */
  isCausal?: boolean;
}

/**
 * A layer of the transformer's encoder (Vaswani et al. 2017, figure 1): attention within the sequence, then two linear
 * layers, each added to its input and normalised.
 *
 * @example new nn.TransformerEncoderLayer(64, 4, { dimFeedforward: 256, normFirst: true }).forward(x) // [B, L, 64]
 */
export class TransformerEncoderLayer extends TransformerLayer<[src: Tensor, masks?: EncoderMasks]> {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;

  /** @param dModel size of the vectors, divisible by `heads` */
  constructor(
    readonly dModel: number,
    readonly heads: number,
    options: TransformerLayerOptions = {},
  ) {
    super(options);
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps: eps = 1e-5 } = options;
    const { batchFirst = true, bias = true, generator = null } = options;
    this.selfAttn = new MultiheadAttention(dModel, heads, { dropout, bias, batchFirst, generator });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias, generator });
    this.dropout = new Dropout(dropout, { generator });
    this.linear2 = new Linear(dimFeedforward, dModel, { bias, generator });
    this.norm1 = new LayerNorm(dModel, { eps, bias });
    this.norm2 = new LayerNorm(dModel, { eps, bias });
    this.dropout1 = new Dropout(dropout, { generator });
    this.dropout2 = new Dropout(dropout, { generator });
  }

  /** @param src [B, L, dModel] @returns [B, L, dModel] */
  forward(src: Tensor, { mask, srcKeyPaddingMask, isCausal }: EncoderMasks = {}): Tensor {
    const masks = { attnMask: mask, keyPaddingMask: srcKeyPaddingMask, isCausal };
    const attend = (x: Tensor) => this.selfAttn.forward(x, x, x, masks);
    const attended = this.added(src, attend, this.dropout1, this.norm1);
    return this.added(attended, (x) => this.feedForward(x), this.dropout2, this.norm2);
  }
}

/** Layers of an encoder one after the other, and a norm at the end where one is given. */
export class TransformerEncoder extends Module<[src: Tensor, masks?: EncoderMasks]> {
  readonly layers: readonly TransformerEncoderLayer[];
  readonly norm: Module | null;

  /**
   * @param layer makes the layer of each number. PyTorch copies one layer instead, so that all begin with the same weights.
   * @example new nn.TransformerEncoder(() => new nn.TransformerEncoderLayer(64, 4), 6)
   */
  constructor(
    layer: (index: number) => TransformerEncoderLayer,
    numLayers: number,
    { norm = null }: { norm?: Module | null } = {},
  ) {
    super();
    this.layers = layersBy(new.target.name, layer, numLayers);
    this.norm = norm;
  }

  /** @param src [B, L, dModel] @returns [B, L, dModel] */
  forward(src: Tensor, masks: EncoderMasks = {}): Tensor {
    const encoded = this.layers.reduce((x, layer) => layer.forward(x, masks), src);
    return this.norm?.forward(encoded) ?? encoded;
  }
}

export interface DecoderMasks {
  /** Of the target's places among each other: [L, L] or [B * heads, L, L], as EncoderMasks' mask. */
  tgtMask?: Tensor | null;
  /** Of the target's places and the memory's: [L, S] or [B * heads, L, S]. */
  memoryMask?: Tensor | null;
  /** Bool [B, L]: true for places of the target that are padding. */
  tgtKeyPaddingMask?: Tensor | null;
  /** Bool [B, S]: true for places of the memory that are padding. */
  memoryKeyPaddingMask?: Tensor | null;
  /** Lets each place of the target look at those up to its own only. Default false. */
  tgtIsCausal?: boolean;
}

/**
 * A layer of the transformer's decoder (Vaswani et al. 2017, figure 1): attention within the target, attention to the
 * encoder's output, two linear layers, each added to its input and normalised.
 */
export class TransformerDecoderLayer extends TransformerLayer<
  [tgt: Tensor, memory: Tensor, masks?: DecoderMasks]
> {
  readonly selfAttn: MultiheadAttention;
  readonly multiheadAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout;

  /** @param dModel size of the vectors, divisible by `heads` */
  constructor(
    readonly dModel: number,
    readonly heads: number,
    options: TransformerLayerOptions = {},
  ) {
    super(options);
    const { dimFeedforward = 2048, dropout = 0.1, layerNormEps: eps = 1e-5 } = options;
    const { batchFirst = true, bias = true, generator = null } = options;
    this.selfAttn = new MultiheadAttention(dModel, heads, { dropout, bias, batchFirst, generator });
    this.multiheadAttn = new MultiheadAttention(dModel, heads, { dropout, bias, batchFirst, generator });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias, generator });
    this.dropout = new Dropout(dropout, { generator });
    this.linear2 = new Linear(dimFeedforward, dModel, { bias, generator });
    this.norm1 = new LayerNorm(dModel, { eps, bias });
    this.norm2 = new LayerNorm(dModel, { eps, bias });
    this.norm3 = new LayerNorm(dModel, { eps, bias });
    this.dropout1 = new Dropout(dropout, { generator });
    this.dropout2 = new Dropout(dropout, { generator });
    this.dropout3 = new Dropout(dropout, { generator });
  }

  /** @param tgt [B, L, dModel] @param memory [B, S, dModel], the encoder's output @returns [B, L, dModel] */
  forward(tgt: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const within = {
      attnMask: masks.tgtMask,
      keyPaddingMask: masks.tgtKeyPaddingMask,
      isCausal: masks.tgtIsCausal,
    };
    const across = { attnMask: masks.memoryMask, keyPaddingMask: masks.memoryKeyPaddingMask };
    const attend = (x: Tensor) => this.selfAttn.forward(x, x, x, within);
    const consult = (x: Tensor) => this.multiheadAttn.forward(x, memory, memory, across);
    const attended = this.added(tgt, attend, this.dropout1, this.norm1);
    const consulted = this.added(attended, consult, this.dropout2, this.norm2);
    return this.added(consulted, (x) => this.feedForward(x), this.dropout3, this.norm3);
  }
}

/** Layers of a decoder one after the other, and a norm at the end where one is given. */
export class TransformerDecoder extends Module<[tgt: Tensor, memory: Tensor, masks?: DecoderMasks]> {
  readonly layers: readonly TransformerDecoderLayer[];
  readonly norm: Module | null;

  /** @param layer makes the layer of each number; PyTorch copies one layer instead */
  constructor(
    layer: (index: number) => TransformerDecoderLayer,
    numLayers: number,
    { norm = null }: { norm?: Module | null } = {},
  ) {
    super();
    this.layers = layersBy(new.target.name, layer, numLayers);
    this.norm = norm;
  }

  /** @param tgt [B, L, dModel] @param memory [B, S, dModel] @returns [B, L, dModel] */
  forward(tgt: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const decoded = this.layers.reduce((x, layer) => layer.forward(x, memory, masks), tgt);
    return this.norm?.forward(decoded) ?? decoded;
  }
}

export interface TransformerOptions extends TransformerLayerOptions {
  /** Size of the vectors. Default 512. */
  dModel?: number;
  /** Default 8. */
  heads?: number;
  /** Default 6. */
  numEncoderLayers?: number;
  /** Default 6. */
  numDecoderLayers?: number;
}

/** The masks of both sides; those of the encoder have "src" in their names. */
export interface TransformerMasks extends DecoderMasks {
  srcMask?: Tensor | null;
  srcKeyPaddingMask?: Tensor | null;
  srcIsCausal?: boolean;
}

/**
 * The transformer (Vaswani et al. 2017), without embeddings and the last linear layer: an encoder and a decoder, each
 * with a norm at its end. Matrices are drawn as `xavierUniform_` does.
 */
export class Transformer extends Module<[src: Tensor, tgt: Tensor, masks?: TransformerMasks]> {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;
  readonly dModel: number;
  readonly heads: number;

  constructor({
    dModel = 512,
    heads = 8,
    numEncoderLayers = 6,
    numDecoderLayers = 6,
    ...options
  }: TransformerOptions = {}) {
    super();
    this.dModel = dModel;
    this.heads = heads;
    const norm = () =>
      new LayerNorm(dModel, { eps: options.layerNormEps ?? 1e-5, bias: options.bias ?? true });
    const encoderLayer = () => new TransformerEncoderLayer(dModel, heads, options);
    const decoderLayer = () => new TransformerDecoderLayer(dModel, heads, options);
    this.encoder = new TransformerEncoder(encoderLayer, numEncoderLayers, { norm: norm() });
    this.decoder = new TransformerDecoder(decoderLayer, numDecoderLayers, { norm: norm() });
    for (const matrix of this.parameters().filter(({ ndim }) => ndim > 1))
      xavierUniform_(matrix, { generator: options.generator });
  }

  /**
   * @param src [B, S, dModel] @param tgt [B, L, dModel] @returns [B, L, dModel]
   * @throws TorchError for vectors of another size
   */
  forward(src: Tensor, tgt: Tensor, masks: TransformerMasks = {}): Tensor {
    for (const x of [src, tgt]) {
      if (x.shape.at(-1) === this.dModel) continue;
      throw new TorchError(`Transformer was given [${x.shape}]. Pass vectors of ${this.dModel} elements.`);
    }
    const { srcMask: mask, srcKeyPaddingMask, srcIsCausal: isCausal, ...decoderMasks } = masks;
    const memory = this.encoder.forward(src, { mask, srcKeyPaddingMask, isCausal });
    return this.decoder.forward(tgt, memory, decoderMasks);
  }

  /** A mask that lets each place look at those up to its own: [length, length], 0 there and -Infinity elsewhere. */
  static generateSquareSubsequentMask(length: number): Tensor {
    return full([length, length], Number.NEGATIVE_INFINITY).triu({ diagonal: 1 });
  }
}

function layersBy<Layer>(name: string, layer: (index: number) => Layer, count: number): Layer[] {
  if (typeof layer !== "function")
    throw new TorchError(
      `${name}: a layer is made for each place, where PyTorch copies one. Pass a function: () => new nn.${name}Layer(dModel, heads).`,
    );
  return Array.from({ length: count }, (_, index) => layer(index));
}
