import { scope } from "@penumbra/torch";
import type { ClassifierParts, Reference } from "../classifier/index.ts";
import { type Arithmetic, type ExportPrecision, PRECISIONS, type Range } from "./arithmetic.ts";
import { type DrawnEvidence, drawDetector, requireExportable } from "./detectors.ts";
import { drawNetwork } from "./networks.ts";
import { Graph, type Value } from "./onnx/graph.ts";
import { drawPreprocessing } from "./preprocessing.ts";

/** The one input: photos of one size, whatever it is. */
export const INPUT = "images";

/** The outputs, for N photos of which each is an object: type, and shape without N. */
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
 * A classifier from the pixels to the verdict, of photos that are an object each.
 *
 * @param reference what objects of one view are held against
 * @throws DeployError for what has no form in ONNX, with the reason
 */
export function drawClassifier(parts: ClassifierParts, reference: Reference, options: DrawOptions): Graph {
  requireExportable(parts.detectorName);
  const { graph, stages } = begin(parts, options);
  const { probe, detectorName, detector, level, classes } = parts;
  return scope(() => {
    const features = stages.at(-1)!;
    const classifier = { weight: probe.weight.to("float64"), bias: probe.bias.to("float64") };
    const product = graph.op("MatMul", [features, graph.tensor(classifier.weight.t().contiguous())]);
    const logits = graph.op("Add", [product, graph.tensor(classifier.bias)]);
    const evidence: DrawnEvidence = { features, logits, stages, classifier };
    const score = drawDetector(graph, detectorName, detector.state, evidence);
    const outputs: Readonly<Record<keyof typeof OUTPUTS, Value>> = {
      class: graph.op("ArgMax", [logits], { axis: 1, keepdims: 0 }),
      confidence: graph.within("confidence", () => drawConfidence(graph, logits, reference.temperature)),
      unknownScore: graph.within("unknownScore", () => drawUnknownScore(graph, score, reference)),
      isUnknown: graph.op("Less", [score, graph.scalar("float64", reference.known.threshold(level))]),
      logits,
      features,
    };
    const widths: Partial<Record<string, number>> = {
      logits: classes.length,
      features: parts.encoder.dimensions,
    };
    for (const [name, type] of Object.entries(OUTPUTS)) {
      const value = outputs[name as keyof typeof OUTPUTS];
      const width = widths[name];
      const typed = type === "float32" ? graph.cast(value, "float32") : value;
      graph.output(name, typed, type, width === undefined ? ["N"] : ["N", width]);
    }
    return graph;
  });
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
  return { graph, pen, stages } satisfies { graph: Graph; pen: Arithmetic; stages: Value[] };
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

/** The largest of softmax(logits / T). */
function drawConfidence(graph: Graph, logits: Value, temperature: number): Value {
  const scaled = graph.op("Div", [logits, graph.scalar("float64", temperature)]);
  return graph.op("ReduceMax", [graph.op("Softmax", [scaled], { axis: 1 })], { axes: [1], keepdims: 0 });
}

/** 1 - p, as `KnownScores` has it: each known score counts with its weight, those just above in part. */
function drawUnknownScore(graph: Graph, score: Value, { known }: Reference): Value {
  const { scores, weights, tie, objects } = known.state;
  const f64 = (value: number) => graph.scalar("float64", value);
  const own = graph.op("Unsqueeze", [score, graph.constant("int64", [1])]); // [N, 1]
  const others = graph.constant("float64", scores, [1, scores.length]);
  const counts =
    tie > 0
      ? graph.op("Clip", [
          graph.op("Add", [graph.op("Div", [graph.op("Sub", [own, others]), f64(tie)]), f64(1)]),
          f64(0),
          f64(1),
        ])
      : graph.cast(graph.op("GreaterOrEqual", [own, others]), "float64");
  const sum = graph.op("MatMul", [counts, graph.constant("float64", weights)]); // [N, K] [K] -> [N]
  const p = graph.op("Div", [graph.op("Add", [sum, f64(1)]), f64(objects + 1)]);
  return graph.op("Sub", [f64(1), graph.op("Min", [p, f64(1)])]);
}
