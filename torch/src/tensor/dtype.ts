import { TorchError } from "./errors.ts";

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
  | Uint8ClampedArray
  | Float16Elements;

/** Float16Array, where the JavaScript of the project has it. */
type Float16Elements = typeof globalThis extends { Float16Array: { prototype: infer Elements } }
  ? Elements
  : never;

/** A class of typed arrays. */
export interface TypedArrayConstructor {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
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

const DTYPES: Readonly<Record<string, DType>> = {
  Float16Array: "float16",
  Float32Array: "float32",
  Float64Array: "float64",
  BigInt64Array: "int64",
  BigUint64Array: "uint64",
  Int32Array: "int32",
  Uint32Array: "uint32",
  Int16Array: "int16",
  Uint16Array: "uint16",
  Int8Array: "int8",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8",
};

/** The dtype of the elements of a class's arrays. */
export const arrayDtype = ({ name }: { readonly name: string }): DType | undefined => DTYPES[name];

/**
 * The dtype of a typed array's elements.
 * @throws TorchError for what is no typed array, such as a DataView
 */
export function dtypeOf(array: TypedArray): DType {
  // By its tag: an array of another realm (a vm context, say) is of another class.
  const tag = ArrayBuffer.isView(array) ? array[Symbol.toStringTag] : "";
  const dtype = DTYPES[tag];
  if (dtype) return dtype;
  throw new TorchError(
    `${tag || `A value of type ${typeof array}`} is no typed array. ` +
      "Pass one whose elements say what the bytes are, such as new Float32Array(buffer).",
  );
}
