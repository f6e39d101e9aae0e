/** What a step costs: time on the wall, or the processor time of all threads, which a busy machine distorts less. */
export type Clock = "wall" | "cpu";

/** Chosen once for the run by `--clock`, before anything is timed. */
let chosen: Clock = "wall";

export function chooseClock(clock: Clock): void {
  chosen = clock;
}

/** Milliseconds since some moment, by the chosen clock. */
export function now(): number {
  if (chosen === "wall") return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export const chosenClock = (): Clock => chosen;
