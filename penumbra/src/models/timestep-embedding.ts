import { arange, cat, nn, scope, type Tensor } from "@penumbra/torch";

const MAX_PERIOD = 10_000;

export interface SinusoidOptions {
  /** Cosines first. Default false. */
  readonly flipSinToCos?: boolean;
  /** Default 1, diffusers' function; Stable Diffusion uses 0. */
  readonly freqShift?: number;
}

/**
 * Sines and cosines of a timestep at frequencies from 1 down to 1 / 10,000 (Vaswani et al. 2017, section 3.5, in the
 * order of Ho et al. 2020): sin(t w_k), cos(t w_k), w_k = 10000^(-k / (size / 2 - freqShift)).
 *
 * @param timesteps [B], any dtype
 * @returns float32 [B, size]
 */
export function sinusoid(
  timesteps: Tensor,
  size: number,
  { flipSinToCos = false, freqShift = 1 }: SinusoidOptions = {},
): Tensor {
  return scope(() => {
    const half = Math.floor(size / 2);
    const exponents = arange(half, { dtype: "float32", device: timesteps.device });
    const frequencies = exponents.mul(-Math.log(MAX_PERIOD) / (half - freqShift)).exp();
    const angles = timesteps.to("float32").unsqueeze(1).mul(frequencies); // [B, size / 2]
    const parts = [angles.sin(), angles.cos()];
    const embedded = cat(flipSinToCos ? parts.reverse() : parts, { dim: 1 });
    return size % 2 === 1 ? embedded.constantPadNd([0, 1]) : embedded;
  });
}

/** Two linear layers over a sinusoid (diffusers' TimestepEmbedding). */
export class TimestepEmbedding extends nn.Module {
  readonly linear_1: nn.Linear;
  readonly linear_2: nn.Linear;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.linear_1 = new nn.Linear(inChannels, outChannels);
    this.linear_2 = new nn.Linear(outChannels, outChannels);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.linear_2.forward(this.linear_1.forward(x).silu()));
  }
}
