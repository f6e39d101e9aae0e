import { cat, nn, scaledDotProductAttention, scope, type Tensor } from "@penumbra/torch";

export interface AddedAttentionOptions {
  readonly channels: number;
  readonly heads: number;
  /** Size of a context vector. */
  readonly contextSize: number;
  readonly groups: number;
}

/**
 * Attention of an image's positions to the context and to each other at once, added to its input: diffusers'
 * Attention with AttnAddedKVProcessor, as in unCLIP's decoder (and GLIDE, Nichol et al. 2022).
 */
export class AddedAttention extends nn.Module<[Tensor, Tensor, (Tensor | null)?]> {
  readonly groupNorm: nn.GroupNorm;
  readonly toQ: nn.Linear;
  readonly toK: nn.Linear;
  readonly toV: nn.Linear;
  readonly add_k_proj: nn.Linear;
  readonly add_v_proj: nn.Linear;
  readonly toOut: readonly [nn.Linear];
  readonly #heads: number;

  constructor({ channels, heads, contextSize, groups }: AddedAttentionOptions) {
    super();
    this.#heads = heads;
    this.groupNorm = new nn.GroupNorm(groups, channels, { eps: 1e-5 });
    this.toQ = new nn.Linear(channels, channels);
    this.toK = new nn.Linear(channels, channels);
    this.toV = new nn.Linear(channels, channels);
    this.add_k_proj = new nn.Linear(contextSize, channels);
    this.add_v_proj = new nn.Linear(contextSize, channels);
    this.toOut = [new nn.Linear(channels, channels)];
  }

  /** @param x [B, C, H, W] @param context [B, L, contextSize] @param bias added to the scores of the context, [B, L] */
  forward(x: Tensor, context: Tensor, bias: Tensor | null = null): Tensor {
    return scope(() => {
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      const positions = this.groupNorm
        .forward(x)
        .permute([0, 2, 3, 1])
        .reshape([batch, height * width, channels]);
      const split = (t: Tensor) => t.unflatten(-1, [this.#heads, -1]).transpose(1, 2); // [B, N, C] -> [B, heads, N, d]
      const both = (added: Tensor, own: Tensor) => cat([split(added), split(own)], { dim: 2 });
      const attended = scaledDotProductAttention(
        split(this.toQ.forward(positions)),
        both(this.add_k_proj.forward(context), this.toK.forward(positions)),
        both(this.add_v_proj.forward(context), this.toV.forward(positions)),
        {
          attnMask: bias
            ?.constantPadNd([0, height * width])
            .view([batch, 1, 1, -1])
            .to(x.dtype),
        },
      );
      return this.toOut[0]
        .forward(attended.transpose(1, 2).flatten({ startDim: 2 }))
        .reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2])
        .add(x);
    });
  }
}
