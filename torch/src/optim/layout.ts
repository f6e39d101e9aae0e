import type { Tensor } from "../tensor.ts";

/** Whether two tensors of one shape have their elements in the same places in memory. */
export function isSameLayout(a: Tensor, b: Tensor): boolean {
  if (a.isContiguous() && b.isContiguous()) return true;
  return a.shape.every((size, dim) => size <= 1 || a.stride(dim) === b.stride(dim));
}

/** A copy with the layout, dtype and device of `like`. */
export function copyLike(tensor: Tensor, like: Tensor): Tensor {
  return like.detach().emptyLike().copy_(tensor);
}
