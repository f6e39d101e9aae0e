import type { Graph } from "../../../src/deploy/export/onnx/graph.ts";
import { loadModel, type RuntimeTensor } from "../../../src/deploy/export/onnx-runtime.ts";

/** What onnxruntime computes of a graph. */
export async function runGraph(
  graph: Graph,
  inputs: Readonly<Record<string, RuntimeTensor>>,
): Promise<Readonly<Record<string, RuntimeTensor>>> {
  const model = await loadModel(graph.toModel("test", "0").toBytes());
  try {
    return await model.run(inputs);
  } finally {
    await model.release();
  }
}
