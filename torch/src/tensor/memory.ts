import { fileURLToPath } from "node:url";
import { native, slot } from "./native.ts";

let tracing = false;
const places = new Map<WeakRef<{ [slot]: number }>, string>();

export interface MemoryReport {
  /** Tensors that are neither disposed nor collected. */
  readonly tensors: number;
  /** Bytes of those among them that own their CPU memory. */
  readonly bytes: number;
  /** Tensors that were given to another thread and not taken yet, in the whole process. */
  readonly given: number;
  /** Where the living tensors were made and how many there; only while tracing. */
  readonly places?: ReadonlyMap<string, number>;
}

/** Counts the living tensors of this thread; with `traceMemory(true)` before, also says where they were made. */
export function memory(): MemoryReport {
  const report = { ...native.memory(), given: native.givenTensors() };
  if (!tracing) return report;
  forgetDead();
  const counts = new Map<string, number>();
  for (const text of places.values()) counts.set(place(text), (counts.get(place(text)) ?? 0) + 1);
  return { ...report, places: counts };
}

let enough = 0;

/** @internal Notes where a tensor was made; now and then forgets those that are gone, so that the notes do not become the leak. */
export function note(tensor: { [slot]: number }): void {
  if (!tracing) return;
  places.set(new WeakRef(tensor), stack());
  if (places.size < enough) return;
  forgetDead();
  enough = 2 * places.size + 1000;
}

function forgetDead(): void {
  for (const reference of places.keys()) {
    const tensor = reference.deref();
    if (!tensor || tensor[slot] <= 0) places.delete(reference);
  }
}

/** Switches on (or off) the recording of where tensors are made. Slow; for finding leaks. */
export function traceMemory(enabled: boolean): void {
  tracing = enabled;
  if (!enabled) places.clear();
}

/** Where the call came from. The usual ten lines would end within a network of nested modules. */
function stack(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const text = new Error("made here").stack ?? "";
  Error.stackTraceLimit = before;
  return text;
}

/** The engine's own folder, as it stands in the lines of a stack. */
function ownFolder(): string[] {
  const url = new URL("..", import.meta.url);
  return [url.href, fileURLToPath(url)];
}

/** The first line of a stack outside of the engine and of JavaScript's own functions. */
function place(text: string): string {
  const lines = text.split("\n").slice(1);
  const own = ownFolder();
  const isOutside = (line: string) =>
    !line.includes("<anonymous>") && !own.some((folder) => line.includes(folder));
  return (lines.find(isOutside) ?? lines[0] ?? "unknown").trim();
}
