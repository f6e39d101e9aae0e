import type { Complex, DType } from "../tensor/index.ts";

/** A storage as a pickle names it: the bytes that tensors are views of. */
export interface StorageName {
  readonly kind: "storage";
  readonly key: string;
  /** Of its elements; absent for an untyped one, whose tensors say their own. */
  readonly dtype: DType | undefined;
  readonly elements: number;
  /** In elements, of a view of another storage (files before PyTorch 1.6). */
  readonly viewOffset: number;
}

/** A tensor as a pickle describes it. */
export interface TensorSpec {
  readonly kind: "tensor";
  readonly storage: StorageName;
  readonly dtype: DType;
  /** In elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly requiresGrad: boolean;
  readonly isParameter: boolean;
  readonly conj: boolean;
  readonly neg: boolean;
}

/** What stands for a global name while a pickle is read. */
export type Global =
  | { readonly kind: "dtype"; readonly dtype: DType }
  | { readonly kind: "storageType"; readonly dtype: DType | undefined }
  | { readonly kind: "function"; readonly name: string };

/** Classes of storages, and the dtypes of their elements. */
export const STORAGE_DTYPES: Readonly<Record<string, DType>> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  ComplexFloatStorage: "complex64",
  ComplexDoubleStorage: "complex128",
};

/** Dtypes that PyTorch names as we do, and its other names for them. */
export const DTYPE_NAMES: Readonly<Record<string, DType>> = {
  ...Object.fromEntries(
    (
      [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
        "complex128",
        "complex32",
        "uint16",
        "uint32",
        "uint64",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
      ] as const
    ).map((name) => [name, name] as const),
  ),
  float: "float32",
  double: "float64",
  half: "float16",
  long: "int64",
  int: "int32",
  short: "int16",
};

const FUNCTIONS: ReadonlySet<string> = new Set([
  "collections.OrderedDict",
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_tensor_v3",
  "torch._utils._rebuild_parameter",
  "torch.Size",
  "torch.device",
  "builtins.set",
  "builtins.frozenset",
  "builtins.complex",
  "builtins.bytearray",
  "_codecs.encode",
]);

/** The name as Python 3 has it: pickles of protocol 2 write that of Python 2. */
export const fullName = (module: string, name: string): string =>
  `${module === "__builtin__" ? "builtins" : module}.${name}`;

/** What a pickle may name; undefined for everything else, since a name may stand for any code. */
export function globalOf(module: string, name: string): Global | undefined {
  if (module === "torch" && Object.hasOwn(STORAGE_DTYPES, name))
    return { kind: "storageType", dtype: STORAGE_DTYPES[name] };
  if ((module === "torch.storage" || module === "torch") && name === "UntypedStorage")
    return { kind: "storageType", dtype: undefined };
  if (module === "torch" && Object.hasOwn(DTYPE_NAMES, name))
    return { kind: "dtype", dtype: DTYPE_NAMES[name]! };
  const full = fullName(module, name);
  return FUNCTIONS.has(full) ? { kind: "function", name: full } : undefined;
}

/** What `_codecs.encode(text, "latin1")` gives: how pickles of protocol 2 write bytes. */
export function latin1(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "latin1");
  return bytes.toString("latin1") === text ? new Uint8Array(bytes) : undefined;
}

export type PlainScalar = null | boolean | number | bigint | string | Complex;
