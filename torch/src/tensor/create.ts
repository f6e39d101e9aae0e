import { call } from "./call.ts";
import { type Device, type DType, dtypeOf, type Scalar, type TypedArray } from "./dtype.ts";
import { TorchError } from "./errors.ts";
import { native } from "./native.ts";
import type { Nested, Tensor } from "./tensor.ts";

export interface TensorOptions {
  dtype?: DType;
  /** Default "cpu". */
  device?: Device;
  /** Default false. */
  requiresGrad?: boolean;
}

/**
 * A tensor with a copy of a typed array.
 * @param array its length is the product of `shape`; float16 and bfloat16 are given as bits in a Uint16Array
 * @param options.dtype reinterprets the bytes (Uint16Array as "bfloat16", Uint8Array as "bool"); default: the array's own
 * @throws TorchError when the array's bytes do not fill the shape
 */
export function fromTyped(array: TypedArray, shape: readonly number[], options: TensorOptions = {}): Tensor {
  const own = dtypeOf(array);
  checkShape(shape);
  const dtype = options.dtype ?? own;
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const made = native.fromBytes(bytes, shape, dtype) as Tensor;
  return finish(made, { device: options.device, requiresGrad: options.requiresGrad });
}

/**
 * A tensor from nested arrays, a number, or a typed array (one dimension). Numbers become float32,
 * booleans bool, bigints int64, unless `dtype` says otherwise.
 * @throws TorchError when nested arrays are ragged or mix kinds
 */
export function tensor(
  data: Nested<number | bigint | boolean> | TypedArray,
  options: TensorOptions = {},
): Tensor {
  if (ArrayBuffer.isView(data)) {
    const array = data as TypedArray;
    dtypeOf(array); // of a DataView there would be no length
    return finish(fromTyped(array, [array.length]), options);
  }
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) {
    if (shape.push(level.length) > MAX_DIMENSIONS)
      throw new TorchError(
        `tensor(): the arrays are nested more than ${MAX_DIMENSIONS} deep, or in a circle.`,
      );
  }
  const flat: (number | bigint | boolean)[] = [];
  const flatten = (level: unknown, depth: number): void => {
    const isArray = Array.isArray(level);
    if (isArray !== depth < shape.length || (isArray && level.length !== shape[depth])) {
      throw new TorchError(
        `tensor(): the nested arrays are ragged; expected the shape [${shape}] throughout.`,
      );
    }
    if (isArray) for (const item of level) flatten(item, depth + 1);
    else flat.push(level as number);
  };
  flatten(data, 0);
  const kinds = new Set(flat.map((value) => typeof value));
  if (kinds.size > 1)
    throw new TorchError(`tensor(): the data mixes ${[...kinds].join(" and ")}. Use one kind.`);
  const kind = flat.length === 0 ? "number" : typeof flat[0];
  if (kind === "bigint") return finish(fromBigInts(flat as bigint[], shape, options), options);
  if (kind === "boolean") {
    return finish(fromTyped(Uint8Array.from(flat as boolean[], Number), shape, { dtype: "bool" }), options);
  }
  if (kind !== "number")
    throw new TorchError(`tensor(): ${kind} is no element. Pass numbers, booleans or bigints.`);
  if (options.dtype !== undefined) checkRange(flat as number[], options.dtype);
  const wide = options.dtype !== undefined && options.dtype !== "float32";
  const array = wide ? Float64Array.from(flat as number[]) : Float32Array.from(flat as number[]);
  return finish(fromTyped(array, shape), { dtype: "float32", ...options });
}

/** libtorch's loops over elements go no deeper. */
const MAX_DIMENSIONS = 64;

/** A number out of a whole dtype's range would come out as another one. Fractions are cut off, as in PyTorch. */
function checkRange(values: readonly number[], dtype: DType): void {
  const [, unsigned, digits] = /^(u?)int(\d+)$/.exec(dtype) ?? [];
  if (digits === undefined) return;
  const most = 2 ** (unsigned ? Number(digits) : Number(digits) - 1);
  const least = unsigned ? 0 : -most;
  const outside = values.find((value) => !(Math.trunc(value) >= least && Math.trunc(value) < most));
  if (outside !== undefined) {
    throw new TorchError(
      `tensor(): ${outside} does not fit into ${dtype}. Choose a wider dtype, or clamp the numbers.`,
    );
  }
}

/** int64, or uint64 where that is asked for: the typed arrays would take a larger number modulo 2^64. */
function fromBigInts(values: bigint[], shape: readonly number[], { dtype }: TensorOptions): Tensor {
  const [least, most] = dtype === "uint64" ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
  const outside = values.find((value) => value < least || value > most);
  if (outside !== undefined) {
    throw new TorchError(
      `tensor(): ${outside} is not in ${least} … ${most}. Pass smaller numbers, or dtype "uint64" for those below 2^64.`,
    );
  }
  const array = dtype === "uint64" ? BigUint64Array.from(values) : BigInt64Array.from(values);
  return fromTyped(array, shape);
}

function finish(made: Tensor, { dtype, device, requiresGrad = false }: TensorOptions): Tensor {
  let result = made;
  if ((dtype !== undefined && dtype !== made.dtype) || (device !== undefined && device !== made.device)) {
    result = made.to({ dtype, device });
    made.dispose();
  }
  if (requiresGrad) result.requiresGrad = true;
  return result;
}

function checkShape(shape: readonly number[]): void {
  const isList = Array.isArray(shape) && shape.length <= MAX_DIMENSIONS;
  if (isList && Array.from(shape).every((size) => Number.isSafeInteger(size) && size >= 0)) return;
  throw new TorchError(
    `fromTyped(): the shape is ${isList ? `[${shape}]` : "no such list"}. ` +
      `A shape is an array of whole numbers from 0 on, at most ${MAX_DIMENSIONS} of them.`,
  );
}

const FULL_DTYPES: Readonly<Record<string, DType>> = {
  number: "float32",
  bigint: "int64",
  boolean: "bool",
  object: "complex64",
};

/** A tensor filled with `value`, of the dtype that `tensor` gives such a value unless `dtype` says otherwise. */
export function full(shape: readonly number[], value: Scalar, options: TensorOptions = {}): Tensor {
  const { dtype = FULL_DTYPES[typeof value], device, requiresGrad = false } = options;
  // libtorch takes numbers of 64 bits as signed ones.
  const isLarge = dtype === "uint64" && typeof value === "bigint" && value >= 2n ** 63n && value < 2n ** 64n;
  const made = isLarge
    ? (call("aten::full", shape, BigInt.asIntN(64, value), { dtype: "int64", device }) as Tensor).view(dtype)
    : (call("aten::full", shape, value, { dtype, device }) as Tensor);
  return requiresGrad ? made.requiresGrad_() : made;
}
