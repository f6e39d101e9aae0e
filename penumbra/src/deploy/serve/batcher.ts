import { DeployError } from "../classifier/index.ts";
import type { ServedVerdict } from "./judge.ts";

export interface BatcherOptions {
  /** Photos that go through the network together at most (an object with more goes alone). */
  readonly maxBatch: number;
  /** How long a photo waits for company, in milliseconds. */
  readonly maxWaitMs: number;
  /** Photos that wait at most: more are refused. */
  readonly maxQueue: number;
}

/** Thrown where too many photos wait: the caller may try again. */
export class QueueFullError extends DeployError {}

/** Decoded views of one object. */
export type Views = readonly Uint8Array[];

interface Job {
  readonly views: Views;
  readonly resolve: (verdict: ServedVerdict) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Gathers objects that arrive one by one into batches: one goes off when it is full, or when its first object has
 * waited long enough and the network is free. While a batch is judged, the next fills.
 */
export class Batcher {
  readonly #judge: (objects: readonly Views[]) => Promise<ServedVerdict[]>;
  readonly #options: BatcherOptions;
  readonly #waiting: Job[] = [];
  #photos = 0;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  /** @param judge answers in the order of the objects */
  constructor(judge: (objects: readonly Views[]) => Promise<ServedVerdict[]>, options: BatcherOptions) {
    this.#judge = judge;
    this.#options = options;
  }

  /** Photos that wait. */
  get length(): number {
    return this.#photos;
  }

  /**
   * The verdict of an object.
   * @throws QueueFullError where too many photos wait
   */
  submit(views: Views): Promise<ServedVerdict> {
    if (this.#photos + views.length > this.#options.maxQueue) {
      return Promise.reject(
        new QueueFullError(
          `${this.#photos} photos wait already, and ${this.#options.maxQueue} may. Try again later.`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ views, resolve, reject });
      this.#photos += views.length;
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing is judged. */
  async drained(): Promise<void> {
    if (!this.#isBusy && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    if (this.#photos >= this.#options.maxBatch) void this.#go();
    else this.#timer ??= setTimeout(() => void this.#go(), this.#options.maxWaitMs);
  }

  async #go(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#take();
    this.#isBusy = true;
    try {
      const verdicts = await this.#judge(batch.map(({ views }) => views));
      for (const [index, job] of batch.entries()) job.resolve(verdicts[index]!);
    } catch (error) {
      for (const job of batch) job.reject(error);
    } finally {
      this.#isBusy = false;
      this.#schedule();
      if (this.#waiting.length === 0 && !this.#isBusy) for (const done of this.#idle.splice(0)) done();
    }
  }

  /** The first objects, as many as fit; at least one. */
  #take(): Job[] {
    let photos = 0;
    let count = 0;
    for (const { views } of this.#waiting) {
      if (count > 0 && photos + views.length > this.#options.maxBatch) break;
      photos += views.length;
      count++;
    }
    this.#photos -= photos;
    return this.#waiting.splice(0, count);
  }
}
