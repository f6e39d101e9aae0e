import type { Interpolation } from "../../images/index.ts";
import type { Preprocessing } from "../classifier/index.ts";
import { DeployError } from "../classifier/index.ts";
import type { Graph, Value } from "./onnx/graph.ts";

/**
 * libvips' resampling, bit for bit, as a graph: what `sharp.resize` does to a decoded photo (sharp 0.35's pipeline.cc;
 * libvips 8.18's resize.c, reducev.cpp, reduceh.cpp, shrinkv_hwy.cpp, affine.c, bicubic.cpp, templates.h).
 *
 * An axis that shrinks by 4 or more is first averaged over whole boxes, then reduced by Lanczos 3; one that grows is
 * interpolated by Catmull-Rom. Positions count in 1/64 of a pixel, coefficients are cut off to 12 bits and each pass
 * rounds to a byte. Sums of bytes times such coefficients are whole numbers below 2^24, so a product of matrices in
 * float32 is exact, in whatever order it adds.
 */

/** Positions between two pixels (VIPS_TRANSFORM_SCALE). */
const PHASES = 64;
/** What a coefficient of 1 is (VIPS_INTERPOLATE_SCALE). */
const ONE = 4096;
/** How much more than its own factor is left to the second step of shrinking (vips_resize's gap). */
const GAP = 2;

/** Arithmetic on numbers and positions, in float64 as libvips has it. */
class Numbers {
  constructor(readonly graph: Graph) {}
  of = (value: number): Value => this.graph.scalar("float64", value);
  #value = (x: Value | number): Value => (typeof x === "number" ? this.of(x) : x);
  #pair = (op: string) => (a: Value | number, b: Value | number) =>
    this.graph.op(op, [this.#value(a), this.#value(b)]);
  add = this.#pair("Add");
  sub = this.#pair("Sub");
  mul = this.#pair("Mul");
  div = this.#pair("Div");
  max = this.#pair("Max");
  min = this.#pair("Min");
  equal = this.#pair("Equal");
  less = this.#pair("Less");
  atLeast = this.#pair("GreaterOrEqual");
  atMost = this.#pair("LessOrEqual");
  both = (...flags: readonly Value[]) => flags.reduce((a, b) => this.graph.op("And", [a, b]));
  floor = (x: Value) => this.graph.op("Floor", [x]);
  ceil = (x: Value) => this.graph.op("Ceil", [x]);
  /** To the nearest whole number, halves to the even one, as C's rint. */
  rint = (x: Value) => this.graph.op("Round", [x]);
  where = (flag: Value, a: Value | number, b: Value | number) =>
    this.graph.op("Where", [flag, this.#value(a), this.#value(b)]);
  int64 = (x: Value) => this.graph.cast(x, "int64");
  float64 = (x: Value) => this.graph.cast(x, "float64");
  float32 = (x: Value) => this.graph.cast(x, "float32");
  /** Numbers as a list, for shapes and pads. */
  list = (values: readonly (Value | number)[]) =>
    this.graph.op(
      "Concat",
      values.map((value) =>
        typeof value === "number"
          ? this.graph.constant("int64", [value])
          : this.graph.op("Reshape", [this.int64(value), this.graph.constant("int64", [1])]),
      ),
      { axis: 0 },
    );
  /** 0, 1, … count - 1. */
  range = (count: Value) => this.graph.op("Range", [this.of(0), count, this.of(1)]);
  /** A pass's sums to the nearest byte's step, halves up; exact, as its sums are in steps of 1/4096. */
  rounded = (sums: Value) =>
    this.graph.op("Floor", [this.graph.op("Add", [sums, this.graph.scalar("float32", 0.5)])]);
  column = (x: Value) => this.graph.op("Unsqueeze", [x, this.graph.constant("int64", [1])]);
}

/**
 * Photos of any size as the encoder takes them.
 *
 * @param images uint8 [N, H, W, 3]
 * @returns whole numbers 0..255 in float32, [N, 3, imageSize, imageSize]
 */
export function drawPreprocessing(
  graph: Graph,
  images: Value,
  { imageSize, fit, interpolation }: Resizing,
): Value {
  const kernel = kernelOf(interpolation);
  const n = new Numbers(graph);
  const shape = graph.op("Shape", [images]);
  const sizeAt = (axis: number) => n.float64(graph.op("Gather", [shape, graph.scalar("int64", axis)]));
  const [height, width] = [sizeAt(1), sizeAt(2)];
  const own = [height, width].map((length) => n.div(length, imageSize)) as [Value, Value];
  const common = fit === "squash" ? undefined : fit === "letterbox" ? n.max(...own) : n.min(...own);
  // No side becomes less than a pixel (sharp's ResolveShrink).
  const shrinks = [n.min(common ?? own[0], height), n.min(common ?? own[1], width)] as const;
  const rows = axisOf(n, height, shrinks[0]);
  const columns = axisOf(n, width, shrinks[1]);

  /** [N, A, B, 3] of two axes as [N, A, 3 B]: the first can be multiplied by a matrix. */
  const flat = (x: Value) => {
    const sizes = graph.op("Shape", [x]);
    const [batch, length] = [0, 1].map((axis) =>
      graph.op("Slice", [sizes, graph.constant("int64", [axis]), graph.constant("int64", [axis + 1])]),
    ) as [Value, Value];
    return graph.op("Reshape", [
      x,
      graph.op("Concat", [batch, length, graph.constant("int64", [-1])], { axis: 0 }),
    ]);
  };
  /** [N, A, 3 B] as [N, A, B, 3]. */
  const unflat = (x: Value) => graph.op("Reshape", [x, graph.constant("int64", [0, 0, -1, 3])]);
  const turned = (x: Value) => flat(graph.op("Transpose", [unflat(x)], { perm: [0, 2, 1, 3] }));

  const pixels = flat(n.float32(images)); // [N, H, 3 W]
  const reducedRows = reduce(n, pixels, height, rows, { kernel, positions: steppedByTiles });
  const growth = n.max(rows.scale, columns.scale);
  const grows = n.less(1, growth);
  const first = fit === "crop" ? cropStart(n, columns.length, imageSize) : n.of(0);
  const steppedFrom0 = steppedFrom(n.where(grows, 0, first));
  const reduced = reduce(n, turned(reducedRows), width, columns, { kernel, positions: steppedFrom0 }); // [N, W', 3 H']
  // The inverse of the diagonal matrix, and its displacement: where one axis grows, libvips up to 8.18 moves both.
  const inverse = n.div(1, n.mul(columns.scale, rows.scale));
  const origin = n.where(grows, 1.5, 2);
  const step = n.mul(inverse, rows.scale);
  const across = steppedFrom(n.where(grows, first, 0))(
    n,
    (pixel) => n.add(n.mul(pixel, step), origin),
    step,
    columns.length,
  );
  const enlargedColumns = enlarge(n, reduced, columns, { kernel, places: across }); // [N, w, 3 H']
  const down = n.add(n.mul(n.range(rows.length), n.mul(inverse, columns.scale)), origin);
  const enlarged = n.rounded(enlarge(n, turned(enlargedColumns), rows, { kernel, places: down })); // [N, h, 3 w]
  const resized = unflat(clip(graph, enlarged)); // [N, h, w, 3]
  const framed = fit === "squash" ? resized : frame(n, resized, { imageSize, fit, rows, columns });
  const planes = graph.op("Transpose", [framed], { perm: [0, 3, 1, 2] });
  return graph.op("Reshape", [planes, graph.constant("int64", [-1, 3, imageSize, imageSize])]);
}

/** What of the preprocessing says how photos are resized. */
export type Resizing = Pick<Preprocessing, "imageSize" | "fit" | "interpolation">;

/** How pixels between pixels are computed. */
interface Kernel {
  /** How far it reaches, in pixels of the smaller picture. */
  readonly reach: number;
  /** Its value at a distance, where an axis shrinks (templates.h). */
  readonly at: (n: Numbers, x: Value) => Value;
  /** The weights of the pixels before, at, after and two after, where an axis grows by interpolation from `place` on. */
  readonly between: (n: Numbers, place: Value) => readonly Value[];
  /** Whether each of both passes of growing rounds. */
  readonly roundsBetween: boolean;
}

/** Both cubic ones grow by the same interpolation. */
const KERNELS: Readonly<Partial<Record<Interpolation, Kernel>>> = {
  lanczos3: { reach: 3, at: lanczos3, between: catmullRom, roundsBetween: true },
  bicubic: { reach: 2, at: cubic, between: catmullRom, roundsBetween: true },
  // A level more or less: its weights fall on steps of 1/4096, and libvips cuts off the products of both axes' weights.
  bilinear: { reach: 1, at: triangle, between: linear, roundsBetween: false },
};

function kernelOf(interpolation: Interpolation): Kernel {
  const kernel = KERNELS[interpolation];
  if (kernel) return kernel;
  throw new DeployError(
    `Photos that are resized by "${interpolation}" have no form in ONNX. Those that have one: ${Object.keys(KERNELS).join(", ")} (interpolation: in study.yaml).`,
  );
}

/** How one axis changes, in numbers of the graph. */
interface Axis {
  /** By how much it shrinks, 1 where it does not. */
  readonly factor: Value;
  /** Its length once it has shrunk; its own where it does not. */
  readonly reducedTo: Value;
  /** By how much it grows, 1 where it does not. */
  readonly scale: Value;
  /** Its length in the end. */
  readonly length: Value;
}

/** vips_resize of one axis, called with 1 / shrink. */
function axisOf(n: Numbers, length: Value, shrink: Value): Axis {
  const scale = n.max(n.div(1, shrink), n.div(1, length));
  const shrinks = n.less(scale, 1);
  const factor = n.where(shrinks, n.div(1, scale), 1);
  const reducedTo = rounded(n, n.div(length, factor));
  const growth = n.max(scale, 1);
  return { factor, reducedTo, scale: growth, length: rounded(n, n.mul(reducedTo, growth)) };
}

/** VIPS_ROUND_UINT. */
function rounded(n: Numbers, x: Value): Value {
  return n.floor(n.add(x, 0.5));
}

/** Where each of `count` pixels lies, steps added one by one and rounded as often: the ties between phases ask for it. */
type Positions = (n: Numbers, startOf: (pixel: Value) => Value, step: Value, count: Value) => Value;

/** As vips_reduceh goes through a row, of which only what lies from pixel `first` on is asked for. */
function steppedFrom(first: Value): Positions {
  return (n, startOf, step, count) => {
    const pixels = n.range(count);
    const start = n.where(n.equal(pixels, first), startOf(first), 0);
    const terms = n.where(n.less(first, pixels), step, start);
    return n.graph.op("CumSum", [terms, n.graph.scalar("int64", 0)]);
  };
}

/** Rows that vips_reducev makes at a time of a file that is read from top to bottom. */
const TILE_ROWS = 10;

/** As vips_reducev goes through the rows of a tile, each of which starts anew. */
const steppedByTiles: Positions = (n, startOf, step, count) => {
  const rows = n.range(count);
  const tops = n.mul(n.floor(n.div(rows, TILE_ROWS)), TILE_ROWS);
  const inTile = n.sub(rows, tops);
  let at = startOf(tops);
  for (let row = 1; row < TILE_ROWS; row++) at = n.where(n.atLeast(inTile, row), n.add(at, step), at);
  return at;
};

/** vips_reducev of an axis: [N, L, M] -> [N, reducedTo, M]. */
function reduce(
  n: Numbers,
  x: Value,
  length: Value,
  { factor, reducedTo }: Axis,
  { kernel, positions }: { readonly kernel: Kernel; readonly positions: Positions },
): Value {
  const { graph } = n;
  const whole = n.max(1, n.floor(n.div(n.div(length, reducedTo), GAP)));
  const averaged = averageBoxes(n, x, length, whole);
  const left = n.ceil(n.div(length, whole));
  const residual = n.div(factor, whole);
  const extra = n.div(n.sub(n.mul(reducedTo, factor), length), whole);
  const taps = n.add(n.mul(n.rint(n.mul(residual, kernel.reach)), 2), 1);
  const before = n.div(n.sub(taps, 1), 2);
  const after = n.add(before, 1);
  const offset = n.sub(n.div(n.add(extra, 1), 2), 1);
  const startOf = (pixel: Value) => n.sub(n.sub(n.mul(n.add(pixel, 0.5), residual), 0.5), offset);
  const position = n.column(positions(n, startOf, residual, reducedTo)); // [out, 1]
  const first = n.floor(position);
  const tap = n.sub(n.range(n.add(left, taps)), first); // [out, L + taps]: which tap a pixel is of each row
  const centre = n.add(phaseOf(n, position), n.sub(n.div(taps, 2), 1));
  const at = n.mul(n.sub(tap, centre), n.div(1, residual));
  const isTap = n.both(n.atLeast(tap, 0), n.less(tap, taps));
  const weights = n.where(isTap, kernel.at(n, at), 0);
  const sum = graph.op("ReduceSum", [weights, graph.constant("int64", [1])]);
  // As it is where nothing is left to do: a kernel of its own would lose a 4096th.
  const isSame = n.equal(residual, 1);
  const same = n.where(n.equal(tap, before), ONE, 0);
  const coefficients = n.where(isSame, same, n.mul(n.div(weights, sum), ONE));
  return clip(graph, n.rounded(multiply(n, coefficients, padded(n, averaged, before, after))));
}

/** vips_shrinkv by a whole factor, its last box filled up with the last pixel: [N, L, M] -> [N, ceil(L / whole), M]. */
function averageBoxes(n: Numbers, x: Value, length: Value, whole: Value): Value {
  const { graph } = n;
  const boxes = n.ceil(n.div(length, whole));
  const filled = padded(n, x, n.of(0), n.sub(n.mul(boxes, whole), length));
  const grouped = graph.op("Reshape", [filled, n.list([0, boxes, whole, -1])], { allowzero: 0 });
  const sums = n.float64(graph.op("ReduceSum", [grouped, graph.constant("int64", [2])], { keepdims: 0 }));
  const multiplier = n.floor(n.div(2 ** 32, n.mul(whole, 256)));
  const half = n.floor(n.div(whole, 2));
  return n.float32(n.floor(n.div(n.mul(n.add(sums, half), multiplier), 2 ** 24)));
}

/**
 * vips_affine of an axis with bicubic interpolation, not clipped: [N, L, M] -> [N, length, M].
 * @param places of the pixels among those of x, behind two that are added: [length]
 */
function enlarge(
  n: Numbers,
  x: Value,
  { reducedTo }: Axis,
  { kernel, places }: { readonly kernel: Kernel; readonly places: Value },
): Value {
  const place = n.column(places); // [length, 1]
  const [before, after] = [2, 3];
  // The four taps lie from one pixel before the place on.
  const tap = n.sub(n.range(n.add(reducedTo, before + after)), n.sub(n.floor(place), 1));
  const weights = kernel
    .between(n, place)
    .reduceRight<Value>(
      (others, weight, index) => n.where(n.equal(tap, index), n.mul(weight, ONE), others),
      n.of(0),
    );
  const sums = multiply(n, weights, padded(n, x, n.of(before), n.of(after)));
  return kernel.roundsBetween ? n.rounded(sums) : sums;
}

/** Where a position lies between two pixels, 0 … 1 in steps of 1/64. */
function phaseOf(n: Numbers, position: Value): Value {
  const halves = n.sub(n.floor(n.mul(position, 2 * PHASES)), n.mul(n.floor(position), 2 * PHASES));
  return n.div(n.floor(n.div(n.add(halves, 1), 2)), PHASES);
}

/** sinc(x) sinc(x / 3) within 3, 0 beyond. */
function lanczos3(n: Numbers, x: Value): Value {
  const isCentre = n.equal(x, 0);
  const sinc = (value: Value) => {
    const angle = n.mul(n.where(isCentre, 1, value), Math.PI);
    return n.where(isCentre, 1, n.div(n.graph.op("Sin", [angle]), angle));
  };
  const isWithin = n.both(n.atLeast(x, -3), n.atMost(x, 3));
  return n.where(isWithin, n.mul(sinc(x), sinc(n.div(x, 3))), 0);
}

/** calculate_coefficients_catmull: the weights of the pixels before, at, after and two after. */
function catmullRom(n: Numbers, place: Value): Value[] {
  const x = phaseOf(n, place);
  const cr1 = n.sub(1, x);
  const cr3 = n.mul(cr1, n.mul(-0.5, x));
  const one = n.mul(cr1, cr3);
  const four = n.mul(x, cr3);
  const cr4 = n.sub(four, one);
  return [one, n.add(n.sub(cr1, one), cr4), n.sub(n.sub(x, four), cr4), four];
}

/** The fraction of the place in 12 bits: weights of two pixels. */
function linear(n: Numbers, place: Value): Value[] {
  const fraction = n.div(n.floor(n.mul(n.sub(place, n.floor(place)), ONE)), ONE);
  return [n.of(0), n.sub(1, fraction), fraction, n.of(0)];
}

/** Catmull-Rom's filter. */
function cubic(n: Numbers, x: Value): Value {
  const a = n.graph.op("Abs", [x]);
  const [a2, a3] = [n.mul(a, a), n.mul(a, n.mul(a, a))];
  const near = n.div(n.add(n.sub(n.mul(a3, 9), n.mul(a2, 15)), 6), 6);
  const far = n.div(n.add(n.sub(n.add(n.mul(a3, -3), n.mul(a2, 15)), n.mul(a, 24)), 12), 6);
  return n.where(n.atMost(a, 1), near, n.where(n.atMost(a, 2), far, 0));
}

/** 1 - |x|, 0 beyond 1. */
function triangle(n: Numbers, x: Value): Value {
  return n.max(n.sub(1, n.graph.op("Abs", [x])), 0);
}

/** Repeats the first and the last row: [N, L, M] -> [N, before + L + after, M]. */
function padded(n: Numbers, x: Value, before: Value, after: Value): Value {
  return n.graph.op("Pad", [x, n.list([0, before, 0, 0, after, 0])], { mode: "edge" });
}

/** A pass: coefficients cut off to whole numbers, the sum in units of a byte's step: [out, L], [N, L, M] -> [N, out, M]. */
function multiply({ graph, float32 }: Numbers, coefficients: Value, x: Value): Value {
  const cutOff = float32(graph.cast(coefficients, "int32")); // towards 0
  return graph.op("Div", [graph.op("MatMul", [cutOff, x]), graph.scalar("float32", ONE)]);
}

function clip(graph: Graph, x: Value): Value {
  return graph.op("Clip", [x, graph.scalar("float32", 0), graph.scalar("float32", 255)]);
}

interface Frame extends Pick<Preprocessing, "imageSize" | "fit"> {
  readonly rows: Axis;
  readonly columns: Axis;
}

/** White bars around what is too small, the middle of what is too large (sharp's "contain" and "cover"). */
function frame(n: Numbers, x: Value, { imageSize, fit, rows, columns }: Frame): Value {
  const { graph } = n;
  const missing = [rows, columns].map(({ length }) => n.sub(imageSize, length)) as [Value, Value];
  if (fit === "letterbox") {
    const before = missing.map((count) => n.floor(n.div(count, 2))) as [Value, Value];
    const after = missing.map((count, axis) => n.sub(count, before[axis]!)) as [Value, Value];
    const pads = n.list([0, ...before, 0, 0, ...after, 0]);
    return graph.op("Pad", [x, pads, graph.scalar("float32", 255)], { mode: "constant" });
  }
  const starts = [rows, columns].map(({ length }) => cropStart(n, length, imageSize)) as [Value, Value];
  const ends = starts.map((start) => n.add(start, imageSize)) as [Value, Value];
  return graph.op("Slice", [x, n.list(starts), n.list(ends), graph.constant("int64", [1, 2])]);
}

/** Where the middle of an axis begins (sharp's CalculateCrop). */
function cropStart(n: Numbers, length: Value, imageSize: number): Value {
  return n.floor(n.div(n.sub(n.add(length, 1), imageSize), 2));
}
