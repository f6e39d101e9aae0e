import { call } from "./call.ts";
import type { DType } from "./dtype.ts";
import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

/** The tensor in another dtype; itself where it has it already. */
const as = (tensor: Tensor, dtype: DType): Tensor => tensor.to(dtype);

/** What PyTorch's users write for `to("float32")`, `transpose(-2, -1)` and the like. */
const shortForms = {
  cpu(this: Tensor): Tensor {
    return this.to("cpu");
  },
  /** On a GPU: the current one, or that of a number. */
  cuda(this: Tensor, index?: number): Tensor {
    return this.to(index === undefined ? "cuda" : `cuda:${index}`);
  },
  float(this: Tensor): Tensor {
    return as(this, "float32");
  },
  double(this: Tensor): Tensor {
    return as(this, "float64");
  },
  half(this: Tensor): Tensor {
    return as(this, "float16");
  },
  bfloat16(this: Tensor): Tensor {
    return as(this, "bfloat16");
  },
  long(this: Tensor): Tensor {
    return as(this, "int64");
  },
  int(this: Tensor): Tensor {
    return as(this, "int32");
  },
  short(this: Tensor): Tensor {
    return as(this, "int16");
  },
  char(this: Tensor): Tensor {
    return as(this, "int8");
  },
  byte(this: Tensor): Tensor {
    return as(this, "uint8");
  },
  bool(this: Tensor): Tensor {
    return as(this, "bool");
  },
  cfloat(this: Tensor): Tensor {
    return as(this, "complex64");
  },
  cdouble(this: Tensor): Tensor {
    return as(this, "complex128");
  },
  /** Number of elements, as `numel`. */
  nelement(this: Tensor): number {
    return this.numel;
  },
  /** Number of dimensions, as `ndim`. */
  ndimension(this: Tensor): number {
    return this.ndim;
  },
  /** Bytes of one element, as `itemSize`. */
  elementSize(this: Tensor): number {
    return this.itemSize;
  },
  /** The different elements in ascending order; with `dim` the different slices along that dimension. */
  unique(this: Tensor, { dim = null }: { dim?: number | null } = {}): Tensor {
    const [values, ...others] = dim === null ? this._unique2() : this.uniqueDim(dim);
    for (const other of others) other.dispose();
    return values;
  },
};

/** The properties among the short forms. */
export interface ShortProperties {
  /** The dimensions in reverse order: [A, B] -> [B, A]. */
  readonly T: Tensor;
  /** Conjugate transpose of a matrix. */
  readonly H: Tensor;
  /** The last two dimensions exchanged: [..., A, B] -> [..., B, A]. */
  readonly mT: Tensor;
  /** The last two dimensions exchanged, and conjugated. */
  readonly mH: Tensor;
  /** Bytes of all elements. */
  readonly nbytes: number;
  readonly layout: string;
  readonly isCuda: boolean;
  readonly isCpu: boolean;
  readonly isMeta: boolean;
  readonly isSparse: boolean;
  readonly isQuantized: boolean;
}

export type ShortForms = typeof shortForms & ShortProperties;

const properties: { [Name in keyof ShortProperties]: (tensor: Tensor) => ShortProperties[Name] } = {
  T: (tensor) => tensor.numpyT(),
  H: (tensor) => tensor.matrixH(),
  mT: (tensor) => call("aten::mT", tensor) as Tensor,
  mH: (tensor) => call("aten::mH", tensor) as Tensor,
  nbytes: (tensor) => tensor.numel * tensor.itemSize,
  layout: (tensor) => native.layout(tensor),
  isCuda: (tensor) => tensor.device.startsWith("cuda"),
  isCpu: (tensor) => tensor.device === "cpu",
  isMeta: (tensor) => tensor.device.startsWith("meta"),
  isSparse: (tensor) => native.layout(tensor) === "sparse_coo",
  isQuantized: (tensor) => /^q(u?)int/.test(tensor.dtype),
};

/** @internal Gives the short forms to the class: tensor.ts calls it. */
export function installShortForms(prototype: Tensor): void {
  for (const [name, value] of Object.entries(shortForms)) {
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
  for (const [name, get] of Object.entries(properties)) {
    Object.defineProperty(prototype, name, {
      get(this: Tensor) {
        return get(this);
      },
      configurable: true,
    });
  }
}

/** Number of elements, as the property `numel`. */
export const numel = (tensor: Tensor): number => tensor.numel;

/** The different elements in ascending order; with `dim` the different slices along that dimension. */
export const unique = (tensor: Tensor, options: { dim?: number | null } = {}): Tensor =>
  tensor.unique(options);
