/** Values of every kind for the random calls of wrong-arguments.child.ts. */
import * as torch from "@penumbra/torch";

type Parameter = torch.OperatorSchema["parameters"][number];

const disposed = torch.ones([2]);
disposed.dispose();
const generator = new torch.Generator({ seed: 1 });

/** Sizes that fit, sizes that do not, and sizes that no machine can hold; none that a machine would take long to fill. */
const INTEGERS = [0, 1, 2, 3, 5, -1, -2, -7, 100, 1e15, -(2 ** 31), 2 ** 53 - 1];
const SMALL_INTEGERS = [0, 1, 1, 2, 3, -1];
const SHAPES = [[], [0], [1], [2], [2, 3], [3, 2], [2, 3, 4], [1, 2, 4, 4], [2, 0, 3], [1, 1, 3, 3, 3]];
const DTYPES: torch.DType[] = [
  "float32",
  "float64",
  "int64",
  "int32",
  "uint8",
  "bool",
  "float16",
  "bfloat16",
  "complex64",
];
const STRINGS = [
  "mean",
  "",
  "reflect",
  "float32",
  "cpu",
  "cuda:7",
  "strided",
  "ij,jk->ik",
  "meta",
  "preserve",
  "☃",
  "none",
  "trunc",
  "floor",
  "sum",
];

const INT64_MIN = -(2n ** 63n);

/** Tensors of other layouts, and dense ones that operators meet rarely. Some shapes have none of a kind: that throws. */
const RARE_KINDS: readonly ((dense: torch.Tensor, random: torch.Random) => torch.Tensor)[] = [
  (x) => x.toSparse(),
  (x) => x.toSparse().mul(2),
  (x) => x.toSparseCsr(),
  (x) => x.toSparseCsc(),
  (x) => x.toSparseBsr([1, 1]),
  (x) => x.toSparseBsc([1, 1]),
  (x, random) => quantized(x, random),
  (x, random) => quantized(x, random),
  (x) => torch.call("aten::_nested_tensor_from_tensor_list", [x, x]) as torch.Tensor,
  (x) => torch.call("aten::_nested_tensor_from_tensor_list", [x, x.narrow(0, 0, 1)]) as torch.Tensor,
  (x, random) => extreme(x, random),
  (x, random) => extreme(x, random),
  (x) => x.to({ device: "meta" }),
  (x) => torch.call("aten::_efficientzerotensor", x.shape) as torch.Tensor,
  (x) => x.to("complex64").conj(),
  (x) => torch.call("aten::_neg_view", x) as torch.Tensor,
  (x) => x.unsqueeze(0).expand([3, ...x.shape]),
];

function quantized(x: torch.Tensor, random: torch.Random): torch.Tensor {
  const dtype = random.choice(["qint8", "quint8", "qint32"] as const);
  if (random.uniform() < 0.6)
    return torch.call("aten::quantize_per_tensor", x, 0.1, 3, dtype) as torch.Tensor;
  const scales = torch.ones([x.shape[0]!]);
  const zeros = torch.zeros([x.shape[0]!], { dtype: "int64" });
  return torch.call("aten::quantize_per_channel", x, scales, zeros, 0, dtype) as torch.Tensor;
}

/** Whole numbers at the ends of their range, and 0 and -1, by which they cannot be divided. */
function extreme(x: torch.Tensor, random: torch.Random): torch.Tensor {
  const dtype = random.choice(["int64", "int32", "int16", "int8"] as const);
  const least = dtype === "int64" ? INT64_MIN : BigInt(-(2 ** (Number(dtype.slice(3)) - 1)));
  const values = Array.from({ length: x.numel }, () => random.choice([least, -1n, 0n, 1n]));
  return torch
    .tensor(values.length === 0 ? [0n] : values, { dtype: "int64" })
    .to(dtype)
    .reshape(x.shape);
}

/** What all tensors of a call have in common, so that more than the checks at its beginning is reached. */
export interface Family {
  readonly dtype: torch.DType;
  readonly shape: readonly number[];
  readonly kind: (typeof RARE_KINDS)[number] | undefined;
}

export function randomFamily(random: torch.Random): Family {
  return {
    dtype: random.uniform() < 0.6 ? "float32" : random.choice(DTYPES),
    shape: random.choice(SHAPES),
    kind: random.uniform() < 0.3 ? random.choice(RARE_KINDS) : undefined,
  };
}

function randomTensor(random: torch.Random, family = randomFamily(random)): torch.Tensor {
  const { dtype, shape, kind } = family;
  let made = torch.randn(shape, { generator }).mul(3).to(dtype);
  if (kind) {
    try {
      return kind(made, random);
    } catch (error) {
      if (!(error instanceof torch.TorchError)) throw error;
    }
  }
  if (made.ndim > 1 && random.uniform() < 0.2) made = made.transpose(0, 1);
  if (dtype === "float32" && random.uniform() < 0.2) made.requiresGrad_();
  return made;
}

/** Anything at all, whatever the operator wants. */
export function garbage(random: torch.Random): unknown {
  const makers: (() => unknown)[] = [
    () => disposed,
    () => null,
    () => undefined,
    () => random.choice(INTEGERS),
    () => random.choice([Number.NaN, Number.POSITIVE_INFINITY, -0.5, 1e300, 2n ** 63n - 1n, 2n ** 80n, -1n]),
    () => random.choice(STRINGS),
    () => random.uniform() < 0.5,
    () => Symbol("foreign"),
    () => () => 1,
    () => new Date(),
    () => new Map([["dim", 1]]),
    () => new Float32Array(3),
    () => Object.create(null),
    () => Object.create(torch.Tensor.prototype),
    () => ({ dim: 1, dtype: "float32" }),
    () => ({ real: "one", imag: 2 }),
    () => new Proxy({}, { get: () => 7 }),
    () => new Proxy([1, 2], {}),
    () => [1, [2, [3]]],
    () => [undefined, Symbol("inside")],
    () => [randomTensor(random), 3, disposed],
    () => generator,
    () => randomTensor(random),
  ];
  return random.choice(makers)();
}

/** A value of the type that the parameter wants, though not of the value. */
export function plausible(parameter: Parameter, random: torch.Random, family?: Family): unknown {
  if (parameter.optional && random.uniform() < 0.3) return null;
  const kind = parameter.type.replace(/Optional\[|List\[|\]|\[|\?|\d/g, "");
  const one = (): unknown => {
    if (kind === "Tensor") return random.uniform() < 0.02 ? disposed : randomTensor(random, family);
    if (/Int|int/.test(kind)) return random.choice(random.uniform() < 0.7 ? SMALL_INTEGERS : INTEGERS);
    if (/float|Float/.test(kind)) return random.choice([0, 1, -1, 0.5, Number.NaN, 1e30]);
    if (/number|Scalar$/.test(kind)) return random.choice([0, 1, -1, 0.5, true, 7n, { real: 1, imag: 2 }]);
    if (/[bB]ool/.test(kind)) return random.uniform() < 0.5;
    if (kind === "ScalarType") return random.choice(DTYPES);
    if (kind === "Device") return random.choice(["cpu", "cpu", "meta", "cuda:3"]);
    if (kind === "Layout") return random.choice(["strided", "sparse_coo", "sparse_csr"]);
    if (kind === "MemoryFormat") return random.choice(["contiguous", "channelsLast", "preserve"]);
    if (kind === "Generator") return generator;
    return random.choice(STRINGS);
  };
  return parameter.list ? Array.from({ length: random.int(4) }, one) : one();
}

/** A call's arguments as one line, the elements of small tensors included. */
export function shown(value: unknown): string {
  if (value instanceof torch.Tensor) {
    if (value.isDisposed) return "disposed";
    try {
      return value.numel < 9 ? String(value).replaceAll(/\s+/g, " ") : `${value.dtype}[${value.shape}]`;
    } catch {
      return `${value.dtype}, ${value.ndim}d`; // without a printed form
    }
  }
  if (Array.isArray(value)) return `[${Array.from(value, shown).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${shown(field)}`);
  return `{${fields.join(", ")}}`;
}
