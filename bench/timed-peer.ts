// A script of peers/ that does the same piece of work whenever it is told to, and says how long it took.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface TimedPeer {
  /** Has it done once; seconds of its processor time. */
  time(): Promise<number>;
  end(): void;
}

/** @param script in peers/: writes a line when it is ready, and seconds for each line that it reads */
export async function startTimed(
  python: string,
  script: string,
  args: readonly (string | number)[],
): Promise<TimedPeer> {
  const peer = spawn(python, [join(import.meta.dirname, "peers", script), ...args.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await answers.next();
    if (done)
      throw new Error(
        "The Python peer ended; its error is above. It needs torch, diffusers and transformers.",
      );
    return value;
  };
  await answer();
  return {
    async time() {
      peer.stdin.write("go\n");
      return Number(await answer());
    },
    end: () => void peer.stdin.end(),
  };
}

/** Seconds of this process's own processor time. */
export function processorTime(work: () => void): number {
  const started = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}

/** The median of ratios with their range, in words. */
export function inWords(ratios: readonly number[]): string {
  const sorted = [...ratios].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]!.toFixed(2)} times as fast (${sorted[0]!.toFixed(2)} to ${sorted.at(-1)!.toFixed(2)})`;
}
