import { Worker } from "node:worker_threads";

/** A worker that runs child.ts; its TypeScript goes through tsx, as in any Node process. */
export function start(task: string): Worker {
  const url = new URL("./child.ts", import.meta.url).href;
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(url)}); })`;
  return new Worker(source, { eval: true, workerData: { task }, execArgv: ["--conditions=source"] });
}
