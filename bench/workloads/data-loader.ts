import { Worker, type WorkerOptions } from "node:worker_threads";
import { data } from "@penumbra/torch";
import { now } from "../clock.ts";
import photos, { SHAPE } from "./photos.ts";
import type { Workload } from "./workload.ts";

/** A thread whose TypeScript goes through tsx, which worker threads register for themselves. */
function startWorker(file: URL, options: WorkerOptions): Worker {
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file.href)}); })`;
  return new Worker(source, { ...options, eval: true });
}

/** An epoch of a DataLoader with worker threads; a step is an epoch. */
export const dataLoader: Workload = {
  module: "data_loader",
  parameters: SHAPE,
  build() {
    const loader = new data.DataLoader(photos, {
      batchSize: SHAPE.batch,
      shuffle: true,
      dtypes: { label: "int64" },
      workers: SHAPE.workers,
      module: new URL("./photos.ts", import.meta.url),
      startWorker,
    });
    const run = async (steps: number): Promise<number> => {
      const started = now();
      for (let epoch = 0; epoch < steps; epoch += 1) {
        for await (const { image, label } of loader)
          if (image.shape[0] !== label.numel) throw new Error("half a batch");
      }
      return (now() - started) / steps;
    };
    return { run, facts: { batches: loader.length } };
  },
};
