/** The process of a job: it is told a study, then task after task, and ends with the process that started it. */
import { setNumThreads } from "@penumbra/torch";
import { TABLES, withOwnSources } from "../config/index.ts";
import type { StudyContext } from "../stages/index.ts";
import { type StageEvent, StageStore } from "../store/index.ts";
import { type FromJob, type JobFailure, type JobStudy, type ToJob, unpackSplits } from "./messages.ts";
import { type StudyTask, taskRunner } from "./tasks.ts";

const parent = process.ppid;
/** Progress is told at most so often. */
const TELL_MS = 100;

let store: StageStore | undefined;
let run: ((task: StudyTask) => Promise<void>) | undefined;
const granted = new Map<string, () => void>();

process.on("message", (message: ToJob) => {
  if (message.kind === "granted") granted.get(message.hash)?.();
  else {
    work(message).then(
      () => tell({ kind: "ready", peakMemory: store?.peakMemory ?? 0 }),
      (error: unknown) => tell({ kind: "failed", error: failureOf(error) }),
    );
  }
});
process.on("disconnect", () => process.exit(0));

async function work(message: Exclude<ToJob, { readonly kind: "granted" }>): Promise<void> {
  if (message.kind === "study") run = prepare(message.study);
  else if (run) await run(message.task);
  else throw new Error("A job was given a task before its study.");
}

function prepare({ context, arms, run: folder, machine, model, ...packed }: JobStudy) {
  setNumThreads(machine.threads);
  store = new StageStore(folder, { machine: { ...machine }, onEvent, claim });
  const { tables } = withOwnSources(context.config, { ...TABLES, arms });
  const whole: StudyContext = { ...context, store, tables };
  return taskRunner(whole, unpackSplits(packed), model);
}

function failureOf(error: unknown): JobFailure {
  const { name, message, stack, code }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(String(error));
  return { name, message, stack, code };
}

let toldAt = 0;

function onEvent(event: StageEvent): void {
  if (event.event === "reused") return; // the study finds it itself
  if (event.event === "progress") {
    endWithParent();
    if (performance.now() - toldAt < TELL_MS && event.done < event.total) return;
    toldAt = performance.now();
  }
  tell({ kind: "event", event });
}

/** A training holds the event loop, and would not hear that its study has gone. */
function endWithParent(): void {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}

function claim(hash: string): Promise<() => void> {
  return new Promise((resolve) => {
    granted.set(hash, () => {
      granted.delete(hash);
      resolve(() => tell({ kind: "release", hash }));
    });
    tell({ kind: "claim", hash });
  });
}

function tell(message: FromJob): void {
  process.send?.(message);
}
