/** How each detector is drawn: a table from its name to the nodes that compute its score, HIGHER = more surely known. */
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import {
  countedStages,
  type DetectorState,
  type DetectorTable,
  detectors,
  nearnessSpaces,
  numberOf,
  type Space,
  tensorOf,
} from "../../unknowns/index.ts";
import { DeployError } from "../classifier/index.ts";
import type { Graph, Value } from "./onnx/graph.ts";

/** What a detector looks at, all float64. */
export interface DrawnEvidence {
  /** [N, D]. */
  readonly features: Value;
  /** [N, C]. */
  readonly logits: Value;
  /** [N, D_s] each. */
  readonly stages: readonly Value[];
  /** weight [C, D] and bias [C]. */
  readonly classifier: { readonly weight: Tensor; readonly bias: Tensor };
}

type DrawDetector = (draw: Drawing, state: DetectorState, evidence: DrawnEvidence) => Value;

/** Matrices of float64 and what detectors do with them; each mirrors a function of the room of detectors. */
class Drawing {
  constructor(readonly graph: Graph) {}
  number = (value: number) => this.graph.scalar("float64", value);
  tensor = (tensor: Tensor) => this.graph.tensor(tensor.detach().to("float64").contiguous());
  #axes = (axes: readonly number[]) => this.graph.constant("int64", axes);
  add = (a: Value, b: Value) => this.graph.op("Add", [a, b]);
  sub = (a: Value, b: Value) => this.graph.op("Sub", [a, b]);
  mul = (a: Value, b: Value) => this.graph.op("Mul", [a, b]);
  div = (a: Value, b: Value) => this.graph.op("Div", [a, b]);
  neg = (x: Value) => this.graph.op("Neg", [x]);
  exp = (x: Value) => this.graph.op("Exp", [x]);
  log = (x: Value) => this.graph.op("Log", [x]);
  sqrt = (x: Value) => this.graph.op("Sqrt", [x]);
  abs = (x: Value) => this.graph.op("Abs", [x]);
  square = (x: Value) => this.mul(x, x);
  isZero = (x: Value) => this.graph.op("Equal", [x, this.number(0)]);
  where = (flag: Value, a: Value, b: Value) => this.graph.op("Where", [flag, a, b]);
  atLeast = (x: Value, least: number) => this.graph.op("Max", [x, this.number(least)]);
  atMost = (x: Value, most: number) => this.graph.op("Min", [x, this.number(most)]);
  matmul = (a: Value, b: Value) => this.graph.op("MatMul", [a, b]);
  /** Rows times a learned matrix. */
  times = (rows: Value, matrix: Tensor) => this.matmul(rows, this.tensor(matrix));
  sum = (x: Value, keepdims = 0) => this.graph.op("ReduceSum", [x, this.#axes([1])], { keepdims });
  max = (x: Value, keepdims = 0) => this.graph.op("ReduceMax", [x], { axes: [1], keepdims });
  min = (x: Value) => this.graph.op("ReduceMin", [x], { axes: [1], keepdims: 0 });
  length = (x: Value, keepdims = 0) => this.sqrt(this.sum(this.square(x), keepdims));
  softmax = (x: Value) => this.graph.op("Softmax", [x], { axis: 1 });
  logSoftmax = (x: Value) => this.graph.op("LogSoftmax", [x], { axis: 1 });
  concat = (parts: readonly Value[]) =>
    parts.length === 1 ? parts[0]! : this.graph.op("Concat", parts, { axis: 1 });
  column = (x: Value) => this.graph.op("Unsqueeze", [x, this.#axes([1])]);

  /** max(x) + ln sum exp(x - max(x)). */
  logSumExp(x: Value): Value {
    const largest = this.max(x, 1);
    const sum = this.log(this.sum(this.exp(this.sub(x, largest)), 1));
    return this.graph.op("Squeeze", [this.add(largest, sum), this.#axes([1])]);
  }

  unitRows = (x: Value) => this.div(x, this.atLeast(this.length(x, 1), 1e-12));

  /** The k largest or smallest of each row, in order, and where they are. */
  topk(x: Value, k: number, { largest }: { readonly largest: boolean }): [values: Value, places: Value] {
    const [values, places] = this.graph.ops("TopK", [x, this.#axes([k])], 2, {
      axis: 1,
      largest: Number(largest),
    });
    return [values!, places!];
  }

  /** Squared distances of rows to learned points, |a|^2 + |b|^2 - 2 ab: [N, D], [M, D] -> [N, M]. */
  squaredDistances(rows: Value, points: Tensor): Value {
    const lengths = this.tensor(points.to("float64").square().sum([1]).unsqueeze(0)); // [1, M]
    const own = this.sum(this.square(rows), 1); // [N, 1]
    const crossed = this.mul(this.times(rows, points.t()), this.number(2));
    return this.atLeast(this.sub(this.add(own, lengths), crossed), 0);
  }

  /** -(distance to the k-th nearest point of the bank). */
  neighbour(rows: Value, bank: Tensor, k: number): Value {
    const [nearest] = this.topk(this.squaredDistances(rows, bank), k, { largest: false });
    const last = this.graph.op("Gather", [nearest, this.graph.scalar("int64", k - 1)], { axis: 1 });
    return this.neg(this.sqrt(last));
  }

  /** Squared Mahalanobis distance to the nearest mean, S = L L': L^-1 is computed once. */
  nearestMean(rows: Value, means: Tensor, factor: Tensor): Value {
    const inverse = inverseOf(factor);
    return this.min(this.squaredDistances(this.times(rows, inverse), means.matmul(inverse)));
  }

  /** Distances of rows to classes in one space of the nearness: [N, D] -> [N, C]. */
  toClasses(rows: Value, { measure, state }: Space): Value {
    const part = (name: string) => state[name]!; // each measure has its own
    if (measure === "mahalanobis") {
      return this.sqrt(this.squaredDistances(this.times(rows, inverseOf(part("factor"))), part("centres")));
    }
    if (measure !== "nearest-photo") throw new DeployError(`Nearness by ${measure} cannot be drawn.`);
    const toPhotos = this.squaredDistances(rows, part("bank")); // class by class
    let from = 0;
    const nearest = part("counts")
      .toNumbers()
      .map((count) => {
        const own = Array.from({ length: count }, (_, place) => from + place);
        from += count;
        const columns = this.graph.op("Gather", [toPhotos, this.#axes(own)], { axis: 1 });
        return this.graph.op("ReduceMin", [columns], { axes: [1], keepdims: 1 });
      });
    return this.sqrt(this.concat(nearest));
  }

  logitsBy(features: Value, { weight, bias }: DrawnEvidence["classifier"]): Value {
    return this.add(this.times(features, weight.t()), this.tensor(bias));
  }

  energyBy = (features: Value, classifier: DrawnEvidence["classifier"]) =>
    this.logSumExp(this.logitsBy(features, classifier));

  maxSoftmax = (logits: Value, temperature: number) =>
    this.max(this.softmax(this.div(logits, this.number(temperature))));

  negativeEnergy = (logits: Value, temperature = 1) =>
    this.mul(this.logSumExp(this.div(logits, this.number(temperature))), this.number(temperature));

  joined = (stages: readonly Value[]) => this.concat(stages.map(this.unitRows));
}

/** L^-1', [D, D]. */
function inverseOf(factor: Tensor): Tensor {
  const identity = torch.eye(factor.shape[0] as number, { dtype: "float64" });
  return factor.linalgSolveTriangular(identity, { upper: false }).t();
}

/** The largest k = D - round(D p / 100) of each image's features, and sums. */
function largestActivations(draw: Drawing, { features, classifier }: DrawnEvidence, percentile: number) {
  const dimensions = classifier.weight.shape[1] as number;
  const count = Math.max(1, dimensions - Math.round((dimensions * percentile) / 100));
  const { graph } = draw;
  const [values, places] = draw.topk(features, count, { largest: true });
  const zeros = draw.mul(features, draw.number(0));
  const scattered = (what: Value) => graph.op("ScatterElements", [zeros, places, what], { axis: 1 });
  const sum = draw.sum(features, 1);
  const keptSum = draw.sum(values, 1);
  const isDead = draw.isZero(keptSum);
  const share = draw.div(sum, draw.where(isDead, draw.number(1), keptSum));
  return {
    kept: () => scattered(values),
    scale: () => draw.exp(draw.where(isDead, draw.number(0), share)),
  };
}

const lastOf = <T>(stages: readonly T[], state: DetectorState) => stages.slice(-numberOf(state, "last"));
const percentileOf = (state: DetectorState) => numberOf(state, "percentile");
const rowsOf = (draw: Drawing, state: DetectorState, features: Value) =>
  numberOf(state, "normalize") ? draw.unitRows(features) : features;

/** Every detector that can be exported. */
const drawings: Readonly<Record<string, DrawDetector>> = {
  msp: (draw, _, { logits }) => draw.maxSoftmax(logits, 1),
  temperature: (draw, state, { logits }) => draw.maxSoftmax(logits, numberOf(state, "temperature")),
  energy: (draw, state, { logits }) => draw.negativeEnergy(logits, numberOf(state, "temperature")),
  "max-logit": (draw, _, { logits }) => draw.max(logits),
  entropy: (draw, _, { logits }) => draw.sum(draw.mul(draw.softmax(logits), draw.logSoftmax(logits))),
  gen: (draw, state, { logits, classifier }) => {
    const counted = Math.min(numberOf(state, "classes"), classifier.weight.shape[0] as number);
    const gamma = draw.number(numberOf(state, "gamma"));
    const [largest] = draw.topk(draw.softmax(logits), counted, { largest: true });
    const rest = draw.atLeast(draw.sub(draw.number(1), largest), 0);
    const power = (x: Value) => draw.graph.op("Pow", [x, gamma]);
    return draw.neg(draw.sum(draw.mul(power(largest), power(rest))));
  },
  "kl-matching": (draw, state, { logits }) => {
    const probabilities = draw.softmax(logits);
    const isNone = draw.isZero(probabilities);
    const logs = draw.log(draw.where(isNone, draw.number(1), probabilities));
    const own = draw.sum(draw.mul(probabilities, logs), 1);
    const crossed = draw.times(probabilities, tensorOf(state, "means").clampMin(1e-300).log().t());
    return draw.neg(draw.min(draw.sub(own, crossed)));
  },
  knn: (draw, state, { features }) =>
    draw.neighbour(rowsOf(draw, state, features), tensorOf(state, "bank"), numberOf(state, "k")),
  "multi-layer-knn": (draw, state, { stages }) =>
    draw.neighbour(draw.joined(lastOf(stages, state)), tensorOf(state, "bank"), numberOf(state, "k")),
  nnguide: (draw, state, { features, logits }) => {
    const products = draw.times(draw.unitRows(features), tensorOf(state, "bank").t());
    const k = numberOf(state, "k");
    const [nearest] = draw.topk(products, k, { largest: true });
    return draw.mul(draw.div(draw.sum(nearest), draw.number(k)), draw.negativeEnergy(logits));
  },
  mahalanobis: (draw, state, { features }) =>
    draw.neg(draw.nearestMean(features, tensorOf(state, "means"), tensorOf(state, "factor"))),
  "mahalanobis++": (draw, state, { features }) =>
    draw.neg(draw.nearestMean(draw.unitRows(features), tensorOf(state, "means"), tensorOf(state, "factor"))),
  "relative-mahalanobis": (draw, state, { features }) => {
    const rows = rowsOf(draw, state, features);
    const own = draw.nearestMean(rows, tensorOf(state, "means"), tensorOf(state, "factor"));
    const all = draw.nearestMean(
      rows,
      tensorOf(state, "backgroundMean"),
      tensorOf(state, "backgroundFactor"),
    );
    return draw.sub(all, own);
  },
  "multi-layer-mahalanobis": (draw, state, { stages }) => {
    const counted = countedStages(state, stages);
    const rows = numberOf(state, "isJoint") ? [draw.joined(counted)] : counted;
    const distances = rows.map((layer, index) =>
      draw.mul(
        draw.nearestMean(layer, tensorOf(state, `means${index}`), tensorOf(state, `factor${index}`)),
        draw.number(numberOf(state, `weight${index}`)),
      ),
    );
    return draw.neg(distances.reduce(draw.add));
  },
  nearness: (draw, state, { stages }) => {
    const counted = lastOf(stages, state);
    const spaces = nearnessSpaces(state);
    const each = spaces.map((space) =>
      draw.div(draw.toClasses(counted[space.stage]!, space), draw.number(space.unit)),
    );
    const mean = draw.div(each.reduce(draw.add), draw.number(each.length));
    return draw.neg(draw.div(draw.min(mean), draw.number(numberOf(state, "unit"))));
  },
  "cosine-prototypes": (draw, state, { stages }) => {
    const counted = lastOf(stages, state);
    const cosines = counted.map((stage, index) =>
      draw.times(draw.unitRows(stage), tensorOf(state, `prototypes${index}`).t()),
    );
    return draw.max(draw.div(cosines.reduce(draw.add), draw.number(counted.length)));
  },
  vim: (draw, state, { features, logits }) => {
    const rest = draw.times(
      draw.sub(features, draw.tensor(tensorOf(state, "origin"))),
      tensorOf(state, "residual"),
    );
    return draw.sub(
      draw.negativeEnergy(logits),
      draw.mul(draw.length(rest), draw.number(numberOf(state, "alpha"))),
    );
  },
  react: (draw, state, { features, classifier }) =>
    draw.energyBy(draw.atMost(features, numberOf(state, "ceiling")), classifier),
  "ash-p": (draw, state, evidence) =>
    draw.energyBy(largestActivations(draw, evidence, percentileOf(state)).kept(), evidence.classifier),
  "ash-s": (draw, state, evidence) => {
    const { kept, scale } = largestActivations(draw, evidence, percentileOf(state));
    return draw.energyBy(draw.mul(kept(), scale()), evidence.classifier);
  },
  scale: (draw, state, evidence) => {
    const { scale } = largestActivations(draw, evidence, percentileOf(state));
    return draw.energyBy(draw.mul(evidence.features, scale()), evidence.classifier);
  },
  dice: (draw, state, { features, classifier: { weight, bias } }) => {
    const kept = weight.mul(tensorOf(state, "isKept"));
    return draw.energyBy(features, { weight: kept, bias });
  },
  she: (draw, state, { features, logits }) => {
    const called = draw.graph.op("ArgMax", [logits], { axis: 1, keepdims: 0 });
    const patterns = draw.graph.op("Gather", [draw.tensor(tensorOf(state, "patterns")), called], { axis: 0 });
    return draw.sum(draw.mul(features, patterns));
  },
  gradnorm: (draw, _, { features, logits, classifier }) => {
    const classes = draw.number(classifier.weight.shape[0] as number);
    const tilt = draw.abs(draw.sub(draw.mul(draw.softmax(logits), classes), draw.number(1)));
    return draw.mul(draw.sum(tilt), draw.sum(draw.abs(features)));
  },
  fdbd: (draw, state, { features, logits, classifier: { weight } }) => {
    // |w_c - w_k|; 1 on the diagonal, where the difference of the logits is 0.
    const distancesOf = weight.unsqueeze(0).sub(weight.unsqueeze(1)).square().sum([2]).sqrt();
    const gaps = draw.tensor(distancesOf.add(torch.eye(weight.shape[0] as number, { dtype: "float64" })));
    const called = draw.graph.op("ArgMax", [logits], { axis: 1, keepdims: 0 });
    const own = draw.graph.op("Gather", [gaps, called], { axis: 0 }); // [N, C]
    const distances = draw.div(draw.sub(draw.max(logits, 1), logits), own);
    const from = numberOf(state, "dividesByDistance")
      ? draw.sub(features, draw.tensor(tensorOf(state, "mean")))
      : features;
    return draw.div(draw.sum(distances), draw.atLeast(draw.length(from), 1e-12));
  },
};

/** Names of the detectors that can be exported. */
export const exportableDetectors: readonly string[] = Object.keys(drawings);

/** Why others cannot, beside those that look at pixels. */
const REASONS: Readonly<Record<string, string>> = {
  "ash-b": "it makes all kept features equal, and of those that are 0 libtorch and onnxruntime keep others",
  odin: "it moves the pixels along the gradient of the network, and ONNX has no gradients",
};

/**
 * The score of each image, [N] in float64, HIGHER = more surely known.
 * @throws DeployError for a detector that cannot be exported, with the reason
 */
export function drawDetector(
  graph: Graph,
  name: string,
  state: DetectorState,
  evidence: DrawnEvidence,
): Value {
  requireExportable(name);
  const draw = drawings[name]!;
  return scope(() => graph.within(name, () => draw(new Drawing(graph), state, evidence)));
}

/** @throws DeployError for a detector that cannot be exported, with the reason */
export function requireExportable(name: string): void {
  if (Object.hasOwn(drawings, name)) return;
  const looksAtPixels = (detectors as DetectorTable)[name]?.needs.includes("pixels");
  const reason =
    REASONS[name] ??
    (looksAtPixels
      ? "it looks at the pixels of each photo, and the file judges by features"
      : "nobody has said how it is computed there");
  throw new DeployError(
    `The detector "${name}" cannot be exported to ONNX: ${reason}. Train with another one, such as "mahalanobis" (detectors: in study.yaml).`,
  );
}
