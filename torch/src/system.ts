import { type CudaMemory, native, TorchError } from "./tensor/index.ts";

/** Version of libtorch, for example "2.13.0". */
export const version = (): string => native.information().version;

/** What libtorch was compiled with, its thread settings, and the processor capability that it chose. */
export const information = () => native.information();

/** Number of threads that one operator may use. */
export const getNumThreads = (): number => native.threads();

/** @throws TorchError unless `count` is a whole number in 1 … 1024 */
export function setNumThreads(count: number): void {
  // OpenMP ends the process where the system refuses to make that many.
  if (!Number.isInteger(count) || count < 1 || count > 1024)
    throw new TorchError(`The number of threads is ${count}; it must be a whole number from 1 to 1024.`);
  native.setThreads(count);
}

/** Refuses (or with `warnOnly` reports) operators whose result may differ from run to run. */
export function useDeterministicAlgorithms(enabled: boolean, { warnOnly = false } = {}): void {
  native.setDeterministic(enabled, warnOnly);
}

/** Whether `useDeterministicAlgorithms` is on. */
export const areDeterministicAlgorithmsEnabled = (): boolean => native.deterministic();

function checkGpu(device: number): void {
  const count = native.cudaDevices();
  if (Number.isInteger(device) && device >= 0 && device < count) return;
  throw new TorchError(
    `There is no device "cuda:${device}": ${count} NVIDIA GPUs can be used. \`npx @penumbra/torch doctor\` shows why.`,
  );
}

export const cuda = {
  isAvailable: (): boolean => native.cudaDevices() > 0,
  deviceCount: (): number => native.cudaDevices(),
  /** Waits until all that was asked of the device is done. @throws TorchError where there is no such GPU */
  synchronize: (device = 0): void => {
    checkGpu(device);
    native.cudaSynchronize(device);
  },
  /**
   * The memory of a GPU that this process has.
   * @throws TorchError where there is no such GPU, and for libtorch before 2.9
   */
  memoryStats: (device = 0): CudaMemory => {
    checkGpu(device);
    return native.cudaMemory(device);
  },
  /** Gives back what libtorch holds beyond its tensors, on all GPUs. @throws TorchError for libtorch before 2.9 */
  emptyCache: (): void => native.cudaEmptyCache(),
  /** Lets cuDNN try several algorithms for each new shape and keep the fastest. */
  setCudnnBenchmark: (enabled: boolean): void => native.setCudnnBenchmark(enabled),
  /** Lets float32 matrix products and convolutions round their inputs to TF32. */
  setTf32: (enabled: boolean): void => native.setTf32(enabled),
} as const;

export type { CudaMemory };

/** One operator of libtorch, as its dispatcher describes it. */
export interface OperatorSchema {
  readonly name: string;
  readonly overload: string;
  /** For example "aten::relu(Tensor self) -> Tensor". */
  readonly schema: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly type: string;
    readonly list: boolean;
    readonly broadcast: boolean;
    readonly supported: boolean;
    readonly keywordOnly: boolean;
    readonly optional: boolean;
    readonly default?: string;
  }[];
  readonly returns: readonly string[];
}

/** Every operator that this libtorch has. */
export const schemas = (): OperatorSchema[] => native.schemas() as OperatorSchema[];

/** Calls that are refused because libtorch would end the process: see torch/native/guards.cpp. */
export interface OperatorGuard {
  /** For example "aten::div", with all its overloads. */
  readonly operators: readonly string[];
  /** What would happen. */
  readonly reason: string;
  /** The versions of libtorch in which it was seen. */
  readonly versions: string;
}

/** Every kind of call that is refused before libtorch sees it, because it would end the process there. */
export const guards = (): OperatorGuard[] => native.guards() as OperatorGuard[];
