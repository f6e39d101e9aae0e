import { nn, scope, type Tensor } from "@penumbra/torch";

export interface ResidualBlockOptions {
  inChannels: number;
  outChannels: number;
  groups: number;
  eps: number;
  /** Size of the time embedding; null where there is no time (autoencoder). */
  timeChannels?: number | null;
  dropout?: number;
  /** Whether time scales and shifts what comes out of the second norm instead of being added before it. Default false. */
  timeScalesAndShifts?: boolean;
  /** Halves the image by averages, or doubles it by repetition, before the first convolution. Default: neither. */
  resample?: "down" | "up" | null;
}

/**
 * diffusers' ResnetBlock2D: x + conv(silu(norm(conv(silu(norm(x))) + time))), after He et al. 2016 with the norms
 * in front. Where the number of channels changes, a 1x1 convolution carries x over.
 */
export class ResidualBlock extends nn.Module<[Tensor, (Tensor | null)?, (readonly number[])?]> {
  readonly norm1: nn.GroupNorm;
  readonly conv1: nn.Conv2d;
  readonly timeEmbProj: nn.Linear | null;
  readonly norm2: nn.GroupNorm;
  readonly dropout: nn.Dropout;
  readonly conv2: nn.Conv2d;
  readonly convShortcut: nn.Conv2d | null;
  readonly #timeScalesAndShifts: boolean;
  readonly #resample: "down" | "up" | null;

  constructor(options: ResidualBlockOptions) {
    super();
    const { inChannels, outChannels, groups, eps, timeChannels = null, dropout = 0 } = options;
    this.#timeScalesAndShifts = options.timeScalesAndShifts ?? false;
    this.#resample = options.resample ?? null;
    const timeOutputs = this.#timeScalesAndShifts ? 2 * outChannels : outChannels;
    this.norm1 = new nn.GroupNorm(groups, inChannels, { eps });
    this.conv1 = new nn.Conv2d(inChannels, outChannels, 3, { padding: 1 });
    this.timeEmbProj = timeChannels === null ? null : new nn.Linear(timeChannels, timeOutputs);
    this.norm2 = new nn.GroupNorm(groups, outChannels, { eps });
    this.dropout = new nn.Dropout(dropout);
    this.conv2 = new nn.Conv2d(outChannels, outChannels, 3, { padding: 1 });
    this.convShortcut = inChannels === outChannels ? null : new nn.Conv2d(inChannels, outChannels, 1);
  }

  /**
   * @param x [B, in, H, W]
   * @param time [B, T]: silu of the time embedding (the same for every block, so it is computed once outside)
   * @param size [H, W] to reach, for a block that doubles, where that is not twice the input's
   * @returns [B, out, H, W]; of another size where the block halves or doubles
   */
  forward(x: Tensor, time: Tensor | null = null, size?: readonly number[]): Tensor {
    return scope(() => {
      const timed =
        this.timeEmbProj && time ? this.timeEmbProj.forward(time).unsqueeze(-1).unsqueeze(-1) : null;
      // Scopes of their own: at the full size of an autoencoder each image in between weighs as much as the result.
      const first = scope(() => {
        const h = this.conv1.forward(scope(() => this.#resized(this.norm1.forward(x).silu(), size)));
        return timed && !this.#timeScalesAndShifts ? h.add(timed) : h;
      });
      const second = scope(() => {
        let h = this.norm2.forward(first);
        if (timed && this.#timeScalesAndShifts) {
          const [scale, shift] = timed.chunk(2, { dim: 1 }) as [Tensor, Tensor];
          h = h.mul(scale.add(1)).add(shift);
        }
        return this.dropout.forward(h.silu());
      });
      first.dispose();
      const h = this.conv2.forward(second);
      second.dispose();
      const carried = this.#resized(x, size);
      return h.add(this.convShortcut ? this.convShortcut.forward(carried) : carried);
    });
  }

  #resized(x: Tensor, size?: readonly number[]): Tensor {
    if (this.#resample === null) return x;
    if (this.#resample === "down") return x.avgPool2d([2, 2]);
    const [height, width] = x.shape.slice(2) as [number, number];
    return x.upsampleNearest2d(size ?? [2 * height, 2 * width]);
  }
}
