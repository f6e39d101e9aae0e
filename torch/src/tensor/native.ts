import { LibraryError } from "../library/error.ts";
import { loadAddon } from "../library/load.ts";
import { packageRoot } from "../library/package.ts";

/** A tensor's or generator's JavaScript object, as the addon sees it. */
type Handle = object;
type Handles = readonly (Handle | null)[];

/** The property of a Tensor that holds the number of its slot in the addon's table; 0 once it is disposed. */
export const slot: unique symbol = Symbol("slot");
/** The property of a Tensor that holds the index of the operator that made it; -1 where none did. */
export const maker: unique symbol = Symbol("maker");

/** Bytes of a GPU's memory. */
export interface CudaMemory {
  /** What tensors have. */
  readonly allocated: number;
  /** What libtorch holds, for these tensors and for later ones. */
  readonly reserved: number;
  /** The most that tensors had. */
  readonly peakAllocated: number;
  /** The most that libtorch held. */
  readonly peakReserved: number;
}

/** What a profile saw, in columns: see `endProfile` in profiler.cpp. Times in µs since it began. */
export interface RawProfile {
  readonly names: readonly string[];
  readonly shapeTexts: readonly string[];
  readonly devices: readonly string[];
  readonly elapsed: number;
  readonly name: Int32Array;
  readonly shapes: Int32Array;
  readonly parent: Int32Array;
  readonly thread: Int32Array;
  readonly scope: Int32Array;
  readonly sequence: Float64Array;
  readonly begin: Float64Array;
  readonly end: Float64Array;
  readonly memoryEvent: Int32Array;
  readonly memoryDevice: Int32Array;
  readonly memoryTime: Float64Array;
  readonly memoryBytes: Float64Array;
}

/** A group of processes, work that one is doing, a compiled network or a CUDA graph, as the addon sees it. */
export type Held = object;

/** What the addon exports where libtorch was built with Gloo. Work is begun here and done when `wait` returns. */
export interface Communication {
  createGroup(
    rank: number,
    size: number,
    host: string,
    port: number,
    servesStore: boolean,
    networkInterface: string,
    joinTimeoutMs: number,
    timeoutMs: number,
  ): Held;
  closeGroup(group: Held): void;
  beginAllReduce(group: Held, tensor: Handle, reduction: string): Held;
  beginBroadcast(group: Held, tensor: Handle, root: number): Held;
  beginAllGather(group: Held, output: Handle, input: Handle): Held;
  beginReduceScatter(group: Held, output: Handle, input: Handle, reduction: string): Held;
  beginBarrier(group: Held): Held;
  wait(work: Held): void;
}

/** What the addon exports. This is the only place where the border is typed by hand. */
export interface Native extends Partial<Communication> {
  registerClasses(
    tensor: unknown,
    generator: unknown,
    error: unknown,
    slotKey: symbol,
    makerKey: symbol,
    warn: (text: string) => void,
  ): void;
  packet(name: string): number;
  packetName(packet: number): string;
  nameId(name: string): number;
  directForms(packet: number): number;
  direct(packet: number, slot: number, second?: number, third?: number): number;
  directScalar(packet: number, slot: number, value: number): number;
  call(packet: number, positionalCount: number, ...args: unknown[]): unknown;
  roundTrip(
    packet: number,
    positionalCount: number,
    ...args: unknown[]
  ): { schema: string; values: unknown[] };
  schemas(): unknown;
  guards(): unknown;
  free(slots: Int32Array, count: number): void;
  own(tensor: Handle, slot: number): void;
  layout(tensor: Handle): string;
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  device(tensor: Handle): string;
  numel(tensor: Handle): number;
  ndim(tensor: Handle): number;
  itemSize(tensor: Handle): number;
  storage(tensor: Handle): { address: string; bytes: number };
  differingSizes(lists: readonly Handles[]): number;
  fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: string): unknown;
  byteLength(tensor: Handle): number;
  readBytes(tensor: Handle, target: Uint8Array, begin: number): void;
  readBytesAsync(tensor: Handle, target: Uint8Array): Promise<void> | undefined;
  writeBytes(tensor: Handle, source: Uint8Array, begin: number): void;
  shareMemory(
    tensor: Handle,
    allocate: (bytes: number) => ArrayBuffer,
  ): { buffer: ArrayBuffer; byteOffset: number };
  give(tensor: Handle): number;
  take(given: number): unknown;
  givenTensors(): number;
  memory(): { tensors: number; bytes: number };
  customFunction(
    forward: (inputs: unknown[]) => Handles,
    backward: (gradients: unknown[], saved: unknown[]) => Handles,
    inputs: Handles,
    saved: Handles,
  ): unknown;
  backward(
    tensors: Handles,
    gradients: Handles,
    retain: boolean,
    create: boolean,
    inputs: Handles | null,
  ): void;
  grad(
    outputs: Handles,
    inputs: Handles,
    gradOutputs: Handles,
    retain: boolean,
    create: boolean,
    unused: boolean,
  ): unknown;
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, flag: boolean): void;
  gradFn(tensor: Handle): string | null;
  gradient(tensor: Handle): unknown;
  setGradient(tensor: Handle, gradient: Handle | null): void;
  reachesAllLeaves(): boolean;
  reachesOtherLeaves(outputs: Handles, inputs: Handles): boolean;
  graphAge(): number;
  reachesOlder(outputs: Handles, age: number): boolean;
  setGradMode(enabled: boolean): boolean;
  gradMode(): boolean;
  inferenceMode<T>(callback: () => T): T;
  setAnomalyMode(
    enabled: boolean,
    checkNan: boolean,
    whereCalled: () => string,
  ): { enabled: boolean; checkNan: boolean };
  /** Of the results of all operators on this thread: 0 checks nothing, 1 refuses NaN, 2 infinite numbers too. */
  setNumericsCheck(check: 0 | 1 | 2): 0 | 1 | 2;
  nonFinite(tensor: Handle, refusesInfinite: boolean): string | null;
  loadPackage(file: string, name: string, device: number): Held;
  describePackage(network: Held): {
    inputs: string;
    outputs: string;
    constants: string[];
    metadata: [key: string, value: string][];
  };
  runPackage(network: Held, inputs: Handles): unknown;
  disposePackage(network: Held): void;
  beginGraph(device: number): Held;
  recordGraph(graph: Held): void;
  endGraph(graph: Held): void;
  replayGraph(graph: Held): void;
  disposeGraph(graph: Held): void;
  beginProfile(shapes: boolean, memory: boolean): void;
  endProfile(): RawProfile;
  recordRange<T>(name: string, callback: () => T): T;
  setAutocast(device: string, dtype: string, enabled: boolean, nesting: 1 | -1): void;
  autocastState(device: string): { enabled: boolean; dtype: string };
  manualSeed(seed: bigint): void;
  attachGenerator(generator: Handle, device: string, seed: bigint): void;
  defaultGenerator(device: string): unknown;
  generatorSeed(generator: Handle, seed: bigint): void;
  generatorState(generator: Handle): unknown;
  setGeneratorState(generator: Handle, state: Handle): void;
  generatorDevice(generator: Handle): string;
  threads(): number;
  setThreads(count: number): void;
  setDeterministic(enabled: boolean, warnOnly: boolean): void;
  deterministic(): boolean;
  setCudnnBenchmark(enabled: boolean): void;
  setTf32(enabled: boolean): void;
  cudaDevices(): number;
  /** Why CUDA's part of libtorch is not loaded; empty where it is. */
  cudaProblem(): string;
  cudaSynchronize(device: number): void;
  cudaMemory(device: number): CudaMemory;
  cudaEmptyCache(): void;
  onGradients(leaves: Handles, callback: ((index: number) => void) | null): void;
  afterBackward(callback: () => void): void;
  information(): { version: string; config: string; parallel: string; cpuCapability: string };
}

/** The place in the global object where the copy of this package that has loaded the addon says where it lies. */
const COPY = Symbol.for("@penumbra/torch");

/** The addon knows one class of tensors: with two, each would take those of the other for something else. */
function refuseSecondCopy(): void {
  const world = globalThis as { [COPY]?: string };
  packageRoot(); // says first where this code has been put into a bundle
  const own = new URL("..", import.meta.url).href;
  const first = world[COPY];
  world[COPY] ??= own;
  if (first === undefined || first === own) return;
  throw new LibraryError(
    `Two copies of @penumbra/torch are in this process, and tensors of one are none to the other: "${first}" and "${own}".`,
    [
      "`npm ls @penumbra/torch` shows who depends on which version; `npm dedupe`, or the same version everywhere, leaves one.",
      "Is one bundled? Mark @penumbra/torch as external.",
    ],
  );
}

const uponLoad: ((addon: Native) => void)[] = [];

/** @internal Runs `task` with the addon as soon as it is loaded, before its first use. */
export function onLoad(task: (addon: Native) => void): void {
  uponLoad.push(task);
}

/**
 * The addon. Whoever reads a member of it for the first time loads it, and with it libtorch: to import this package
 * costs nothing, and works where there is no libtorch. From then on the variable holds the addon's own exports.
 */
export let native: Native = new Proxy({} as Native, {
  get(_, member: keyof Native) {
    refuseSecondCopy();
    const addon = loadAddon() as Native;
    for (const task of uponLoad) task(addon);
    native = addon;
    return addon[member];
  },
});
