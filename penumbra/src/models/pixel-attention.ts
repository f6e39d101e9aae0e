import { nn, scaledDotProductAttention, scope, type Tensor } from "@penumbra/torch";

export interface PixelAttentionOptions {
  readonly channels: number;
  readonly groups: number;
  readonly eps: number;
  /** Default 1. */
  readonly heads?: number;
}

/** Self-attention over all positions of an image, added to its input (diffusers' Attention in a VAE or UNet2DModel). */
export class PixelAttention extends nn.Module {
  readonly groupNorm: nn.GroupNorm;
  readonly toQ: nn.Linear;
  readonly toK: nn.Linear;
  readonly toV: nn.Linear;
  readonly toOut: readonly [nn.Linear];
  readonly #heads: number;

  constructor({ channels, groups, eps, heads = 1 }: PixelAttentionOptions) {
    super();
    this.#heads = heads;
    this.groupNorm = new nn.GroupNorm(groups, channels, { eps });
    this.toQ = new nn.Linear(channels, channels);
    this.toK = new nn.Linear(channels, channels);
    this.toV = new nn.Linear(channels, channels);
    this.toOut = [new nn.Linear(channels, channels)];
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      // [B, C, H, W] -> [B, H W, C] -> [B, heads, H W, C / heads]
      const positions = this.groupNorm
        .forward(x)
        .permute([0, 2, 3, 1])
        .reshape([batch, height * width, channels]);
      const [q, k, v] = [this.toQ, this.toK, this.toV].map((to) =>
        to.forward(positions).unflatten(-1, [this.#heads, -1]).transpose(1, 2),
      ) as [Tensor, Tensor, Tensor];
      const attended = scaledDotProductAttention(q, k, v).transpose(1, 2).flatten({ startDim: 2 });
      return this.toOut[0]
        .forward(attended)
        .reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2])
        .add(x);
    });
  }
}
