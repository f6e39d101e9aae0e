import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomicSync } from "../../files/index.ts";

const CLOCK_FILE = "clock.json";

/** Working time of a stage over all its starts. */
export interface Clock {
  readonly starts: number;
  seconds(): number;
  /** Writes the time down, now and then. */
  tick(): void;
}

/**
 * Working time that survives kills: written at most every two seconds, read again on the next start. Written
 * synchronously, because a training loop may hold the event loop for as long as it runs.
 */
export async function startClock(work: string): Promise<Clock> {
  const path = join(work, CLOCK_FILE);
  let before = { seconds: 0, starts: 0 };
  try {
    before = JSON.parse(await readFile(path, "utf8")) as typeof before;
  } catch {
    // No clock: the stage is new, or was killed in its first instant.
  }
  const startedAt = performance.now();
  const starts = before.starts + 1;
  const seconds = () => before.seconds + (performance.now() - startedAt) / 1000;
  let writtenAt = startedAt;
  const write = () => {
    writeFileAtomicSync(path, JSON.stringify({ seconds: seconds(), starts }), { flush: false });
  };
  write();
  return {
    starts,
    seconds,
    tick() {
      if (performance.now() - writtenAt < 2000) return;
      writtenAt = performance.now();
      write();
    },
  };
}

/** A finished stage's time stands in its manifest. */
export async function removeClock(work: string): Promise<void> {
  await rm(join(work, CLOCK_FILE), { force: true });
}
