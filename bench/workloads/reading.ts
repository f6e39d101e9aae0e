import * as torch from "@penumbra/torch";
import { now } from "../clock.ts";
import { type Built, repeated, type Workload } from "./workload.ts";

const ELEMENTS = 1_000_000;
/** Copies that a program still holds when it makes the next one. */
const KEPT = 8;

type Way = "fresh" | "kept" | "into";

/** `beside`: whether the peer's copy is awaited as well, made by another thread. */
function reading(
  way: Way,
  step: (x: torch.Tensor) => () => unknown,
  { run = copied, beside = "blocking" }: { run?: typeof copied; beside?: "blocking" | "awaited" } = {},
): Workload {
  return {
    module: "reading",
    parameters: { elements: ELEMENTS, way, kept: KEPT, awaited: beside === "awaited" },
    build: () => ({ run: run(step(torch.randn([ELEMENTS]))), facts: { elements: ELEMENTS } }),
  };
}

const copied = (copy: () => unknown): Built["run"] => repeated(() => void copy());

const awaited =
  (copy: () => unknown): Built["run"] =>
  async (steps) => {
    const started = now();
    for (let index = 0; index < steps; index += 1) await copy();
    return (now() - started) / steps;
  };

function keeping(copy: () => unknown): () => unknown {
  const kept: unknown[] = [];
  return () => {
    if (kept.push(copy()) > KEPT) kept.shift();
  };
}

/** A copy of a tensor's elements, while the event loop waits, that nobody keeps. */
export const toTyped = reading("fresh", (x) => () => x.toTyped());

/** The same where the last copies are still held. */
export const toTypedKept = reading("kept", (x) => keeping(() => x.toTyped()));

/** A copy into an array that is there. */
export const toTypedInto = reading("into", (x) => {
  const into = new Float32Array(ELEMENTS);
  return () => x.toTyped({ into });
});

const fresh = (x: torch.Tensor) => () => x.data();
const into = (x: torch.Tensor) => {
  const array = new Float32Array(new SharedArrayBuffer(4 * ELEMENTS));
  return () => x.data({ into: array });
};

/** A fresh copy while the event loop goes on, beside one for which Python waits. */
export const data = reading("fresh", fresh, { run: awaited });

/** The same into an array that is there. */
export const dataInto = reading("into", into, { run: awaited });

/** A fresh copy while the event loop goes on, on both sides. */
export const dataAwaited = reading("fresh", fresh, { run: awaited, beside: "awaited" });

/** The same into an array that is there. */
export const dataIntoAwaited = reading("into", into, { run: awaited, beside: "awaited" });
