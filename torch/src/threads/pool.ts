import { parentPort, type Worker } from "node:worker_threads";
import { scope, TorchError } from "../tensor/index.ts";
import { forget, type Given, give, take } from "./give.ts";

export interface PoolOptions {
  /** Threads at most. Default 1: within an operator libtorch uses all cores already. */
  size?: number;
}

/** What a worker answers. */
type Answer =
  | { readonly result: unknown }
  | {
      readonly error: {
        readonly name: string;
        readonly message: string;
        readonly stack?: string | undefined;
        readonly operator?: string | undefined;
        readonly schema?: string | undefined;
      };
    };

interface Job {
  readonly args: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Worker threads that compute while the event loop goes on. Each loads its own model and answers one call at a time with
 * the function that it gave to `serve`; tensors go there and back without a copy. A worker that ends is replaced.
 *
 * @example
 * // classify.ts
 * const model = await load();
 * threads.serve((images: Tensor) => inferenceMode(() => model.forward(images).softmax(-1)));
 * // server.ts
 * const pool = new threads.Pool<typeof classify>(() => new Worker(new URL("./classify.ts", import.meta.url)));
 * const probabilities = await pool.run(images);
 */
export class Pool<Fn extends (...args: never[]) => unknown> {
  readonly #start: () => Worker;
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Job>();
  readonly #waiting: Job[] = [];
  #ended: (() => void) | undefined;
  #isClosed = false;

  /**
   * @param start makes a worker, whose file calls `serve`
   * @throws TorchError unless `size` is a whole number from 1 on
   */
  constructor(start: () => Worker, { size = 1 }: PoolOptions = {}) {
    if (!Number.isInteger(size) || size < 1)
      throw new TorchError(`The size of a pool is ${size}; it must be a whole number from 1 on.`);
    this.#start = start;
    this.#size = size;
  }

  /**
   * Calls the workers' function in one of them; waits for a free one.
   * @returns what it returned; tensors belong to the caller's scope
   * @throws what the function threw, and TorchError where the worker ended before it answered or the pool is closed
   */
  async run(...args: Parameters<Fn>): Promise<Awaited<ReturnType<Fn>>> {
    if (this.#isClosed) throw new TorchError("The pool is closed. Make a new one.");
    const given: unknown = give(args); // now: the caller may dispose of its tensors
    const result = await new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ args: given, resolve, reject });
      this.#next();
    });
    return take(result as Given<Awaited<ReturnType<Fn>>>);
  }

  /** Ends the workers when all that was asked of them is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#running.size + this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
    }
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#idle.pop() ?? (this.#running.size < this.#size ? this.#started() : undefined);
      if (!worker) return;
      const job = this.#waiting.shift() as Job;
      worker.ref();
      this.#running.set(worker, job);
      try {
        worker.postMessage(job.args);
      } catch (error) {
        forget(job.args);
        this.#done(worker)?.reject(error);
        this.#idle.push(worker);
      }
    }
    if (this.#running.size === 0) this.#ended?.();
  }

  #started(): Worker {
    const worker = this.#start();
    let problem: unknown;
    worker.on("message", (answer: Answer) => {
      const job = this.#done(worker);
      this.#idle.push(worker);
      if ("result" in answer) job?.resolve(answer.result);
      else job?.reject(errorOf(answer.error));
      this.#next();
    });
    worker.on("error", (error) => {
      problem = error;
    });
    worker.on("exit", (code) => {
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
      const job = this.#done(worker);
      if (!job) return;
      forget(job.args);
      job.reject(
        problem ??
          new TorchError(
            `The worker ended with code ${code} before it answered. Does its file call serve()?`,
          ),
      );
      this.#next();
    });
    return worker;
  }

  /** The job that the worker was at. An idle worker does not keep the process alive. */
  #done(worker: Worker): Job | undefined {
    const job = this.#running.get(worker);
    this.#running.delete(worker);
    worker.unref();
    return job;
  }
}

function errorOf({
  name,
  message,
  stack,
  operator,
  schema,
}: Extract<Answer, { error: unknown }>["error"]): Error {
  const error =
    name === "TorchError"
      ? new TorchError(message, operator, schema)
      : Object.assign(new Error(message), { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * Lets a worker thread answer a `Pool`'s calls with this function. Its tensors are released after each call.
 * @throws TorchError outside of a worker thread
 */
export function serve<Args extends unknown[]>(fn: (...args: Args) => unknown): void {
  const port = parentPort;
  if (!port) throw new TorchError("serve() belongs into the file of a worker thread, which a Pool starts.");
  port.on("message", async (args: Given<Args>) => {
    let answer: Answer | undefined;
    try {
      answer = { result: await scope(async () => give(await fn(...take(args)))) };
      port.postMessage(answer);
    } catch (cause) {
      forget(answer);
      const error = cause instanceof Error ? cause : new Error(String(cause));
      const { name, message, stack } = error;
      const details = error instanceof TorchError ? { operator: error.operator, schema: error.schema } : {};
      port.postMessage({ error: { name, message, stack, ...details } } satisfies Answer);
    }
  });
}
