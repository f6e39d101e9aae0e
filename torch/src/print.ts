import type { Tensor } from "./tensor.ts";

/** Prints a tensor. */
export function format(tensor: Tensor): string {
  return `tensor(${JSON.stringify(tensor.tolist())}, dtype=${tensor.dtype})`;
}
