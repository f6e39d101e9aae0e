import { DeployError } from "../classifier/index.ts";

/** A tensor that goes into a model or comes out of it. */
export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | Float64Array | Uint8Array | BigInt64Array;
}

/** A model that onnxruntime has loaded. */
export interface RuntimeModel {
  readonly outputNames: readonly string[];
  /** Runs the model; inputs and outputs by name. @param wanted the outputs to compute; default all */
  run(
    inputs: Readonly<Record<string, RuntimeTensor>>,
    wanted?: readonly string[],
  ): Promise<Readonly<Record<string, RuntimeTensor>>>;
  release(): Promise<void>;
}

/** What is used of onnxruntime-node, which is an optional package: its types are not those of everyone. */
interface Runtime {
  readonly Tensor: new (type: string, data: RuntimeTensor["data"], dims: readonly number[]) => RuntimeTensor;
  readonly InferenceSession: {
    create(
      model: string | Uint8Array,
      options: object,
    ): Promise<{
      readonly outputNames: readonly string[];
      run(feeds: object, fetches?: readonly string[]): Promise<Record<string, RuntimeTensor>>;
      release(): Promise<void>;
    }>;
  };
}

const PACKAGE = "onnxruntime-node";

/**
 * Loads a model with onnxruntime on the CPU.
 *
 * @param model the path of a file, or its bytes
 * @throws DeployError where the package onnxruntime-node is not installed, and for a model that it refuses
 */
export async function loadModel(model: string | Uint8Array): Promise<RuntimeModel> {
  const { Tensor, InferenceSession } = await loadRuntime();
  // As many threads as libtorch uses: both are asked in turns.
  const threads = Number(process.env.OMP_NUM_THREADS) || 0;
  const session = await InferenceSession.create(model, {
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  }).catch((cause: Error) => {
    throw new DeployError(`onnxruntime refuses the exported model: ${cause.message}`, { cause });
  });
  return {
    outputNames: session.outputNames,
    run: (inputs, wanted = session.outputNames) => {
      const feeds = Object.entries(inputs).map(([name, { type, data, dims }]) => [
        name,
        new Tensor(type, data, dims),
      ]);
      return session.run(Object.fromEntries(feeds), wanted);
    },
    release: () => session.release(),
  };
}

async function loadRuntime(): Promise<Runtime> {
  try {
    return (await import(PACKAGE)) as Runtime;
  } catch (cause) {
    throw new DeployError(
      `An exported model is compared with the classifier before it is kept, by ${PACKAGE}, which cannot be loaded (${(cause as Error).message.split("\n")[0]}). Install it (without CUDA, which it would fetch and is not used): npm install ${PACKAGE} --onnxruntime-node-install=skip`,
      { cause },
    );
  }
}
