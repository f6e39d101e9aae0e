// What runs in a worker thread of a DataLoader: the dataset's module is loaded here, and batches are read from it.
import { workerData } from "node:worker_threads";
import { TorchError } from "../tensor/index.ts";
import { serve } from "../threads/index.ts";
import { type CollateOptions, collate } from "./collate.ts";
import { DatasetError } from "./dataset.ts";
import {
  isIterable,
  type Read,
  Reader,
  type ReaderSettings,
  type ReadRequest,
  type Source,
} from "./reader.ts";

/** What a worker is told when it starts. */
export interface WorkerTask extends ReaderSettings {
  /** The URL of the module whose default export is the dataset, or a function that makes it. */
  readonly module: string;
  readonly dtypes: CollateOptions["dtypes"];
  /** Whether the loader was given a collate function, which the module has to export too. */
  readonly hasCollate: boolean;
  /** Of the loader's dataset; undefined where it is iterated. */
  readonly length: number | undefined;
}

/** A batch, or what became of an item: errors of classes of their own do not come through a message. */
export type WorkerAnswer =
  | { readonly read: Read<unknown> }
  | {
      readonly failed: {
        readonly index: number;
        readonly shard: number | undefined;
        readonly cause: ErrorParts;
      };
    };

export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

/** What the module of a dataset exports. */
interface DatasetModule {
  readonly default?: Source<unknown> | (() => Source<unknown> | Promise<Source<unknown>>);
  readonly collate?: (items: unknown[]) => unknown;
}

async function readerOf({
  module,
  dtypes,
  hasCollate,
  length,
  ...settings
}: WorkerTask): Promise<Reader<unknown, unknown>> {
  const exported = (await import(module)) as DatasetModule;
  const made = typeof exported.default === "function" ? await exported.default() : exported.default;
  const isDataset =
    typeof made === "object" && made !== null && (isIterable(made) || typeof made.length === "number");
  if (!isDataset)
    throw new TorchError(
      `The default export of "${module}" is no dataset. Export the loader's dataset, or a function that makes it.`,
    );
  const here = isIterable(made) ? undefined : made.length;
  if (here !== length)
    throw new TorchError(
      `The dataset of "${module}" has ${here ?? "no"} length in a worker, and the loader's ${length ?? "none"}. Give the loader what the module exports.`,
    );
  if (hasCollate !== (exported.collate !== undefined))
    throw new TorchError(
      `${hasCollate ? "The loader has a collate function, and" : "The loader has no collate function, but"} "${module}" ` +
        `${hasCollate ? "exports none" : "exports one"}. Export it as \`collate\` from there and give it to the loader, so that workers and loader do the same.`,
    );
  return new Reader(
    made,
    exported.collate ?? ((items) => collate(items, dtypes ? { dtypes } : {})),
    settings,
  );
}

function partsOf(cause: unknown): ErrorParts {
  if (!(cause instanceof Error)) return { name: "Error", message: String(cause), stack: undefined };
  const { name, message, stack } = cause;
  return { name, message, stack };
}

const reader = readerOf(workerData as WorkerTask);

/** Reads a batch; without a request, closes what nobody wants any more. */
async function answer(request?: ReadRequest): Promise<WorkerAnswer> {
  const opened = await reader;
  if (!request) {
    await opened.closeStopped();
    return { read: undefined };
  }
  try {
    return { read: await opened.read(request) };
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    return { failed: { index: error.index, shard: error.shard, cause: partsOf(error.cause) } };
  }
}

serve(answer);
