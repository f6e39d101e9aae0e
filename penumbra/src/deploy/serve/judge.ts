import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { type Tensor, threads } from "@penumbra/torch";
import type { Neighbour, Verdict } from "../classifier/index.ts";

/** What the thread of a classifier is told. */
export interface JudgeTask {
  readonly folder: string;
  readonly device: string;
  readonly detector: string;
}

/** A verdict, with the training photos that resemble the object most. */
export interface ServedVerdict extends Verdict {
  readonly neighbours: readonly Neighbour[];
}

/** Training photos that are told with a verdict at most. */
export const MOST_NEIGHBOURS = 10;

export type JudgeFunction = (pixels: Tensor, views: readonly number[]) => ServedVerdict[];

/** A classifier in a thread of its own: the event loop goes on while the network works. */
export class Judge {
  readonly #pool: threads.Pool<JudgeFunction>;

  constructor(task: JudgeTask) {
    this.#pool = new threads.Pool<JudgeFunction>(() => startWorker(task));
  }

  /** As `Classifier.judge`, with neighbours. */
  judge(pixels: Tensor, views: readonly number[]): Promise<ServedVerdict[]> {
    return this.#pool.run(pixels, views);
  }

  /** Ends the thread when what was asked of it is done. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** A checkout runs its sources as they are: the thread needs the loader that the process has. */
const SOURCE_START = `
  const { workerData } = require("node:worker_threads");
  import(workerData.tsx).then(async ({ register }) => {
    register();
    require("node:module").register(workerData.condition);
    await import(workerData.file);
  });
`;

function startWorker(task: JudgeTask): Worker {
  if (!import.meta.url.endsWith(".ts"))
    return new Worker(new URL("./judge-worker.js", import.meta.url), { workerData: task });
  // Resolved here: the thread would look for it where the process was started.
  const found = createRequire(import.meta.url).resolve("tsx/esm/api");
  const tsx = pathToFileURL(found.replace(/\.cjs$/, ".mjs")).href;
  const file = new URL("./judge-worker.ts", import.meta.url).href;
  const condition = new URL("../../../bin/source-condition.js", import.meta.url).href;
  return new Worker(SOURCE_START, { eval: true, workerData: { ...task, tsx, file, condition } });
}
