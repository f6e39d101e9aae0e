import { noGrad } from "../autograd.ts";
import type { Generator, Tensor } from "../tensor/index.ts";
import { linalgQr, scope, TorchError } from "../tensor/index.ts";

// Each function fills a tensor in place and returns it. Drawn numbers come from the default generator
// (`torch.manualSeed`) unless a generator is given; the same seed gives PyTorch's numbers.

export interface InitOptions {
  /** What numbers are drawn from; default libtorch's generator for the whole process. */
  generator?: Generator | null;
}

export type Nonlinearity = "linear" | "relu" | "leakyRelu" | "tanh" | "selu";

export interface KaimingOptions extends InitOptions {
  /** Negative slope of the leaky ReLU that follows. Default 0. */
  a?: number;
  /** Whether the variance of activations (fanIn, default) or of gradients (fanOut) is kept. */
  mode?: "fanIn" | "fanOut";
  /** Default "leakyRelu". */
  nonlinearity?: Nonlinearity;
}

let isSkipping = false;

/**
 * Runs a synchronous `build` with the drawing initialisers switched off: the parameters of the modules made inside
 * hold whatever lay in memory. For weights that are loaded right afterwards, which is faster than drawing them.
 *
 * @example const unet = nn.init.skip(() => new UNet2DConditionModel(config));
 */
export function skip<T>(build: () => T): T {
  const before = isSkipping;
  isSkipping = true;
  try {
    return build();
  } finally {
    isSkipping = before;
  }
}

/** Numbers of inputs and outputs that one unit of a weight [out, in, ...kernel] is connected with. */
export function fans(weight: Tensor): { fanIn: number; fanOut: number } {
  const [out, inputs, ...kernel] = weight.shape;
  if (out === undefined || inputs === undefined) {
    const problem = `an initialiser needs a weight of at least 2 dimensions to count connections; got [${weight.shape}].`;
    throw new TorchError(`nn.init: ${problem} Use uniform_, normal_ or constant_ for vectors.`);
  }
  const field = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * field, fanOut: out * field };
}

/** The factor by which a nonlinearity is compensated, as PyTorch's `calculate_gain`. */
export function gainOf(nonlinearity: Nonlinearity, a = 0.01): number {
  if (nonlinearity === "relu") return Math.SQRT2;
  if (nonlinearity === "leakyRelu") return Math.sqrt(2 / (1 + a ** 2));
  if (nonlinearity === "tanh") return 5 / 3;
  return nonlinearity === "selu" ? 3 / 4 : 1;
}

/** Uniform in [from, to). */
export function uniform_(tensor: Tensor, from = 0, to = 1, { generator }: InitOptions = {}): Tensor {
  return isSkipping ? tensor : noGrad(() => tensor.uniform_({ from, to, generator }));
}

/** Normal with the given mean and standard deviation. */
export function normal_(tensor: Tensor, mean = 0, std = 1, { generator }: InitOptions = {}): Tensor {
  return isSkipping ? tensor : noGrad(() => tensor.normal_({ mean, std, generator }));
}

/** Normal, cut off at `from` and `to` (absolute values, not standard deviations), by the inverse of the distribution. */
export function truncNormal_(
  tensor: Tensor,
  {
    mean = 0,
    std = 1,
    from = -2,
    to = 2,
    generator,
  }: InitOptions & { mean?: number; std?: number; from?: number; to?: number } = {},
): Tensor {
  if (isSkipping) return tensor;
  // Probabilities of the two ends, mapped from the normal's (0, 1) to erfinv's (-1, 1).
  const lower = erf((from - mean) / std / Math.SQRT2);
  const upper = erf((to - mean) / std / Math.SQRT2);
  return noGrad(() => {
    tensor.uniform_({ from: lower, to: upper, generator });
    return tensor
      .erfinv_()
      .mul_(std * Math.SQRT2)
      .add_(mean)
      .clamp_({ min: from, max: to });
  });
}

/** The same value everywhere. */
export function constant_(tensor: Tensor, value: number): Tensor {
  return noGrad(() => tensor.fill_(value));
}

export const zeros_ = (tensor: Tensor): Tensor => constant_(tensor, 0);

export const ones_ = (tensor: Tensor): Tensor => constant_(tensor, 1);

/** Uniform with standard deviation gain / sqrt(fan) (He et al. 2015): keeps the variance through rectifiers. */
export function kaimingUniform_(weight: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd(weight, options);
  return uniform_(weight, -bound, bound, options);
}

/** Normal with standard deviation gain / sqrt(fan) (He et al. 2015). */
export function kaimingNormal_(weight: Tensor, options: KaimingOptions = {}): Tensor {
  return normal_(weight, 0, kaimingStd(weight, options), options);
}

function kaimingStd(
  weight: Tensor,
  { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" }: KaimingOptions,
): number {
  return gainOf(nonlinearity, a) / Math.sqrt(fans(weight)[mode]);
}

/** Uniform with standard deviation gain * sqrt(2 / (fanIn + fanOut)) (Glorot and Bengio 2010). */
export function xavierUniform_(
  weight: Tensor,
  { gain = 1, generator }: InitOptions & { gain?: number } = {},
): Tensor {
  const bound = Math.sqrt(3) * xavierStd(weight, gain);
  return uniform_(weight, -bound, bound, { generator });
}

/** Normal with standard deviation gain * sqrt(2 / (fanIn + fanOut)) (Glorot and Bengio 2010). */
export function xavierNormal_(
  weight: Tensor,
  { gain = 1, generator }: InitOptions & { gain?: number } = {},
): Tensor {
  return normal_(weight, 0, xavierStd(weight, gain), { generator });
}

function xavierStd(weight: Tensor, gain: number): number {
  const { fanIn, fanOut } = fans(weight);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** A (semi-)orthogonal matrix (Saxe et al. 2014); dimensions after the first are taken as one. */
export function orthogonal_(
  weight: Tensor,
  { gain = 1, generator }: InitOptions & { gain?: number } = {},
): Tensor {
  fans(weight); // refuses vectors
  if (isSkipping) return weight;
  return noGrad(() =>
    scope(() => {
      const rows = weight.shape[0] as number;
      const flat = weight.detach().reshape([rows, -1]).normal_({ generator }); // [R, C]
      const isWide = rows < (flat.shape[1] as number);
      const [q, r] = linalgQr(isWide ? flat.t() : flat);
      const signed = q.mul(r.diag().sign()); // makes the distribution uniform over all such matrices
      return weight.copy_((isWide ? signed.t() : signed).reshape([...weight.shape]).mul(gain));
    }),
  );
}

/** The error function, to about 1e-15: series near 0, continued fraction beyond. */
function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= -(x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return 1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
