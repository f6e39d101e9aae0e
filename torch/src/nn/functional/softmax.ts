import { type Generator, type Tensor, zerosLike } from "../../tensor/index.ts";
import { Softmin, Softsign, Tanhshrink } from "../activations.ts";

/** exp(-x) / Σ exp(-x) along a dimension. */
export const softmin = (x: Tensor, dim: number): Tensor => new Softmin(dim).forward(x);
/** x / (1 + |x|). */
export const softsign = (x: Tensor): Tensor => new Softsign().forward(x);
/** x - tanh(x). */
export const tanhshrink = (x: Tensor): Tensor => new Tanhshrink().forward(x);

export interface GumbelSoftmaxOptions {
  /** Temperature: the smaller, the closer to one-hot. Default 1. */
  tau?: number;
  /** One-hot outputs with the gradient of the soft ones (straight-through). Default false. */
  hard?: boolean;
  /** Default -1. */
  dim?: number;
  /** Draws the noise; default libtorch's one. */
  generator?: Generator | null;
}

/**
 * A differentiable draw of a class: softmax((logits + g) / tau) with g of Gumbel's distribution, -log(e) with e
 * exponential (Jang et al. 2017; Maddison et al. 2017).
 */
export function gumbelSoftmax(
  logits: Tensor,
  { tau = 1, hard = false, dim = -1, generator = null }: GumbelSoftmaxOptions = {},
): Tensor {
  const noise = logits.detach().emptyLike().exponential_({ generator }).log().neg();
  const soft = logits.add(noise).div(tau).softmax(dim);
  if (!hard) return soft;
  const oneHot = zerosLike(soft).scatter(dim, soft.argmax({ dim, keepdim: true }), 1);
  return oneHot.sub(soft.detach()).add(soft);
}
