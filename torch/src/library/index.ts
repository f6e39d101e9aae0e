// Finds libtorch, builds the addon against it and loads it; knows what the processor can do.
export { cacheFolder } from "./cache.ts";
export { type CpuFeatures, cpuFeatures } from "./cpu.ts";
export { deploy } from "./deploy.ts";
export { type Diagnosis, describeDiagnosis, diagnose } from "./doctor.ts";
export { LibraryError } from "./error.ts";
export { type Addon, findAddon, loadAddon } from "./load.ts";
export { type Libtorch, locate, type Place, searchPlaces } from "./locate.ts";
export { type Precision, type PrecisionSetting, resolvePrecision } from "./precision.ts";
export { setup } from "./setup.ts";
