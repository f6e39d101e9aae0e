import { nn, scope, type Tensor } from "@penumbra/torch";

export interface ResidualBlockOptions {
  inChannels: number;
  outChannels: number;
  groups: number;
  eps: number;
  /** Size of the time embedding; null where there is no time (autoencoder). */
  timeChannels?: number | null;
  dropout?: number;
}

/**
 * diffusers' ResnetBlock2D: x + conv(silu(norm(conv(silu(norm(x))) + time))), after He et al. 2016 with the norms
 * in front. Where the number of channels changes, a 1x1 convolution carries x over.
 */
export class ResidualBlock extends nn.Module<[Tensor, (Tensor | null)?]> {
  readonly norm1: nn.GroupNorm;
  readonly conv1: nn.Conv2d;
  readonly timeEmbProj: nn.Linear | null;
  readonly norm2: nn.GroupNorm;
  readonly dropout: nn.Dropout;
  readonly conv2: nn.Conv2d;
  readonly convShortcut: nn.Conv2d | null;

  constructor(options: ResidualBlockOptions) {
    super();
    const { inChannels, outChannels, groups, eps, timeChannels = null, dropout = 0 } = options;
    this.norm1 = new nn.GroupNorm(groups, inChannels, { eps });
    this.conv1 = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.timeEmbProj = timeChannels === null ? null : new nn.Linear(timeChannels, outChannels);
    this.norm2 = new nn.GroupNorm(groups, outChannels, { eps });
    this.dropout = new nn.Dropout(dropout);
    this.conv2 = new nn.Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.convShortcut = inChannels === outChannels ? null : new nn.Conv2d(inChannels, outChannels, 1);
  }

  /**
   * @param x [B, in, H, W]
   * @param time [B, T]: silu of the time embedding (the same for every block, so it is computed once outside)
   * @returns [B, out, H, W]
   */
  forward(x: Tensor, time: Tensor | null = null): Tensor {
    return scope(() => {
      // Scopes of their own: at the full size of an autoencoder each image in between weighs as much as the result.
      const first = scope(() => {
        const h = this.conv1.forward(scope(() => this.norm1.forward(x).silu()));
        return this.timeEmbProj && time
          ? h.add(this.timeEmbProj.forward(time).unsqueeze(-1).unsqueeze(-1))
          : h;
      });
      const second = scope(() => this.dropout.forward(this.norm2.forward(first).silu()));
      first.dispose();
      const h = this.conv2.forward(second);
      second.dispose();
      return h.add(this.convShortcut ? this.convShortcut.forward(x) : x);
    });
  }
}
