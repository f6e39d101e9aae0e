import type { WatchOptions } from "../deploy/index.ts";

/** Watches a folder until the process is told to end; prints the lines that it appends to the log. */
export async function watchUntilStopped(
  folder: string,
  options: Pick<WatchOptions, "log" | "judge" | "views">,
): Promise<void> {
  const { watchPhotos } = await import("../deploy/index.ts");
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  process.stderr.write(
    `Watching ${folder}; verdicts go to ${options.log}. End it with Ctrl-C: the same command goes on.\n`,
  );
  await watchPhotos(folder, {
    ...{ ...options, signal: stop.signal },
    onEntry: (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`),
  });
}
