import type { nn, Tensor } from "@penumbra/torch";

/**
 * An image through layers one after the other; each image in between is released as soon as the next one is there, so
 * that two of them are alive and not all (what a backward pass needs of them stays).
 */
export function through(x: Tensor, layers: readonly nn.Module[]): Tensor {
  let h = x;
  for (const layer of layers) {
    const next = layer.forward(h);
    if (h !== x && h !== next) h.dispose();
    h = next;
  }
  return h;
}
