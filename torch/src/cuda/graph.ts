import {
  dispose,
  forEachTensor,
  type Held,
  keep,
  native,
  scope,
  synchronous,
  TorchError,
} from "../tensor/index.ts";
import { checkGpu } from "./device.ts";

export interface CaptureOptions {
  /** Which GPU. Default 0. */
  readonly device?: number;
  /** How often the function runs before it is recorded: libraries choose their algorithms then. Default 3, as in PyTorch. */
  readonly warmup?: number;
}

/** What a function asked of a GPU, recorded by `cuda.capture`. */
export class CudaGraph<Result> {
  readonly #graph: Held;
  /** What the function returned. The tensors in it are the graph's: every replay writes them anew. */
  readonly result: Result;

  /** @internal */
  constructor(graph: Held, result: Result) {
    this.#graph = graph;
    this.result = result;
  }

  /**
   * Does it all again, on the memory that it was recorded with: copy new inputs into the tensors that the function read.
   * @returns `result`; the GPU may still be at work on it, as after any operator
   * @throws TorchError for a disposed graph
   */
  replay(): Result {
    native.replayGraph(this.#graph);
    return this.result;
  }

  /** Releases the recording and the tensors in `result`. */
  dispose(): void {
    native.disposeGraph(this.#graph);
    forEachTensor(this.result, dispose);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Records what `fn` asks of a GPU (`torch.cuda.graph` of PyTorch): a replay is one call instead of one for each kernel,
 * which pays where kernels are small. `fn` must ask for the same each time: fixed shapes, no `item()` or other look at a
 * result, no copies to the CPU. Backward passes can be recorded too; step the optimizer outside. Random numbers of the
 * default generator differ from replay to replay.
 *
 * Compiled and looked up, but not tried on a GPU yet.
 *
 * @throws TorchError where there is no such GPU, and where `fn` does what cannot be recorded
 * @example
 * const images = torch.zeros([16, 3, 224, 224], { device: "cuda" });
 * const graph = cuda.capture(() => noGrad(() => model.forward(images)));
 * images.copy_(batch);
 * const logits = graph.replay();
 */
export function capture<Result>(
  fn: () => Result,
  { device = 0, warmup = 3 }: CaptureOptions = {},
): CudaGraph<Result> {
  checkGpu(device);
  if (!Number.isInteger(warmup) || warmup < 0)
    throw new TorchError(`capture(): warmup is ${warmup}; it must be a whole number from 0 on.`);
  const graph = native.beginGraph(device);
  let isWhole = false;
  try {
    for (let run = 0; run < warmup; run += 1) scope(() => void synchronous("capture", fn()));
    native.recordGraph(graph);
    const result = keep(scope(() => synchronous("capture", fn())));
    isWhole = true;
    native.endGraph(graph);
    return new CudaGraph(graph, result);
  } catch (error) {
    if (!isWhole) abandon(graph);
    native.disposeGraph(graph);
    throw error;
  }
}

/** Ends a recording that failed: CUDA says so once more, which hides the reason. */
function abandon(graph: Held): void {
  try {
    native.endGraph(graph);
  } catch (error) {
    if (!(error instanceof TorchError)) throw error;
  }
}
