import { allocate } from "./allocate.ts";
import {
  arrayDtype,
  type DType,
  dtypeOf,
  type TypedArray,
  type TypedArrayConstructor,
  typedArrayOf,
} from "./dtype.ts";
import { TorchError } from "./errors.ts";
import { native } from "./native.ts";

/** Where the elements go. */
export interface Into<Target extends TypedArray> {
  /** An array of the kind that would come, at least as long; the part that was filled comes back. */
  readonly into: Target;
}

/** What the elements are read from. */
interface Source {
  readonly dtype: DType;
}

/** An array that is to be filled, and its bytes. */
interface Reading {
  readonly array: TypedArray;
  readonly bytes: Uint8Array;
}

/**
 * The class of the array that holds a tensor's elements.
 * @throws TorchError where none holds the tensor's dtype
 */
export function arrayFor(method: string, { dtype }: Source): TypedArrayConstructor {
  const Constructor = typedArrayOf[dtype];
  if (Constructor) return Constructor;
  throw new TorchError(
    `${method}(): no typed array holds ${dtype}. Convert first: .dequantize() or .to("float32").`,
  );
}

/**
 * The array that a tensor's elements go into: a fresh one, or what of the given one they fill.
 * @throws TorchError where the given one is of another kind, or too short
 */
export function readingOf(method: string, tensor: Source, into?: TypedArray): Reading {
  const Constructor = arrayFor(method, tensor);
  const length = native.byteLength(tensor);
  if (into === undefined) {
    const bytes = allocate(length);
    return { array: new Constructor(bytes.buffer), bytes };
  }
  const kind = dtypeOf(into);
  if (kind !== tensor.dtype && kind !== arrayDtype(Constructor)) {
    throw new TorchError(
      `${method}(): \`into\` is a ${into[Symbol.toStringTag]}, and ${tensor.dtype} comes as a ${Constructor.name}. Pass one, or convert the tensor first: .to(dtype).`,
    );
  }
  const count = length / Constructor.BYTES_PER_ELEMENT;
  if (into.length < count) {
    throw new TorchError(
      `${method}(): \`into\` holds ${into.length} elements, and the tensor has ${count}. Pass a longer one.`,
    );
  }
  const array = into.length === count ? into : into.subarray(0, count);
  return { array, bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

/**
 * The same for an array that another thread fills.
 * @throws TorchError where the array's memory could be moved or freed meanwhile: a SharedArrayBuffer's cannot
 */
export function sharedReadingOf(method: string, tensor: Source, into?: TypedArray): Reading {
  if (into !== undefined && ArrayBuffer.isView(into) && !(into.buffer instanceof SharedArrayBuffer)) {
    const { name, BYTES_PER_ELEMENT } = arrayFor(method, tensor);
    throw new TorchError(
      `${method}(): another thread writes to \`into\`, whose buffer could be moved away meanwhile. ` +
        `Pass an array that cannot: new ${name}(new SharedArrayBuffer(${BYTES_PER_ELEMENT} * length)).`,
    );
  }
  return readingOf(method, tensor, into);
}

/** Dtypes whose array's elements are exactly the tensor's numbers. */
const IS_NUMBERS: Readonly<Partial<Record<DType, true>>> = {
  float32: true,
  float64: true,
  int64: true,
  uint64: true,
  int32: true,
  uint32: true,
  int16: true,
  uint16: true,
  int8: true,
  uint8: true,
  bool: true,
};

/** Whether `numbersOf` takes the array of such a tensor as it is. */
export const comesAsNumbers = (dtype: DType): boolean => IS_NUMBERS[dtype] === true;

/** The elements of an array as numbers. */
export function numbersOf(array: TypedArray): number[] {
  const { length } = array;
  const numbers: number[] = [];
  for (let index = 0; index < length; index += 1) numbers.push(Number(array[index]));
  return numbers;
}
