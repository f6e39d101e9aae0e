import { isGradEnabled, nn, scaledDotProductAttention, scope, type Tensor } from "@penumbra/torch";

export interface TransformerOptions {
  readonly channels: number;
  readonly heads: number;
  readonly layers: number;
  /** Size of a context vector. */
  readonly contextSize: number;
  readonly groups: number;
  /** The projections in and out are linear layers (SD 2.x) instead of 1x1 convolutions (SD 1.x). */
  readonly useLinearProjection: boolean;
}

/** Attention of the positions of x to a context, or to x itself (diffusers' Attention). */
export class Attention extends nn.Module<[Tensor, Tensor?, (Tensor | null)?]> {
  readonly toQ: nn.Linear;
  readonly toK: nn.Linear;
  readonly toV: nn.Linear;
  readonly toOut: readonly [nn.Linear];
  readonly #heads: number;

  /** @param options.bias whether queries, keys and values have one; default false */
  constructor(channels: number, contextSize: number, heads: number, { bias = false } = {}) {
    super();
    this.#heads = heads;
    this.toQ = new nn.Linear(channels, channels, { bias });
    this.toK = new nn.Linear(contextSize, channels, { bias });
    this.toV = new nn.Linear(contextSize, channels, { bias });
    this.toOut = [new nn.Linear(channels, channels)];
  }

  /** @param mask added to the scores, of a shape that spreads to [B, heads, N, L] */
  forward(x: Tensor, context: Tensor = x, mask: Tensor | null = null): Tensor {
    const split = (t: Tensor) => t.unflatten(-1, [this.#heads, -1]).transpose(1, 2); // [B, N, C] -> [B, heads, N, d]
    const attended = attend(
      split(this.toQ.forward(x)),
      split(this.toK.forward(context)),
      split(this.toV.forward(context)),
      mask,
    );
    return this.toOut[0].forward(attended.transpose(1, 2).flatten({ startDim: 2 }));
  }
}

/** Up to so many positions by positions the scores are held as a whole where that is faster. */
const FEW_SCORES = 1024 ** 2;

/**
 * softmax(q k^T / sqrt(d)) v (Vaswani et al. 2017, eq. 1), by libtorch's fused operator. Its backward in bf16 is slow
 * on processors: training a UNet of 5 M parameters ran at 66 images/s with it and at 81 with plain products, which
 * would take 1 GiB a layer at 64 x 64 positions.
 */
function attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null): Tensor {
  const scores = (q.shape.at(-2) as number) * (k.shape.at(-2) as number);
  if (mask || q.dtype !== "bfloat16" || q.device !== "cpu" || !isGradEnabled() || scores > FEW_SCORES)
    return scaledDotProductAttention(q, k, v, mask ? { attnMask: mask.to(q.dtype) } : {});
  const weights = q.matmul(k.transpose(-2, -1)).mul((q.shape.at(-1) as number) ** -0.5);
  return weights.softmax(-1).to(v.dtype).matmul(v);
}

/** x W and a gate: a * gelu(b) of the two halves (Shazeer 2020, "GLU variants improve transformer"). */
class GatedProjection extends nn.Module {
  readonly proj: nn.Linear;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.proj = new nn.Linear(inFeatures, 2 * outFeatures);
  }

  forward(x: Tensor): Tensor {
    const [value, gate] = this.proj.forward(x).chunk(2, { dim: -1 }) as [Tensor, Tensor];
    return value.mul(gate.gelu());
  }
}

/** gelu(x W), under the names of a gated one. */
class PlainProjection extends nn.Module {
  readonly proj: nn.Linear;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.proj = new nn.Linear(inFeatures, outFeatures);
  }

  forward(x: Tensor): Tensor {
    return this.proj.forward(x).gelu();
  }
}

/** diffusers' FeedForward: four times the channels, and back. */
export class FeedForward extends nn.Module {
  /** The middle one stands where the published weights have a dropout. */
  readonly net: readonly [GatedProjection | PlainProjection, nn.Identity, nn.Linear];

  constructor(channels: number, { isGated = true } = {}) {
    super();
    const inner = 4 * channels;
    const Projection = isGated ? GatedProjection : PlainProjection;
    this.net = [new Projection(channels, inner), new nn.Identity(), new nn.Linear(inner, channels)];
  }

  forward(x: Tensor): Tensor {
    return this.net[2].forward(this.net[0].forward(x));
  }
}

/** Attention to itself, attention to the context, feed-forward; each behind a norm and added. */
class TransformerBlock extends nn.Module<[Tensor, Tensor]> {
  readonly norm1: nn.LayerNorm;
  readonly attn1: Attention;
  readonly norm2: nn.LayerNorm;
  readonly attn2: Attention;
  readonly norm3: nn.LayerNorm;
  readonly ff: FeedForward;

  constructor({ channels, heads, contextSize }: TransformerOptions) {
    super();
    this.norm1 = new nn.LayerNorm(channels);
    this.attn1 = new Attention(channels, channels, heads);
    this.norm2 = new nn.LayerNorm(channels);
    this.attn2 = new Attention(channels, contextSize, heads);
    this.norm3 = new nn.LayerNorm(channels);
    this.ff = new FeedForward(channels);
  }

  forward(x: Tensor, context: Tensor): Tensor {
    return scope(() => {
      let h = x.add(this.attn1.forward(this.norm1.forward(x)));
      h = h.add(this.attn2.forward(this.norm2.forward(h), context));
      return h.add(this.ff.forward(this.norm3.forward(h)));
    });
  }
}

/** A transformer over the positions of an image, added to its input (diffusers' Transformer2DModel). */
export class ImageTransformer extends nn.Module<[Tensor, Tensor]> {
  readonly norm: nn.GroupNorm;
  readonly projIn: nn.Linear | nn.Conv2d;
  readonly transformerBlocks: readonly TransformerBlock[];
  readonly projOut: nn.Linear | nn.Conv2d;

  constructor(options: TransformerOptions) {
    super();
    const { channels, groups, layers, useLinearProjection } = options;
    const projection = () =>
      useLinearProjection ? new nn.Linear(channels, channels) : new nn.Conv2d(channels, channels, 1);
    this.norm = new nn.GroupNorm(groups, channels, { eps: 1e-6 });
    this.projIn = projection();
    this.transformerBlocks = Array.from({ length: layers }, () => new TransformerBlock(options));
    this.projOut = projection();
  }

  /** @param x [B, C, H, W] @param context [B, L, contextSize] */
  forward(x: Tensor, context: Tensor): Tensor {
    return scope(() => {
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      // Without a copy where the image is channels-last.
      const toSequence = (t: Tensor) => t.permute([0, 2, 3, 1]).reshape([batch, height * width, channels]);
      const toImage = (t: Tensor) => t.reshape([batch, height, width, channels]).permute([0, 3, 1, 2]);
      const { projIn, projOut } = this;
      const normed = this.norm.forward(x);
      let h =
        projIn instanceof nn.Linear ? projIn.forward(toSequence(normed)) : toSequence(projIn.forward(normed));
      for (const block of this.transformerBlocks) h = block.forward(h, context); // [B, H W, C]
      h = projOut instanceof nn.Linear ? toImage(projOut.forward(h)) : projOut.forward(toImage(h));
      return h.add(x);
    });
  }
}
