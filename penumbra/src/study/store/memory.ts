import { writeFileSync } from "node:fs";

/** Largest resident memory of the process, in bytes: since {@link forgetPeak} where the system forgets it, else ever. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024; // libuv gives kibibytes on every system
}

/** Lets the peak begin anew at what the process holds now. Linux alone can (proc(5), clear_refs). */
export function forgetPeak(): void {
  try {
    if (process.platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // A sandbox without /proc: the peak stays what it was.
  }
}
