import { Worker, type WorkerOptions } from "node:worker_threads";

/** A worker that runs child.ts. */
export const start = (task: string): Worker =>
  startTypeScript(new URL("./child.ts", import.meta.url), { workerData: { task } });

/** A worker that runs a file whose TypeScript goes through tsx, as in any Node process. */
export function startTypeScript(file: URL, options: WorkerOptions): Worker {
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file.href)}); })`;
  return new Worker(source, { ...options, eval: true, execArgv: ["--conditions=source"] });
}
