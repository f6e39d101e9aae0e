/** What warnings.test.ts runs in a process of its own: libtorch's warnings on several threads, some of which are being ended. */
import { isMainThread, Worker, workerData } from "node:worker_threads";
import * as torch from "@penumbra/torch";

/** Warns with a text that names both sizes. */
export function resizeOutput(from: number, to: number): void {
  torch.scope(() =>
    torch.call("aten::add.out", torch.ones([to]), torch.ones([to]), { out: torch.ones([from]) }),
  );
}

const { task } = (workerData ?? {}) as { task?: string };

if (isMainThread) {
  process.on("warning", ({ name, message }) =>
    console.log(JSON.stringify({ thread: "main", name, message })),
  );
  resizeOutput(2, 3);
  resizeOutput(2, 3);
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(import.meta.url)}); })`;
  const start = (name: string) => new Worker(source, { eval: true, workerData: { task: name } });
  const ended = (worker: Worker) => new Promise((resolve) => worker.on("exit", resolve));
  await ended(start("warn"));
  for (let i = 0; i < 5; i++) {
    const worker = start("warn without end");
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
  }
  resizeOutput(4, 5);
} else if (task === "warn") {
  process.on("warning", ({ name, message }) =>
    console.log(JSON.stringify({ thread: "worker", name, message })),
  );
  resizeOutput(2, 3); // the process has heard of it
  resizeOutput(6, 7);
} else {
  const { parentPort } = await import("node:worker_threads");
  process.on("warning", () => {});
  parentPort!.postMessage("started");
  for (let size = 1; ; size++) resizeOutput(1000 + size, 10);
}
