import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import type { Attribute, Graph, Value } from "./onnx/graph.ts";

/** Smallest and largest value that a tensor of the graph took. */
export type Range = readonly [low: number, high: number];

/** A product of activations with weights: what is worth computing in fewer bits. */
export interface Product {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

/** In which numbers an encoder computes: how its constants, casts and products are drawn. */
export interface Arithmetic {
  readonly graph: Graph;
  /** Inputs of the products so far, in the order in which they are drawn. */
  readonly activations: readonly Value[];
  /** From float32 to the encoder's own numbers. */
  enter(x: Value): Value;
  /** From the encoder's own numbers to float64. */
  leave(x: Value): Value;
  /** Parameters that are no product's weights. */
  constant(tensor: Tensor): Value;
  scalar(value: number): Value;
  /** @param product weight [out, in / groups, kernel, kernel] */
  conv(x: Value, product: Product, attributes: Readonly<Record<string, Attribute>>): Value;
  /** @param product weight [out, in] */
  linear(x: Value, product: Product): Value;
}

/** Makes an arithmetic for a graph. @param ranges those of the products' inputs, where it needs them */
export type ArithmeticOf = (graph: Graph, ranges: readonly Range[]) => Arithmetic;

/** How an encoder can be exported, by the name that the command gives it. */
export const PRECISIONS = {
  fp32: { arithmetic: floats("float32"), needsRanges: false },
  fp16: { arithmetic: floats("float16"), needsRanges: false },
  int8: { arithmetic: quantized, needsRanges: true },
} as const satisfies Record<string, { readonly arithmetic: ArithmeticOf; readonly needsRanges: boolean }>;

export type ExportPrecision = keyof typeof PRECISIONS;

/** All in floats of one kind. */
function floats(dtype: "float32" | "float16"): ArithmeticOf {
  return (graph) => {
    const activations: Value[] = [];
    const scalars = new Map<number, Value>();
    const constant = (tensor: Tensor) => scope(() => graph.tensor(tensor.detach().to(dtype).contiguous()));
    return {
      graph,
      activations,
      enter: (x) => (dtype === "float32" ? x : graph.cast(x, dtype)),
      leave: (x) => graph.cast(x, "float64"),
      constant,
      scalar(value) {
        const found = scalars.get(value) ?? constant(torch.full([], value));
        scalars.set(value, found);
        return found;
      },
      conv(x, { weight, bias }, attributes) {
        activations.push(x);
        return graph.op("Conv", [x, constant(weight), ...(bias ? [constant(bias)] : [])], attributes);
      },
      linear(x, { weight, bias }) {
        activations.push(x);
        const product = graph.op("MatMul", [x, constant(weight.detach().t())]);
        return bias ? graph.op("Add", [product, constant(bias)]) : product;
      },
    };
  };
}

/**
 * Products in 8 bits as onnxruntime takes them ("QDQ"): activations uint8 by the range that was seen, weights int8 by
 * the largest of each output channel, what is added up int32; all else in float32.
 *
 * Weights have 7 bits: processors without VNNI add pairs of products in 16 bits, which 8 bits would saturate
 * (onnxruntime's "reduce_range").
 */
function quantized(graph: Graph, ranges: readonly Range[]): Arithmetic {
  const base = floats("float32")(graph, ranges);
  const activations: Value[] = [];
  const known = new Map<Value, { readonly value: Value; readonly scale: number }>();

  const activation = (x: Value) => {
    const range = ranges[activations.length];
    activations.push(x);
    const found = known.get(x);
    if (found) return found;
    const { scale, zero } = byteScale(range);
    const parameters = [graph.scalar("float32", scale), graph.scalar("uint8", zero)] as const;
    const bytes = graph.op("QuantizeLinear", [x, ...parameters]);
    const made = { value: graph.op("DequantizeLinear", [bytes, ...parameters]), scale };
    known.set(x, made);
    return made;
  };

  /** Weights as int8 by output channel, which lie along `axis`, and their scales. */
  const quantizedWeight = (weight: Tensor, axis: 0 | 1) => {
    const { bytes, scales } = scope(() => quantizeRows(weight));
    const laidOut = scope(() => graph.tensor(axis === 0 ? bytes : bytes.t().contiguous()));
    const zeros = graph.constant("int8", new Int8Array(scales.length));
    const value = graph.op("DequantizeLinear", [laidOut, graph.constant("float32", scales), zeros], { axis });
    bytes.dispose();
    return { value, scales };
  };

  /** int32 in steps of both scales, as the sums are. */
  const quantizedBias = (bias: Tensor, scales: readonly number[], scale: number) => {
    const steps = scales.map((own) => Math.fround(Math.fround(own) * scale));
    const whole = bias.toNumbers().map((value, i) => Math.round(value / steps[i]!));
    const zeros = graph.constant("int32", new Int32Array(steps.length));
    return graph.op(
      "DequantizeLinear",
      [graph.constant("int32", whole), graph.constant("float32", steps), zeros],
      { axis: 0 },
    );
  };

  return {
    ...base,
    activations,
    conv(x, { weight, bias }, attributes) {
      const { value, scale } = activation(x);
      const { value: weights, scales } = quantizedWeight(weight, 0);
      const inputs = [value, weights, ...(bias ? [quantizedBias(bias, scales, scale)] : [])];
      return graph.op("Conv", inputs, attributes);
    },
    linear(x, { weight, bias }) {
      const { value } = activation(x);
      const product = graph.op("MatMul", [value, quantizedWeight(weight, 1).value]);
      return bias ? graph.op("Add", [product, base.constant(bias)]) : product;
    },
  };
}

/** Scale and zero of a byte for a range, which is widened to hold 0. */
function byteScale(range: Range | undefined): { scale: number; zero: number } {
  const [low, high] = range ?? [0, 1];
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = to > from ? Math.fround((to - from) / 255) : 1;
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-from / scale))) };
}

const LARGEST_WEIGHT = 63;

/** Rows of a weight as whole numbers -63 … 63 and what 1 stands for in each. */
function quantizeRows(weight: Tensor): { bytes: Tensor; scales: number[] } {
  const rows = weight.detach().to("float64").flatten({ startDim: 1 }); // [out, …]
  const largest = rows.abs().amax({ dim: [1], keepdim: true });
  const scale = torch.where(largest.eq(0), largest.onesLike(), largest.div(LARGEST_WEIGHT)); // [out, 1]
  const bytes = rows.div(scale).round().clamp({ min: -LARGEST_WEIGHT, max: LARGEST_WEIGHT }).to("int8");
  return { bytes: bytes.reshape([...weight.shape]), scales: scale.toNumbers() };
}
