/** NVIDIA GPUs: which there are, their memory, and recordings of what they are asked. */
import { type CudaMemory, native } from "../tensor/index.ts";
import { checkGpu } from "./device.ts";
import { capture } from "./graph.ts";

export type { CaptureOptions, CudaGraph } from "./graph.ts";
export type { CudaMemory };

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
  capture,
  /** Lets cuDNN try several algorithms for each new shape and keep the fastest. */
  setCudnnBenchmark: (enabled: boolean): void => native.setCudnnBenchmark(enabled),
  /** Lets float32 matrix products and convolutions round their inputs to TF32. */
  setTf32: (enabled: boolean): void => native.setTf32(enabled),
} as const;
