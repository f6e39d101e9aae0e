import type { Tensor } from "../tensor/index.ts";
import { keep } from "../tensor/index.ts";

/**
 * Makes a tensor a parameter: a leaf that requires a gradient, outlives scopes and is found by its module.
 *
 * @param tensor of a floating or complex dtype; a tensor with history is detached first
 * @param options.requiresGrad false for a frozen parameter; default true
 * @example this.scale = nn.parameter(torch.ones([channels]));
 */
export function parameter(tensor: Tensor, { requiresGrad = true }: { requiresGrad?: boolean } = {}): Tensor {
  const leaf = keep(tensor.isLeaf ? tensor : tensor.detach());
  leaf.isParameter = true;
  leaf.requiresGrad = requiresGrad;
  return leaf;
}

const transient = new WeakSet<Tensor>();

/**
 * Makes a tensor a buffer: part of its module's state, outliving scopes, not trained.
 *
 * @param options.persistent false leaves it out of the state dict, for what follows from the configuration; default true
 * @example this.runningMean = nn.buffer(torch.zeros([channels]));
 */
export function buffer(tensor: Tensor, { persistent = true }: { persistent?: boolean } = {}): Tensor {
  const kept = keep(tensor);
  kept.isBuffer = true;
  if (!persistent) transient.add(kept);
  return kept;
}

/** Whether a parameter or buffer belongs into the state dict. */
export function isPersistent(tensor: Tensor): boolean {
  return !transient.has(tensor);
}
