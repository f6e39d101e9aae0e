/** Several processes that train one network: groups, collective operations, averaged gradients, shared statistics. */
export { DataParallel, type DataParallelOptions } from "./data-parallel.ts";
export { type LaunchEnvironment, launchEnvironment } from "./environment.ts";
export { DistributedError } from "./error.ts";
export { initProcessGroup, ProcessGroup, type ProcessGroupOptions, type Reduction } from "./group.ts";
export { syncBatchNorm } from "./sync-batch-norm.ts";
