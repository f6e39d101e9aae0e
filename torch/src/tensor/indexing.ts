import { call, isTensor } from "./call.ts";
import { TorchError } from "./errors.ts";
import type { Tensor } from "./tensor.ts";

/** A part of one dimension, as `start:stop:step` in Python; negative positions count from the end. */
export interface Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number;
}

/** `slice(1, 3)` is 1:3, `slice()` is everything, `slice(null, -1)` all but the last. `step` is at least 1. */
export function slice(start: number | null = null, stop: number | null = null, step = 1): Slice {
  if (!Number.isInteger(step) || step < 1)
    throw new TorchError(`slice(): step is ${step}; it must be a whole number from 1 on.`);
  return { start, stop, step };
}

/** A position, a slice, a new axis (null), "..." for all dimensions not named, a mask, or positions in an integer tensor. */
export type Index = number | null | "..." | Slice | Tensor;

/** Dimensions of the tensor that an index uses up: a mask as many as it has, a new axis none. */
function consumed(index: Index): number {
  if (index === null || index === "...") return 0;
  return isMask(index) ? index.ndim : 1;
}

const isMask = (index: Index): index is Tensor =>
  isTensor(index) && (index.dtype === "bool" || index.dtype === "uint8");

const isSlice = (index: unknown): index is Slice =>
  typeof index === "object" && index !== null && "start" in index && "stop" in index && "step" in index;

/** An index of a kind that there is not would otherwise read as "everything". */
function checkKind(index: unknown): void {
  if (index === null || index === "..." || typeof index === "number" || isTensor(index) || isSlice(index))
    return;
  const remedy = Array.isArray(index)
    ? 'Make it a tensor: tensor([0, 2], { dtype: "int64" }).'
    : 'Use a number, slice(…), null, "...", or a tensor of positions or booleans.';
  throw new TorchError(`${Array.isArray(index) ? "An array" : String(index)} is no index. ${remedy}`);
}

/** Applies the numbers, slices, new axes; returns the view and, for `aten::index`, the tensors by dimension. */
function view(tensor: Tensor, indices: readonly Index[]): { view: Tensor; tensors: (Tensor | null)[] } {
  indices.forEach(checkKind);
  const ellipses = indices.filter((index) => index === "...").length;
  const used = indices.reduce<number>((sum, index) => sum + consumed(index), 0);
  if (ellipses > 1) throw new TorchError('An index holds "..." at most once.');
  if (used > tensor.ndim) {
    throw new TorchError(
      `Too many indices: ${used} for a tensor with ${tensor.ndim} dimensions (shape [${tensor.shape}]).`,
    );
  }
  let result = tensor;
  let dim = 0;
  let covered = 0; // dimensions that `tensors` speaks of: a mask takes several with one entry
  const tensors: (Tensor | null)[] = [];
  for (const index of indices) {
    if (index === "...") {
      dim += tensor.ndim - used;
    } else if (index === null) {
      result = call("aten::unsqueeze", result, dim++) as Tensor;
    } else if (typeof index === "number") {
      result = call("aten::select.int", result, dim, index) as Tensor;
    } else if (isTensor(index) && index.ndim === 0 && /^int/.test(index.dtype)) {
      result = call("aten::select.int", result, dim, index.item()) as Tensor;
    } else if (isMask(index) && index.ndim === 0) {
      // One truth for everything: a new axis, of size 1 where it is true and 0 where it is not.
      result = call("aten::unsqueeze", result, dim) as Tensor;
      for (; covered < dim; covered++) tensors.push(null);
      covered += 1;
      tensors.push(index.reshape([1]));
      dim += 1;
    } else if (isTensor(index)) {
      for (; covered < dim; covered++) tensors.push(null);
      covered += consumed(index);
      tensors.push(index.device === result.device || index.ndim === 0 ? index : index.to(result.device));
      dim += consumed(index);
    } else {
      const { start, stop, step } = index;
      if (start !== null || stop !== null || step !== 1) {
        result = call("aten::slice.Tensor", result, { dim, start, end: stop, step }) as Tensor;
      }
      dim += 1;
    }
  }
  return { view: result, tensors };
}

/** @see Tensor.at */
export function readIndex(tensor: Tensor, indices: readonly Index[]): Tensor {
  const { view: part, tensors } = view(tensor, indices);
  if (tensors.length > 0) return call("aten::index.Tensor", part, tensors) as Tensor;
  return part === tensor ? (call("aten::alias", tensor) as Tensor) : part;
}

/** As PyTorch does, `x.at(0)` of shape [4] takes a value of shape [1, 4] too. */
function withoutLeadingOnes(value: Tensor): Tensor {
  const shape = [...value.shape];
  while (shape[0] === 1) shape.shift();
  return shape.length === value.ndim ? value : value.reshape(shape);
}

/** @see Tensor.setAt */
export function assignIndex(
  tensor: Tensor,
  indices: readonly Index[],
  value: Tensor | number | boolean,
): void {
  const { view: part, tensors } = view(tensor, indices);
  const given = isTensor(value) ? withoutLeadingOnes(value) : value;
  if (tensors.length > 0) {
    const values = isTensor(given)
      ? given.to({ dtype: part.dtype, device: part.device })
      : call("aten::full", [], given, { dtype: part.dtype, device: part.device });
    call("aten::index_put_", part, tensors, values);
  } else if (isTensor(given)) {
    call("aten::copy_", part, given);
  } else {
    call("aten::fill_.Scalar", part, given);
  }
}
