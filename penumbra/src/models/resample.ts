import { nn, scope, type Tensor } from "@penumbra/torch";

/** Halves height and width by a 3x3 convolution of stride 2 (diffusers' Downsample2D). */
export class Downsample extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly #padding: number;

  /** @param padding 0: one row and column of zeros are added below and on the right only, as the autoencoder does */
  constructor(channels: number, padding: number) {
    super();
    this.#padding = padding;
    this.conv = new nn.Conv2d(channels, channels, 3, { stride: 2, padding });
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.conv.forward(this.#padding === 0 ? x.constantPadNd([0, 1, 0, 1]) : x));
  }
}

/** Doubles height and width by repetition, then a 3x3 convolution (diffusers' Upsample2D). */
export class Upsample extends nn.Module<[Tensor, (readonly number[])?]> {
  readonly conv: nn.Conv2d;

  constructor(channels: number) {
    super();
    this.conv = new nn.Conv2d(channels, channels, 3, { padding: 1 });
  }

  /** @param size [H, W] to reach where that is not twice the input's (an odd size was halved on the way down) */
  forward(x: Tensor, size?: readonly number[]): Tensor {
    const [height, width] = x.shape.slice(2) as [number, number];
    return scope(() => this.conv.forward(x.upsampleNearest2d(size ?? [2 * height, 2 * width])));
  }
}
