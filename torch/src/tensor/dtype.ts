/** Element types, by PyTorch's names; the rarer ones of libtorch by its own in lower case. */
export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool"
  | "complex64"
  | "complex128"
  | "complex32"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float8_e4m3fn"
  | "float8_e5m2"
  | "float8_e4m3fnuz"
  | "float8_e5m2fnuz"
  | "float8_e8m0fnu"
  | "quint8"
  | "qint8"
  | "qint32";

/** "cpu", "cuda" (the current one) or "cuda:1". */
export type Device = string;

export type Layout = "strided" | "sparse_coo" | "sparse_csr" | "sparse_csc" | "sparse_bsr" | "sparse_bsc";

/** How the elements of an image batch lie in memory; "preserve" keeps what there is. */
export type MemoryFormat = "contiguous" | "channelsLast" | "channelsLast3d" | "preserve";

/** What becomes of the losses of a batch's elements: each stays, or their mean or sum is taken. */
export type Reduction = "none" | "mean" | "sum";

export interface Complex {
  readonly real: number;
  readonly imag: number;
}

/** What ATen calls a Scalar. A whole number is an integer to ATen, any other number a float. */
export type Scalar = number | bigint | boolean | Complex;

export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray;

interface TypedArrayConstructor {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
}

/** The typed array that holds a dtype's elements; float16, bfloat16 and float8 come as their bits. */
export const typedArrayOf: Readonly<Partial<Record<DType, TypedArrayConstructor>>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  complex64: Float32Array,
  complex128: Float64Array,
  complex32: Uint16Array,
  float8_e4m3fn: Uint8Array,
  float8_e5m2: Uint8Array,
  float8_e4m3fnuz: Uint8Array,
  float8_e5m2fnuz: Uint8Array,
  float8_e8m0fnu: Uint8Array,
};

/** The dtype of a typed array's elements. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof BigInt64Array) return "int64";
  if (array instanceof BigUint64Array) return "uint64";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Uint32Array) return "uint32";
  if (array instanceof Int16Array) return "int16";
  if (array instanceof Uint16Array) return "uint16";
  if (array instanceof Int8Array) return "int8";
  return "uint8";
}
