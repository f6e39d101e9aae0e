import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FoundModel } from "../../diffusion/index.ts";
import type { Machine } from "../../results/index.ts";
import type { SeedSplit, StudyContext } from "../stages/index.ts";
import { type Artifact, type RunLock, type StageEvent, type StageSpec, StageStore } from "../store/index.ts";
import { type FromJob, type JobFailure, type JobStudy, packSplits, type ToJob } from "./messages.ts";
import { follows, type StudyTask, studyTasks, taskRunner } from "./tasks.ts";

/** Thrown for what went wrong in a job: as it said itself, or how it ended. */
export class JobError extends Error {
  override readonly name: string;
  readonly code: string | undefined;

  constructor({ name, message, stack, code }: JobFailure) {
    super(message);
    this.name = name;
    this.code = code;
    if (stack !== undefined) this.stack = stack;
  }
}

export interface JobsOptions {
  readonly context: StudyContext;
  readonly run: string;
  readonly machine: Machine;
  readonly splits: readonly SeedSplit[];
  readonly model: FoundModel | undefined;
  /** How many processes work at the same time. */
  readonly jobs: number;
  /** That they are spread over, in turn; all of one kind, or the bits depend on who makes a stage. */
  readonly devices: readonly string[];
  readonly lock: RunLock;
}

/**
 * Makes the stages that a study still lacks in several processes, so that it then finds them: what one makes and how
 * many threads it takes is what it would be in the study's own process, so that neither the number of jobs nor their
 * order changes a bit. Does nothing where fewer than two tasks have something to do.
 *
 * @throws JobError with what the first job throws, when all others have been ended; each stage is whole or not there
 */
export async function runJobs(options: JobsOptions): Promise<void> {
  const { context, splits, jobs, devices, lock } = options;
  const pending = await pendingTasks(options);
  if (Math.min(jobs, pending.length) < 2) return;
  const study: JobStudy = { ...studyOf(options), ...packSplits(splits) };
  await new Pool(context.store, pending, { study, devices }).run(Math.min(jobs, pending.length), lock);
}

/** Thrown by a store that only looks. */
class Missing extends Error {}

/** A store that makes nothing. */
class FindingStore extends StageStore {
  override async run(spec: StageSpec): Promise<Artifact> {
    const found = await this.find(spec);
    if (found) return found;
    throw new Missing();
  }
}

/** The tasks of which some stage does not lie there complete. */
async function pendingTasks({ context, run, splits, model }: JobsOptions): Promise<StudyTask[]> {
  const store = new FindingStore(run, {
    onEvent: (event) => event.event === "damaged" && context.store.adopt(event),
  });
  const find = taskRunner({ ...context, store }, splits, model);
  const pending: StudyTask[] = [];
  for (const task of studyTasks(context, splits)) {
    const isPending =
      pending.some((other) => follows(task, other)) ||
      (await find(task).then(
        () => false,
        (error: unknown) => {
          if (error instanceof Missing) return true;
          throw error;
        },
      ));
    if (isPending) pending.push(task);
  }
  return pending;
}

function studyOf({ context, run, machine, model }: JobsOptions): Omit<JobStudy, "photos" | "splits"> {
  const { store: _, tables, ...plain } = context;
  return { context: plain, arms: tables.arms, run, machine, model };
}

/** A process that works, with what it works on. */
interface Job {
  readonly process: ChildProcess;
  task: StudyTask | null;
  isReady: boolean;
  peakMemory: number;
  /** What it makes, for whoever asks why it ended. */
  making: string;
}

/** Processes that take tasks from one list. */
class Pool {
  readonly #store: StageStore;
  readonly #study: JobStudy;
  readonly #devices: readonly string[];
  readonly #pending: StudyTask[];
  readonly #jobs: Job[] = [];
  /** By the hash of a stage: who makes it first, and who waits for that. */
  readonly #claims = new Map<string, Job[]>();
  readonly #done: Promise<void>;
  #succeed = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(
    store: StageStore,
    pending: readonly StudyTask[],
    { study, devices }: { readonly study: JobStudy; readonly devices: readonly string[] },
  ) {
    this.#done = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    this.#store = store;
    this.#pending = [...pending];
    this.#study = study;
    this.#devices = devices;
  }

  async run(count: number, lock: RunLock): Promise<void> {
    const endAll = () => {
      for (const job of this.#jobs) job.process.kill("SIGKILL");
    };
    process.once("exit", endAll);
    const { signal } = this.#store;
    const onAbort = () => this.#fail(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    try {
      for (let started = 0; started < count; started++) this.#start();
      await lock.share(this.#jobs.flatMap(({ process: { pid } }) => pid ?? []));
      await this.#done;
    } finally {
      process.off("exit", endAll);
      signal?.removeEventListener("abort", onAbort);
      endAll();
      await Promise.all(this.#jobs.map(({ process }) => hasEnded(process)));
      this.#store.addMemory(this.#jobs.reduce((sum, { peakMemory }) => sum + peakMemory, 0));
      await lock.share([]);
    }
  }

  #start(): void {
    const job: Job = { process: startJob(), task: null, isReady: false, peakMemory: 0, making: "" };
    this.#jobs.push(job);
    job.process.on("message", (message) => this.#hear(job, message as FromJob));
    job.process.on("error", (error) => this.#fail(error));
    job.process.on("exit", (code, signal) => {
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      const what = job.making === "" ? "" : ` while it made ${job.making}`;
      const message = `A job of the study ${how}${what}. Where memory is short, run it with fewer (--jobs 1); what is finished is kept.`;
      this.#fail(new JobError({ name: "JobError", message, stack: undefined, code: undefined }));
    });
    this.#tell(job, { kind: "study", study: this.#studyOn(this.#jobs.length - 1) });
  }

  /** The study as a job is told it: with the device that is its turn. */
  #studyOn(place: number): JobStudy {
    const { context, machine, ...others } = this.#study;
    const device = this.#devices[place % this.#devices.length]!;
    return { ...others, context: { ...context, device }, machine: { ...machine, device } };
  }

  #hear(job: Job, message: FromJob): void {
    if (message.kind === "failed") this.#fail(new JobError(message.error));
    else if (message.kind === "event") this.#note(job, message.event);
    else if (message.kind === "claim") this.#claim(job, message.hash);
    else if (message.kind === "release") this.#release(message.hash);
    else {
      job.peakMemory = message.peakMemory;
      job.isReady = true;
      job.task = null;
      this.#assign();
    }
  }

  #note(job: Job, event: StageEvent): void {
    job.making = `${event.stage} ${event.label}`.trim();
    this.#store.adopt(event);
  }

  #claim(job: Job, hash: string): void {
    const line = this.#claims.get(hash);
    if (line) line.push(job);
    else {
      this.#claims.set(hash, [job]);
      this.#tell(job, { kind: "granted", hash });
    }
  }

  #release(hash: string): void {
    const [, ...waiting] = this.#claims.get(hash) ?? [];
    const [next] = waiting;
    if (next) {
      this.#claims.set(hash, waiting);
      this.#tell(next, { kind: "granted", hash });
    } else this.#claims.delete(hash);
  }

  /** Gives every idle job the first task that waits for nothing. */
  #assign(): void {
    for (const job of this.#jobs) {
      if (!job.isReady || job.task !== null) continue;
      const open = [...this.#pending, ...this.#jobs.flatMap(({ task }) => task ?? [])];
      const place = this.#pending.findIndex((task) => !open.some((other) => follows(task, other)));
      const [task] = place < 0 ? [] : this.#pending.splice(place, 1);
      if (!task) continue;
      job.task = task;
      this.#tell(job, { kind: "task", task });
    }
    if (this.#pending.length === 0 && this.#jobs.every(({ task }) => task === null)) this.#succeed();
  }

  #tell({ process }: Job, message: ToJob): void {
    if (process.connected) process.send(message);
  }
}

/** A checkout runs its sources as they are. */
function startJob(): ChildProcess {
  const isSource = import.meta.url.endsWith(".ts");
  const file = fileURLToPath(new URL(isSource ? "./job.ts" : "./job.js", import.meta.url));
  const loader = () => pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return fork(file, {
    execArgv: isSource ? ["--import", loader(), "--conditions=source"] : [],
    serialization: "advanced",
  });
}

function hasEnded(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null || process.pid === undefined) {
    return Promise.resolve();
  }
  return new Promise((resolve) => process.once("exit", () => resolve()));
}
