import type { Tensor } from "../tensor/index.ts";

/** How a tensor's elements lie in memory: a word for the usual orders, else the strides. */
export function layoutOf(tensor: Tensor): string {
  if (tensor.isContiguous()) return "contiguous";
  if (tensor.ndim === 4 && tensor.isContiguous("channelsLast")) return "channelsLast";
  // The stride of a dimension of size 1 means nothing.
  return tensor.shape.map((size, dim) => (size === 1 ? "-" : tensor.stride(dim))).join(" ");
}

/** Whether a tensor has the layout that `layoutOf` gave for another of its shape. */
export function hasLayout(tensor: Tensor, layout: string): boolean {
  if (layout === "contiguous") return tensor.isContiguous();
  if (layout === "channelsLast") return tensor.isContiguous("channelsLast");
  return layoutOf(tensor) === layout;
}

/** A copy with the layout, dtype and device of `like`. */
export function copyLike(tensor: Tensor, like: Tensor): Tensor {
  return like.detach().emptyLike().copy_(tensor);
}
