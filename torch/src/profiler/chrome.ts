import type { MemoryChange, ProfilerEvent } from "./events.ts";

/** An entry of Chrome's Trace Event Format; times in µs. */
export interface ChromeEvent {
  readonly ph: "X" | "C" | "M" | "s" | "f";
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: "e";
  readonly args?: Readonly<Record<string, unknown>>;
}

/** The object format of Chrome's traces, which chrome://tracing and ui.perfetto.dev open. */
export interface ChromeTrace {
  readonly displayTimeUnit: "ms";
  readonly traceEvents: readonly ChromeEvent[];
}

const CATEGORIES = { operator: "cpu_op", backward: "cpu_op", range: "user_annotation" } as const;

/**
 * The events as bars by thread, arrows from operators to their nodes of the backward pass, and the bytes of each device
 * over time, from 0 at the beginning.
 */
export function chromeTraceOf(
  events: readonly ProfilerEvent[],
  memory: readonly MemoryChange[],
): ChromeTrace {
  const pid = process.pid;
  const named = (thread: number): ChromeEvent => ({
    ph: "M",
    name: "thread_name",
    pid,
    tid: thread,
    args: { name: `thread ${thread}` },
  });
  const bars = events.map((event): ChromeEvent => {
    const { name, kind, thread, startUs, durationUs, shapes, sequence, selfBytes } = event;
    const args = {
      ...(shapes === null ? {} : { "Input Dims": shapes }),
      ...(sequence < 0 ? {} : { "Sequence number": sequence }),
      ...(selfBytes.size === 0 ? {} : { "Self bytes": Object.fromEntries(selfBytes) }),
    };
    return {
      ph: "X",
      cat: CATEGORIES[kind],
      name,
      pid,
      tid: thread,
      ts: startUs,
      dur: durationUs,
      args,
    };
  });
  const held = new Map<string, number>();
  const counters = memory.map(({ device, timeUs, bytes }): ChromeEvent => {
    const now = (held.get(device) ?? 0) + bytes;
    held.set(device, now);
    return { ph: "C", name: `bytes on ${device}`, pid, tid: 0, ts: timeUs, args: { bytes: now } };
  });
  const threads = [...new Set(events.map(({ thread }) => thread))].map(named);
  return {
    displayTimeUnit: "ms",
    traceEvents: [...threads, ...bars, ...arrowsOf(events, pid), ...counters],
  };
}

/** From the outermost operator that made a node to the node's run; libtorch numbers both alike. */
function arrowsOf(events: readonly ProfilerEvent[], pid: number): ChromeEvent[] {
  const forward = new Map<number, ProfilerEvent>();
  const arrows: ChromeEvent[] = [];
  for (const event of events) {
    const { kind, sequence } = event;
    if (sequence < 0) continue;
    if (kind === "operator") {
      if (!forward.has(sequence)) forward.set(sequence, event);
      continue;
    }
    const from = forward.get(sequence);
    if (!from) continue;
    const arrow = { cat: "fwdbwd", name: "fwdbwd", pid, id: sequence } as const;
    arrows.push({ ...arrow, ph: "s", tid: from.thread, ts: from.startUs });
    arrows.push({ ...arrow, ph: "f", bp: "e", tid: event.thread, ts: event.startUs });
  }
  return arrows;
}
