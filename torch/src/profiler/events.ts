import type { RawProfile } from "../tensor/index.ts";

/** An operator, a node of the backward pass, or a range that `record` named. */
export type ProfilerEventKind = "operator" | "backward" | "range";

/** One call. Times are µs of the clock on the wall, on the thread that made the call: on a GPU those of launching. */
export interface ProfilerEvent {
  /** `aten::addmm`, `AddmmBackward0`, or what `record` was given. */
  readonly name: string;
  readonly kind: ProfilerEventKind;
  /** libtorch's number of the thread. */
  readonly thread: number;
  /** Since the profile began. */
  readonly startUs: number;
  /** With the calls that it made. */
  readonly durationUs: number;
  /** Without them. */
  readonly selfUs: number;
  /** Sizes of the tensors among the inputs, as PyTorch writes them: `[[2, 3], [], [3]]`; null unless asked for. */
  readonly shapes: string | null;
  /** The call that made this one, on the same thread. */
  readonly parent: ProfilerEvent | null;
  readonly children: readonly ProfilerEvent[];
  /** Connects an operator with its node of the backward pass, which has the same; -1 for none. */
  readonly sequence: number;
  /** Bytes that were given to this call and those that it made, less what they gave back, by device. */
  readonly bytes: ReadonlyMap<string, number>;
  /** The same without the calls that it made. */
  readonly selfBytes: ReadonlyMap<string, number>;
}

/** What an allocator told: bytes that it gave, or took back (negative). */
export interface MemoryChange {
  readonly device: string;
  readonly timeUs: number;
  readonly bytes: number;
  /** Null outside of all operators, where tensors are disposed for example. */
  readonly event: ProfilerEvent | null;
}

/** An event while it is put together. */
interface Growing extends ProfilerEvent {
  selfUs: number;
  readonly children: ProfilerEvent[];
  readonly bytes: Map<string, number>;
  readonly selfBytes: Map<string, number>;
}

/** at::RecordScope of the events that are asked for. */
const KINDS: Readonly<Record<number, ProfilerEventKind>> = { 0: "operator", 1: "backward", 7: "range" };

/** The events as a forest, in the order of their begin, and what allocators told. */
export function eventsOf(raw: RawProfile): {
  events: readonly ProfilerEvent[];
  memory: readonly MemoryChange[];
} {
  const events: Growing[] = [];
  for (let i = 0; i < raw.name.length; i++) {
    const parent = raw.parent[i]! < 0 ? null : events[raw.parent[i]!]!; // a parent begins before its children
    const durationUs = raw.end[i]! - raw.begin[i]!;
    const event: Growing = {
      name: raw.names[raw.name[i]!]!,
      kind: KINDS[raw.scope[i]!]!,
      thread: raw.thread[i]!,
      startUs: raw.begin[i]!,
      durationUs,
      selfUs: durationUs,
      shapes: raw.shapes[i]! < 0 ? null : raw.shapeTexts[raw.shapes[i]!]!,
      parent,
      children: [],
      sequence: raw.sequence[i]!,
      bytes: new Map(),
      selfBytes: new Map(),
    };
    if (parent) {
      parent.children.push(event);
      parent.selfUs -= durationUs;
    }
    events.push(event);
  }
  return { events, memory: memoryOf(raw, events) };
}

function memoryOf(raw: RawProfile, events: readonly Growing[]): readonly MemoryChange[] {
  const add = (counts: Map<string, number>, device: string, bytes: number) =>
    counts.set(device, (counts.get(device) ?? 0) + bytes);
  return Array.from(raw.memoryBytes, (bytes, i) => {
    const device = raw.devices[raw.memoryDevice[i]!]!;
    const index = raw.memoryEvent[i]!;
    const event = index < 0 ? null : events[index]!;
    if (event) add(event.selfBytes, device, bytes);
    for (let e: ProfilerEvent | null = event; e; e = e.parent) add((e as Growing).bytes, device, bytes);
    return { device, timeUs: raw.memoryTime[i]!, bytes, event };
  });
}
