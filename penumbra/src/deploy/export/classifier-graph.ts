import { scope } from "@penumbra/torch";
import type { ClassifierParts, KnownScoresState, Reference } from "../classifier/index.ts";
import { type Arithmetic, type ExportPrecision, PRECISIONS, type Range } from "./arithmetic.ts";
import { type DrawnEvidence, drawDetector, requireExportable } from "./detectors.ts";
import { drawNetwork } from "./networks.ts";
import { type DataType, type Dimension, Graph, type Value } from "./onnx/graph.ts";
import { drawPreprocessing } from "./preprocessing.ts";

/** The one input: photos of one size, whatever it is. */
export const INPUT = "images";

/** The outputs for N photos of which each is an object: [N], or as said. */
export const OUTPUTS = {
  /** Index of the most likely class. */
  class: "int64",
  /** Its calibrated probability. */
  confidence: "float32",
  /** 1 - p-value, 0 … 1. */
  unknownScore: "float32",
  isUnknown: "bool",
  /** [N, C], not calibrated. */
  logits: "float32",
  /** [N, D], of the encoder. */
  features: "float32",
  /** [N, imageSize, imageSize, 3]: the photos as the encoder sees them, which the model takes for what they are. */
  resized: "uint8",
} as const;

/** The outputs for all photos of the batch as the views of one object: [1], or as said. */
export const OBJECT_OUTPUTS = {
  objectClass: "int64",
  objectConfidence: "float32",
  objectUnknownScore: "float32",
  objectIsUnknown: "bool",
  /** [1, C], not calibrated. */
  objectLogits: "float32",
} as const;

export interface DrawOptions {
  readonly precision: ExportPrecision;
  /** Of the products' inputs, where the precision needs them. */
  readonly ranges?: readonly Range[];
}

/** An encoder alone, with what its products take as outputs too. */
export interface EncoderGraph {
  readonly graph: Graph;
  /** Outputs that are the pooled features of each stage, float64 [N, D_s]. */
  readonly stages: readonly string[];
  /** Outputs that are the products' inputs, in their order; for float32 only. */
  readonly activations: readonly string[];
}

/** The encoder of a classifier as a model of its own, to see what its numbers do. */
export function drawEncoder(
  parts: ClassifierParts,
  options: DrawOptions & { readonly withActivations?: boolean },
): EncoderGraph {
  const { graph, pen, stages } = begin(parts, options);
  const named = stages.map((value, index) => {
    const name = `stage${index}`;
    graph.output(name, value, "float64", ["N", parts.encoder.stageDimensions[index]!]);
    return name;
  });
  const activations = options.withActivations ? [...pen.activations.keys()] : [];
  for (const index of activations) graph.output(`activation${index}`, pen.activations[index]!, "float32", []);
  return { graph, stages: named, activations: activations.map((index) => `activation${index}`) };
}

/**
 * A classifier from the pixels to the verdict: of each photo by itself, and of all as the views of one object.
 *
 * @param references what objects of 1, 2, … views are held against; objects of more views, against the last
 * @throws DeployError for what has no form in ONNX, with the reason
 */
export function drawClassifier(
  parts: ClassifierParts,
  references: readonly Reference[],
  options: DrawOptions,
): Graph {
  requireExportable(parts.detectorName);
  const { graph, stages: photos, images, pixels } = begin(parts, options);
  const { imageSize } = parts.preprocessing;
  const { probe, detectorName, detector, level, classes } = parts;
  return scope(() => {
    // The last row is the object that the photos are views of: detector and classifier are there once for both.
    const stages = photos.map((rows) =>
      graph.op("Concat", [rows, graph.op("ReduceMean", [rows], { axes: [0], keepdims: 1 })], { axis: 0 }),
    );
    const features = stages.at(-1)!;
    const classifier = { weight: probe.weight.to("float64"), bias: probe.bias.to("float64") };
    const product = graph.op("MatMul", [features, graph.tensor(classifier.weight.t().contiguous())]);
    const logits = graph.op("Add", [product, graph.tensor(classifier.bias)]);
    const evidence: DrawnEvidence = { features, logits, stages, classifier };
    const score = drawDetector(graph, detectorName, detector.state, evidence);
    const split = (x: Value) => [rowsOf(graph, x, 0, -1), rowsOf(graph, x, -1, MOST_ROWS)] as const;
    const [[ownLogits, objectLogits], [ownScore, objectScore]] = [split(logits), split(score)];
    const each = drawVerdict(graph, ownLogits, ownScore, referenceOfOne(graph, references[0]!, level));
    const object = graph.within("object", () =>
      drawVerdict(graph, objectLogits, objectScore, referenceOfAll(graph, images, references, level)),
    );
    const give = (name: string, value: Value, type: DataType, shape: readonly Dimension[]) =>
      graph.output(name, type === "float32" ? graph.cast(value, type) : value, type, shape);
    give("class", each.class, OUTPUTS.class, ["N"]);
    give("confidence", each.confidence, OUTPUTS.confidence, ["N"]);
    give("unknownScore", each.unknownScore, OUTPUTS.unknownScore, ["N"]);
    give("isUnknown", each.isUnknown, OUTPUTS.isUnknown, ["N"]);
    give("logits", ownLogits, OUTPUTS.logits, ["N", classes.length]);
    give("features", photos.at(-1)!, OUTPUTS.features, ["N", parts.encoder.dimensions]);
    const seen = graph.cast(graph.op("Transpose", [pixels], { perm: [0, 2, 3, 1] }), OUTPUTS.resized);
    give("resized", seen, OUTPUTS.resized, ["N", imageSize, imageSize, 3]);
    give("objectClass", object.class, OBJECT_OUTPUTS.objectClass, [1]);
    give("objectConfidence", object.confidence, OBJECT_OUTPUTS.objectConfidence, [1]);
    give("objectUnknownScore", object.unknownScore, OBJECT_OUTPUTS.objectUnknownScore, [1]);
    give("objectIsUnknown", object.isUnknown, OBJECT_OUTPUTS.objectIsUnknown, [1]);
    give("objectLogits", objectLogits, OBJECT_OUTPUTS.objectLogits, [1, classes.length]);
    return graph;
  });
}

/** More rows than there can be. */
const MOST_ROWS = 2 ** 31 - 1;

/** Rows from `first` up to `end`, counted from the last where below 0. */
function rowsOf(graph: Graph, x: Value, first: number, end: number): Value {
  const bounds = [first, end, 0].map((value) => graph.constant("int64", [value]));
  return graph.op("Slice", [x, ...bounds]);
}

/** From the pixels to the stages of the encoder, in float64. */
function begin(parts: ClassifierParts, { precision, ranges = [] }: DrawOptions) {
  const { encoder, preprocessing } = parts;
  const { imageSize } = preprocessing;
  const graph = new Graph();
  const images = graph.input(INPUT, "uint8", ["N", "height", "width", 3]);
  const pixels = graph.within("preprocessing", () => drawPreprocessing(graph, images, preprocessing));
  const pen = PRECISIONS[precision].arithmetic(graph, ranges);
  const normalised = graph.within("preprocessing", () => drawNormalisation(graph, pixels, encoder.config));
  const stages = drawNetwork(pen, encoder.network, pen.enter(normalised), imageSize).map(pen.leave);
  return { graph, pen, stages, images, pixels } satisfies {
    graph: Graph;
    pen: Arithmetic;
    stages: Value[];
    images: Value;
    pixels: Value;
  };
}

/** (x / 255 - mean) / std for each channel, rounded as the engine rounds. */
function drawNormalisation(
  graph: Graph,
  pixels: Value,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Value {
  const pixels01 = graph.op("Div", [pixels, graph.scalar("float32", 255)]);
  const centred = graph.op("Sub", [pixels01, graph.constant("float32", mean, [1, 3, 1, 1])]);
  return graph.op("Div", [centred, graph.constant("float32", std, [1, 3, 1, 1])]);
}

/** A {@link Reference} as the graph has it. */
interface DrawnReference {
  readonly temperature: Value;
  /** Of the score, at the classifier's level. */
  readonly threshold: Value;
  /** Above 0. */
  readonly tie: Value;
  /** [1, S]. */
  readonly scores: Value;
  /** [S]. */
  readonly weights: Value;
  readonly objects: number;
}

/** A tie of 0, so small that the ramp is the step it stands for. */
const NO_TIE = 1e-300;

function referenceOfOne(graph: Graph, { known, temperature }: Reference, level: number): DrawnReference {
  const { scores, weights, tie, objects } = known.state;
  return {
    temperature: graph.scalar("float64", temperature),
    threshold: graph.scalar("float64", known.threshold(level)),
    tie: graph.scalar("float64", Math.max(tie, NO_TIE)),
    scores: graph.constant("float64", scores, [1, scores.length]),
    weights: graph.constant("float64", weights),
    objects,
  };
}

/** The reference for as many views as there are photos: a row of each table. */
function referenceOfAll(
  graph: Graph,
  images: Value,
  references: readonly Reference[],
  level: number,
): DrawnReference {
  const shape = graph.op("Shape", [images]);
  const photos = graph.op("Gather", [shape, graph.scalar("int64", 0)]);
  const views = graph.op("Min", [photos, graph.scalar("int64", references.length)]);
  const row = graph.op("Sub", [views, graph.scalar("int64", 1)]);
  const states = references.map(({ known }) => known.state);
  const pick = (values: readonly number[]) =>
    graph.op("Gather", [graph.constant("float64", values), row], { axis: 0 });
  // Rows are filled up to the longest with scores of no weight.
  const longest = Math.max(...states.map(({ scores }) => scores.length));
  const table = (of: (state: KnownScoresState) => Float64Array) => {
    const cells = new Float64Array(states.length * longest);
    for (const [index, state] of states.entries()) cells.set(of(state), index * longest);
    return graph.op("Gather", [graph.constant("float64", cells, [states.length, longest]), row], { axis: 0 });
  };
  return {
    temperature: pick(references.map(({ temperature }) => temperature)),
    threshold: pick(references.map(({ known }) => known.threshold(level))),
    tie: pick(states.map(({ tie }) => Math.max(tie, NO_TIE))),
    scores: graph.op("Unsqueeze", [table(({ scores }) => scores), graph.constant("int64", [0])]),
    weights: table(({ weights }) => weights),
    objects: states[0]!.objects,
  };
}

/** What is said of rows by their logits, [M, C], and scores, [M]: [M] each. */
function drawVerdict(graph: Graph, logits: Value, score: Value, reference: DrawnReference) {
  return {
    class: graph.op("ArgMax", [logits], { axis: 1, keepdims: 0 }),
    confidence: graph.within("confidence", () => drawConfidence(graph, logits, reference)),
    unknownScore: graph.within("unknownScore", () => drawUnknownScore(graph, score, reference)),
    isUnknown: graph.op("Less", [score, reference.threshold]),
  };
}

/** The largest of softmax(logits / T). */
function drawConfidence(graph: Graph, logits: Value, { temperature }: DrawnReference): Value {
  const scaled = graph.op("Div", [logits, temperature]);
  return graph.op("ReduceMax", [graph.op("Softmax", [scaled], { axis: 1 })], { axes: [1], keepdims: 0 });
}

/** 1 - p, as `KnownScores` has it: each known score counts with its weight, those just above in part. */
function drawUnknownScore(
  graph: Graph,
  score: Value,
  { scores, weights, tie, objects }: DrawnReference,
): Value {
  const f64 = (value: number) => graph.scalar("float64", value);
  const own = graph.op("Unsqueeze", [score, graph.constant("int64", [1])]); // [M, 1]
  const ramp = graph.op("Add", [graph.op("Div", [graph.op("Sub", [own, scores]), tie]), f64(1)]); // [M, S]
  const isAsUnknown = graph.op("GreaterOrEqual", [own, scores]); // also where both are infinite
  const counts = graph.op("Where", [isAsUnknown, f64(1), graph.op("Clip", [ramp, f64(0), f64(1)])]);
  const sum = graph.op("MatMul", [counts, weights]); // [M, S] [S] -> [M]
  const p = graph.op("Div", [graph.op("Add", [sum, f64(1)]), f64(objects + 1)]);
  return graph.op("Sub", [f64(1), graph.op("Min", [p, f64(1)])]);
}
