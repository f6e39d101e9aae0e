import type { Device } from "./dtype.ts";
import { TorchError } from "./errors.ts";
import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

function checkedSeed(seed: number | bigint): bigint {
  const isWhole =
    typeof seed === "bigint" ? seed >= 0n && seed < 2n ** 64n : Number.isSafeInteger(seed) && seed >= 0;
  if (isWhole) return BigInt(seed);
  throw new TorchError(
    `The seed is ${seed}; it must be a whole number from 0 to 2^53 - 1, or a bigint below 2^64.`,
  );
}

export interface GeneratorOptions {
  /** A whole number from 0 to 2^53 - 1, or a bigint below 2^64. */
  seed: number | bigint;
  /** Default "cpu". */
  device?: Device;
}

/**
 * A stream of random numbers of its own: pass it as `generator` to operators that draw. The same seed gives
 * the same numbers on one kind of device.
 */
export class Generator {
  constructor(options?: GeneratorOptions) {
    // Without options the addon is about to attach a generator to this object itself.
    if (options) native.attachGenerator(this, options.device ?? "cpu", checkedSeed(options.seed));
  }

  /** Starts the stream anew from a seed: a whole number from 0 to 2^53 - 1, or a bigint below 2^64. */
  manualSeed(seed: number | bigint): this {
    native.generatorSeed(this, checkedSeed(seed));
    return this;
  }

  /** The state as a uint8 tensor, to be given to `setState` later. */
  getState(): Tensor {
    return native.generatorState(this) as Tensor;
  }

  setState(state: Tensor): this {
    native.setGeneratorState(this, state);
    return this;
  }

  get device(): Device {
    return native.generatorDevice(this);
  }
}

let listener: (generator: Generator) => void = () => {};

/** @internal Runs `fn`; `hear` is told of each generator that an operator is given inside, before it draws. */
export function hearDraws<T>(hear: (generator: Generator) => void, fn: () => T): T {
  const outer = listener;
  listener = (generator) => {
    outer(generator);
    hear(generator);
  };
  try {
    return fn();
  } finally {
    listener = outer;
  }
}

/** @internal An operator is about to draw from the generator. */
export const announceDraw = (generator: Generator): void => listener(generator);

/**
 * The generator that operators use when none is given. libtorch has one for the whole process: threads that draw from
 * it at the same time share its numbers. Give each worker thread a `Generator` of its own.
 */
export function defaultGenerator(device: Device = "cpu"): Generator {
  return native.defaultGenerator(device) as Generator;
}

/** Seeds the default generators of all devices, for all threads of the process. */
export function manualSeed(seed: number | bigint): void {
  native.manualSeed(checkedSeed(seed));
}
