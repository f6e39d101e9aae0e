import type { Generator, Tensor } from "../tensor/index.ts";
import { empty, linear, scaledDotProductAttention, TorchError, zeros } from "../tensor/index.ts";
import { dropoutFrom } from "./dropout.ts";
import { type InitOptions, xavierUniform_, zeros_ } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

export interface AttentionOptions {
  /**
   * [L, S], [B * heads, L, S] or [B, heads, L, S]: true where a query may NOT look (PyTorch's convention for this
   * layer), or floats that are added to the scores.
   */
  attnMask?: Tensor | null;
  /** Bool [B, S]: true for keys that are padding. */
  keyPaddingMask?: Tensor | null;
  /** Lets each query look at keys up to its own position only. Default false. */
  isCausal?: boolean;
}

/**
 * Multi-head attention (Vaswani et al. 2017, section 3.2.2): softmax(Q K^T / sqrt(d / heads)) V in each head, between
 * linear projections. Parameters have PyTorch's names and initial values.
 *
 * Unlike PyTorch's layer, the batch comes first by default, and attention weights are not returned.
 *
 * @example new nn.MultiheadAttention(64, 4).forward(x) // [B, L, 64] -> [B, L, 64]
 */
export class MultiheadAttention extends Module<
  [query: Tensor, key?: Tensor, value?: Tensor, options?: AttentionOptions]
> {
  readonly inProjWeight: Tensor;
  readonly inProjBias: Tensor | null;
  readonly outProj: Linear;
  readonly #dropout: number;
  readonly #batchFirst: boolean;
  readonly generator: Generator | null;

  /**
   * @param embedDim size of the vectors, divisible by `heads`
   * @param options.dropout of attention weights in training; default 0
   * @param options.bias of all four projections; default true
   * @param options.batchFirst false for [L, B, E], as PyTorch has it by default; default true
   * @param options.generator draws the initial weights and dropout's masks; default libtorch's for the whole process
   */
  constructor(
    readonly embedDim: number,
    readonly heads: number,
    {
      dropout = 0,
      bias = true,
      batchFirst = true,
      generator = null,
    }: { dropout?: number; bias?: boolean; batchFirst?: boolean } & InitOptions = {},
  ) {
    super();
    if (embedDim % heads !== 0) {
      throw new TorchError(
        `MultiheadAttention: ${embedDim} dimensions do not divide into ${heads} heads. Choose a divisor.`,
      );
    }
    this.#dropout = dropout;
    this.#batchFirst = batchFirst;
    this.generator = generator;
    this.outProj = new Linear(embedDim, embedDim, { bias, generator });
    this.inProjWeight = parameter(xavierUniform_(empty([3 * embedDim, embedDim]), { generator }));
    this.inProjBias = bias ? parameter(zeros([3 * embedDim])) : null;
    if (this.outProj.bias) zeros_(this.outProj.bias);
  }

  /**
   * @param query [B, L, E]
   * @param key [B, S, E]; default the query
   * @param value [B, S, E]; default the key
   * @returns [B, L, E]
   */
  forward(query: Tensor, key = query, value = key, options: AttentionOptions = {}): Tensor {
    const { attnMask = null, keyPaddingMask = null, isCausal = false } = options;
    const [q, k, v] = this.#project(query, key, value).map((x) => this.#split(x)) as [Tensor, Tensor, Tensor];
    const dropoutP = this.training ? this.#dropout : 0;
    const generator = dropoutP > 0 ? this.generator : null;
    const isOnlyCausal = isCausal && !attnMask && !keyPaddingMask && !generator;
    const allowed = isOnlyCausal ? null : mask(attnMask, keyPaddingMask, isCausal, q, k);
    const attended = generator
      ? attend(q, k, v, allowed, dropoutP, generator)
      : scaledDotProductAttention(q, k, v, { attnMask: allowed, dropoutP, isCausal: isOnlyCausal }); // [B, H, L, E / H]
    const merged = attended.transpose(1, 2).flatten({ startDim: 2 }); // [B, L, E]
    return this.outProj.forward(this.#batchFirst ? merged : merged.transpose(0, 1));
  }

  #project(query: Tensor, key: Tensor, value: Tensor): Tensor[] {
    const { inProjWeight: weight, inProjBias: bias } = this;
    if (query === key && key === value) return linear(query, weight, { bias }).chunk(3, { dim: -1 });
    const biases = bias?.chunk(3);
    return weight.chunk(3).map((part, i) => {
      const input = [query, key, value][i] as Tensor;
      return linear(input, part, { bias: biases?.[i] });
    });
  }

  /** [B, L, E] or [L, B, E] -> [B, H, L, E / H] */
  #split(x: Tensor): Tensor {
    const batched = this.#batchFirst ? x : x.transpose(0, 1);
    return batched.unflatten(-1, [this.heads, -1]).transpose(1, 2);
  }
}

/** scaledDotProductAttention with masks of dropout from a generator, which the operator does not take. */
function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  allowed: Tensor | null,
  dropoutP: number,
  generator: Generator,
): Tensor {
  const scores = q.mul((q.shape.at(-1) as number) ** -0.5).matmul(k.transpose(-2, -1)); // [B, H, L, S]
  const masked =
    allowed?.dtype === "bool"
      ? scores.maskedFill(allowed.logicalNot(), Number.NEGATIVE_INFINITY)
      : allowed
        ? scores.add(allowed)
        : scores;
  const weights = masked._safeSoftmax(-1); // 0 for a query that may look nowhere
  return dropoutFrom(generator, weights, dropoutP, weights.emptyLike()).matmul(v);
}

/** The masks as one that scaledDotProductAttention takes: true where a query may look, or floats to add. */
function mask(
  attn: Tensor | null,
  padding: Tensor | null,
  isCausal: boolean,
  q: Tensor,
  k: Tensor,
): Tensor | null {
  if (!attn && !padding && !isCausal) return null;
  const [batch, heads, length] = q.shape as [number, number, number];
  const keys = k.shape[2] as number;
  const forbidden: Tensor[] = [];
  if (padding) forbidden.push(padding.to("bool").reshape([batch, 1, 1, keys]));
  if (isCausal) forbidden.push(later(length, keys, q));
  const shaped = attn?.ndim === 3 ? attn.reshape([batch, heads, length, keys]) : attn;
  if (shaped && shaped.dtype !== "bool") {
    return forbidden.reduce(
      (scores, where) => scores.maskedFill(where, Number.NEGATIVE_INFINITY),
      shaped.to(q.dtype),
    );
  }
  if (shaped) forbidden.push(shaped);
  return forbidden.reduce((one, other) => one.logicalOr(other)).logicalNot();
}

/** True where a key comes after the query: bool [L, S]. */
function later(length: number, keys: number, like: Tensor): Tensor {
  return like.newOnes([length, keys], { dtype: "bool" }).triu({ diagonal: 1 });
}
