import { call } from "./call.ts";
import { native } from "./native.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/** PyTorch's defaults (torch/_tensor_str.py): digits, when to leave out the middle, what stays at each end, width. */
const PRECISION = 4;
const THRESHOLD = 1000;
const EDGE_ITEMS = 3;
const LINE_WIDTH = 80;

type Value = number | bigint | boolean;
/** The elements that are shown, row-major; a complex tensor has imaginary parts too. */
interface Elements {
  readonly values: readonly Value[];
  readonly imaginary?: readonly number[];
}

/** How one column of numbers is written: all of a tensor's elements share a notation and a width. */
interface Formatter {
  readonly width: number;
  readonly format: (value: Value) => string;
}

/** The text of `print(tensor)` in PyTorch: values, then device, size, dtype and `grad_fn` where they are not the usual ones. */
export function format(tensor: Tensor): string {
  const before = native.setGradMode(false);
  try {
    return scope(() => describe(tensor));
  } finally {
    native.setGradMode(before);
  }
}

/** Dtypes whose elements libtorch itself cannot read one by one. */
const UNREADABLE = /^(u?int[1-7]|quint\dx\d|bits.*)$/;

function describe(tensor: Tensor): string {
  const prefix = "tensor(";
  const layout = native.layout(tensor);
  if (layout === "nested") return nestedContent(tensor);
  const { shape, dtype, device, numel } = tensor;
  const suffixes: string[] = [];
  let content: string;
  let shown = ["float32", "complex64", "int64", "bool"];
  const isSparse = layout.startsWith("sparse");
  if (!device.startsWith("cpu")) suffixes.push(`device='${device}'`);
  if (isSparse) {
    content = sparseContent(tensor, layout, prefix.length);
    suffixes.push(`size=${tuple(shape)}`, `nnz=${tensor._nnz()}`);
  } else if (device.startsWith("meta") || UNREADABLE.test(dtype)) {
    content = "...";
    suffixes.push(`size=${tuple(shape)}`);
    shown = ["float32"];
  } else if (/^q/.test(dtype)) {
    content = elementsOf(tensor.dequantize(), prefix.length);
    suffixes.push(`size=${tuple(shape)}`);
  } else if (numel === 0) {
    content = "[]";
    if (shape.length !== 1) suffixes.push(`size=${tuple(shape)}`);
    shown = ["float32"]; // no element tells the dtype
  } else {
    content = elementsOf(layout === "strided" ? tensor : tensor.toDense(), prefix.length);
  }
  if (!shown.includes(dtype)) suffixes.push(`dtype=torch.${dtype}`);
  if (/^q(u?int8|int32)$/.test(dtype)) suffixes.push(...quantization(tensor));
  if (layout !== "strided") suffixes.push(`layout=torch.${layout}`);
  if (tensor.gradFn !== null) suffixes.push(`grad_fn=<${tensor.gradFn}>`);
  else if (tensor.requiresGrad) suffixes.push("requires_grad=True");
  return withSuffixes(prefix + content, suffixes, prefix.length, layout === "sparse_coo");
}

/** libtorch's QScheme, in its order. */
const SCHEMES = [
  "per_tensor_affine",
  "per_channel_affine",
  "per_tensor_symmetric",
  "per_channel_symmetric",
  "per_channel_affine_float_qparams",
] as const;

/** How the whole numbers of a quantized tensor stand for fractions. */
function quantization(tensor: Tensor): string[] {
  const scheme = SCHEMES[Number(tensor.qscheme())]!;
  const head = `quantization_scheme=torch.${scheme}`;
  if (scheme === "per_tensor_affine")
    return [head, `scale=${tensor.qScale()}`, `zero_point=${tensor.qZeroPoint()}`];
  const parts = [tensor.qPerChannelScales(), tensor.qPerChannelZeroPoints()] as const;
  const [scale, zeroPoint] = parts.map(describe);
  return [head, `scale=${scale}`, `zero_point=${zeroPoint}`, `axis=${tensor.qPerChannelAxis()}`];
}

/** The parts of a nested tensor, each as a tensor of its own. */
function nestedContent(tensor: Tensor): string {
  const indented = (text: string) => `  ${text.replaceAll("\n", "\n  ")}`;
  const parts = tensor.unbind().map((part) => indented(describe(part)));
  const history =
    tensor.gradFn !== null
      ? `, grad_fn=<${tensor.gradFn}>`
      : tensor.requiresGrad
        ? ", requires_grad=True"
        : "";
  return `nested_tensor([\n${parts.join(",\n")}\n]${history})`;
}

const tuple = (sizes: readonly number[]): string => `(${sizes.join(", ")}${sizes.length === 1 ? "," : ""})`;

function withSuffixes(text: string, suffixes: readonly string[], indent: number, newline: boolean): string {
  let result = text;
  let lastLine = text.length - text.lastIndexOf("\n") + 1;
  suffixes.forEach((suffix, i) => {
    if ((newline && i === 0) || lastLine + suffix.length + 2 > LINE_WIDTH) {
      result += `,\n${" ".repeat(indent)}${suffix}`;
      lastLine = indent + suffix.length;
    } else {
      result += `, ${suffix}`;
      lastLine += suffix.length + 2;
    }
  });
  return `${result})`;
}

function sparseContent(tensor: Tensor, layout: string, indent: number): string {
  const byRow = layout === "sparse_csr" || layout === "sparse_bsr";
  const parts: [string, Tensor][] =
    layout === "sparse_coo"
      ? [
          ["indices", tensor._indices()],
          ["values", tensor._values()],
        ]
      : byRow
        ? [
            ["crow_indices", tensor.crowIndices()],
            ["col_indices", tensor.colIndices()],
            ["values", tensor.values()],
          ]
        : [
            ["ccol_indices", tensor.ccolIndices()],
            ["row_indices", tensor.rowIndices()],
            ["values", tensor.values()],
          ];
  return parts
    .map(([name, part]) => {
      const head = `${name}=tensor(`;
      const size = part.numel === 0 ? `, size=${tuple(part.shape)}` : "";
      return `${head}${elementsOf(part, indent + head.length)}${size})`;
    })
    .join(`,\n${" ".repeat(indent)}`);
}

function elementsOf(tensor: Tensor, indent: number): string {
  if (tensor.numel === 0) return "[]";
  const summarize = tensor.numel > THRESHOLD;
  const { shape } = tensor;
  const shown = summarize ? withoutMiddle(tensor) : tensor;
  const { values, imaginary } = read(shown);
  const formatter = formatterOf(values);
  const imaginaryFormatter = imaginary && formatterOf(imaginary);
  const one = (i: number): string => {
    const real = formatter.format(values[i]!);
    if (!imaginary || !imaginaryFormatter) return real;
    const part = `${imaginaryFormatter.format(imaginary[i]!)}j`.trimStart();
    return real + (/^[+-]/.test(part) ? "" : "+") + part;
  };
  const width = formatter.width + 2 + (imaginaryFormatter ? imaginaryFormatter.width + 1 : 0);
  const sizes = shown.shape;

  const nested = (dim: number, offset: number): string => {
    if (dim === sizes.length) return one(offset);
    const size = sizes[dim]!;
    const stride = sizes.slice(dim + 1).reduce((a, b) => a * b, 1);
    const cut = summarize && shape[dim]! > 2 * EDGE_ITEMS;
    const isRow = dim === sizes.length - 1;
    const items = Array.from({ length: size }, (_, i) => nested(dim + 1, offset + i * stride));
    if (cut) items.splice(EDGE_ITEMS, 0, isRow ? " ..." : "...");
    const lineStart = " ".repeat(indent + dim + 1);
    if (!isRow) return `[${items.join(`,${"\n".repeat(sizes.length - 1 - dim)}${lineStart}`)}]`;
    const perLine = Math.max(1, Math.floor((LINE_WIDTH - indent - dim) / width));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
    return `[${lines.join(`,\n${lineStart}`)}]`;
  };
  return nested(0, 0);
}

/** The tensor without what the summary leaves out. */
function withoutMiddle(tensor: Tensor): Tensor {
  let result = tensor;
  tensor.shape.forEach((size, dim) => {
    if (size <= 2 * EDGE_ITEMS) return;
    const ends = [0, size - EDGE_ITEMS].map((start) => result.narrow(dim, start, EDGE_ITEMS));
    result = call("aten::cat", ends, { dim }) as Tensor;
  });
  return result;
}

function read(tensor: Tensor): Elements {
  const { dtype } = tensor;
  if (dtype.startsWith("complex")) {
    const parts = (dtype === "complex32" ? tensor.to("complex64") : tensor).toTyped() as Float32Array;
    return { values: everySecond(parts, 0), imaginary: everySecond(parts, 1) };
  }
  if (dtype === "bool") return { values: Array.from(tensor.toTyped() as Uint8Array, (value) => value !== 0) };
  if (/^u?int/.test(dtype))
    return { values: Array.from(tensor.toTyped() as ArrayLike<number | bigint>, BigInt) };
  return {
    values: Array.from((dtype === "float64" ? tensor : tensor.to("float32")).toTyped() as Float32Array),
  };
}

const everySecond = (parts: Float32Array, first: number): number[] =>
  Array.from({ length: parts.length / 2 }, (_, i) => parts[2 * i + first]!);

/** One notation for all: whole numbers, 4 decimals, or scientific where the magnitudes are far apart, large or small. */
function formatterOf(values: readonly Value[]): Formatter {
  if (typeof values[0] !== "number") {
    const write = (value: Value) => (typeof value === "boolean" ? (value ? "True" : "False") : String(value));
    const width = values.reduce<number>((most, value) => Math.max(most, write(value).length), 1);
    return { width, format: (value) => write(value).padStart(width) };
  }
  const usual = (values as readonly number[]).filter((value) => Number.isFinite(value) && value !== 0);
  const magnitudes = usual.map(Math.abs);
  const largest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = magnitudes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const isWhole = usual.every(Number.isInteger);
  const isScientific = usual.length > 0 && (largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4);
  const write = (value: number): string => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    const magnitude = Math.abs(value);
    if (isScientific) return sign + scientific(magnitude);
    return sign + (isWhole ? `${magnitude.toFixed(0)}.` : decimal(magnitude));
  };
  const width = usual.reduce((most, value) => Math.max(most, write(value).length), 1);
  return { width, format: (value) => write(value as number).padStart(width) };
}

/** JavaScript rounds a tie up, Python to the even digit; 25 further digits tell a tie from what lies beside one. */
const isTie = (digits: string): boolean => /^50*$/.test(digits);
const evenDown = (rounded: string, exact: string): string => {
  const kept = exact.slice(0, rounded.length);
  return isTie(exact.slice(rounded.length)) && Number(kept.at(-1)) % 2 === 0 ? kept : rounded;
};

const decimal = (value: number): string => evenDown(value.toFixed(PRECISION), value.toFixed(PRECISION + 25));

function scientific(value: number): string {
  const [rounded = "", exponent = ""] = value.toExponential(PRECISION).split("e");
  const [exact = "", exactExponent] = value.toExponential(PRECISION + 25).split("e");
  const mantissa = exponent === exactExponent ? evenDown(rounded, exact) : rounded;
  return `${mantissa}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, "0")}`;
}
