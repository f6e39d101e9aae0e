import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import type { ClassifierParts } from "../classifier/index.ts";
import type { ExportPrecision, Range } from "./arithmetic.ts";
import { drawEncoder, type EncoderGraph, INPUT } from "./classifier-graph.ts";
import { loadModel, type RuntimeModel, type RuntimeTensor } from "./onnx-runtime.ts";

/** Photos that go through an exported encoder together. */
const BATCH = 16;

/**
 * The smallest and the largest value that each product's input takes on photos, in float32.
 *
 * @param photos as the encoder takes them: red, green and blue plane each
 */
export async function rangesOf(parts: ClassifierParts, photos: readonly Uint8Array[]): Promise<Range[]> {
  const drawn = drawEncoder(parts, { precision: "fp32", withActivations: true });
  const model = await load(drawn);
  const ranges: Range[] = [];
  try {
    await eachBatch(parts, model, photos, drawn.activations, (outputs) => {
      for (const [index, name] of drawn.activations.entries())
        ranges[index] = widened(ranges[index], outputs[name]!.data as Float32Array);
    });
  } finally {
    await model.release();
  }
  return ranges;
}

/** An exported encoder, loaded by onnxruntime. */
export interface ExportedEncoder {
  /**
   * What it says about photos: for each stage float64 [N, D_s].
   * @param photos as the encoder takes them: red, green and blue plane each
   */
  stages(photos: readonly Uint8Array[]): Promise<Tensor[]>;
  release(): Promise<void>;
}

/** Loads the encoder of a classifier in the numbers of a precision. */
export async function loadExportedEncoder(
  parts: ClassifierParts,
  options: { readonly precision: ExportPrecision; readonly ranges: readonly Range[] },
): Promise<ExportedEncoder> {
  const drawn = drawEncoder(parts, options);
  const model = await load(drawn);
  return {
    async stages(photos) {
      const rows = drawn.stages.map(() => [] as Float64Array[]);
      await eachBatch(parts, model, photos, drawn.stages, (outputs) => {
        for (const [index, name] of drawn.stages.entries())
          rows[index]!.push(outputs[name]!.data as Float64Array);
      });
      return rows.map((some, index) => joined(some, parts.encoder.stageDimensions[index]!));
    },
    release: () => model.release(),
  };
}

/** Rows of batches in one matrix. */
function joined(batches: readonly Float64Array[], width: number): Tensor {
  const all = new Float64Array(batches.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const batch of batches) {
    all.set(batch, at);
    at += batch.length;
  }
  return torch.fromTyped(all, [all.length / width, width]);
}

function load({ graph }: EncoderGraph): Promise<RuntimeModel> {
  return loadModel(graph.toModel("encoder", "").toBytes());
}

async function eachBatch(
  { preprocessing }: ClassifierParts,
  model: RuntimeModel,
  photos: readonly Uint8Array[],
  wanted: readonly string[],
  use: (outputs: Readonly<Record<string, RuntimeTensor>>) => void,
): Promise<void> {
  for (let start = 0; start < photos.length; start += BATCH) {
    const batch = photos.slice(start, start + BATCH);
    use(await model.run({ [INPUT]: interleaved(batch, preprocessing.imageSize) }, wanted));
  }
}

/** Planes of photos of one size as an exported model takes them, [N, size, size, 3]. */
export function interleaved(photos: readonly Uint8Array[], size: number): RuntimeTensor {
  const pixels = size * size;
  const data = new Uint8Array(photos.length * 3 * pixels);
  for (const [photo, planes] of photos.entries())
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0; i < pixels; i++)
        data[3 * (photo * pixels + i) + channel] = planes[channel * pixels + i]!;
  return { type: "uint8", dims: [photos.length, size, size, 3], data };
}

function widened(range: Range | undefined, values: Float32Array): Range {
  let [low, high] = range ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
