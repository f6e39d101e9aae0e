// A vitest reporter: names the last test of every worker that died, and fails a run in which a file's tests never ran.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

/** The tests that were running in workers that are no more; `folder` is where running-test.ts notes them. */
export function lastTests(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .sort();
}

export class DeadWorkers implements Reporter {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // A file of which every test is skipped never comes to the hook that takes its note back.
    const skipped = modules.filter((module) => module.state() === "skipped");
    const dead = lastTests(this.#folder).filter(
      (test) => !skipped.some(({ relativeModuleId }) => test.startsWith(`${relativeModuleId} (`)),
    );
    for (const test of dead) console.error(`A worker died in: ${test}`);
    const silent = modules.filter((module) => ["queued", "pending"].includes(module.state()));
    for (const { relativeModuleId } of silent) console.error(`Tests that never ran: ${relativeModuleId}`);
    if (dead.length + silent.length > 0) process.exitCode = 1;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
