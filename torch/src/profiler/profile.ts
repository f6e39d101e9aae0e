import { native, synchronous } from "../tensor/index.ts";
import { writeAll, writeWholeFile } from "../whole-file.ts";
import { type ChromeTrace, chromeTraceOf } from "./chrome.ts";
import { eventsOf, type MemoryChange, type ProfilerEvent } from "./events.ts";
import { type TableOptions, tableOf } from "./table.ts";
import { type OperatorTotals, type TotalsOptions, totalsOf } from "./totals.ts";

export interface ProfileOptions {
  /** Notes the inputs' sizes of every call. Default false. */
  shapes?: boolean;
  /** Counts what allocators give and take. Default false. */
  memory?: boolean;
}

/** What was seen while a function ran. */
export class Profile<T = unknown> {
  /** What the function returned. */
  readonly result: T;
  /** From the beginning to the end, with all JavaScript, in µs. */
  readonly elapsedUs: number;
  /** All calls, in the order of their begin; those without a parent are the outermost. */
  readonly events: readonly ProfilerEvent[];
  /** What allocators told, in order; empty unless asked for. Memory from before the profile is not counted when it is given back. */
  readonly memory: readonly MemoryChange[];

  /** @internal Profiles are made by `profile`. */
  constructor(result: T, elapsedUs: number, seen: ReturnType<typeof eventsOf>) {
    this.result = result;
    this.elapsedUs = elapsedUs;
    this.events = seen.events;
    this.memory = seen.memory;
  }

  /** Time, calls and memory by name, the most time of their own first: PyTorch's `key_averages()`. */
  totals(options: TotalsOptions = {}): readonly OperatorTotals[] {
    return totalsOf(this.events, options);
  }

  /** The totals as a table to print. @example console.log(profile.table({ rowLimit: 10 })) */
  table({ groupByShapes, ...options }: TotalsOptions & TableOptions = {}): string {
    return tableOf(this.totals({ groupByShapes }), options);
  }

  /** The trace that chrome://tracing and ui.perfetto.dev show. */
  chromeTrace(): ChromeTrace {
    return chromeTraceOf(this.events, this.memory);
  }

  /** Writes the trace as JSON, whole or not at all. */
  writeChromeTrace(file: string): void {
    writeWholeFile(file, (descriptor) =>
      writeAll(descriptor, Buffer.from(JSON.stringify(this.chromeTrace()))),
    );
  }
}

/**
 * Runs a function, synchronous or not, and tells what operators took: on this thread, with everything else that runs on
 * it meanwhile, and on those that libtorch's backward pass uses. On a GPU the times are those of launching kernels.
 * A profile keeps each call; without one, the observers are not there and cost nothing.
 *
 * @throws TorchError where a profile runs on this thread already, and what the function throws
 * @example
 * const seen = await profiler.profile(() => model.forward(x).sum().backward(), { memory: true });
 * console.log(seen.table({ rowLimit: 10 }));
 * seen.writeChromeTrace("step.json");
 */
export async function profile<T>(
  fn: () => T | Promise<T>,
  { shapes = false, memory = false }: ProfileOptions = {},
): Promise<Profile<T>> {
  native.beginProfile(shapes, memory);
  let result: T;
  try {
    result = await fn();
  } catch (error) {
    native.endProfile();
    throw error;
  }
  const raw = native.endProfile();
  return new Profile(result, raw.elapsed, eventsOf(raw));
}

/**
 * Runs a synchronous function as a range with a name, which the events, the table and the trace of a profile show around
 * its operators.
 * @throws TorchError when `fn` is asynchronous
 */
export const record = <T>(name: string, fn: () => T): T =>
  synchronous("record", native.recordRange(name, fn));
