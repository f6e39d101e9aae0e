import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/distributed/launch.ts";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a TypeScript file with arguments in `size` processes that find each other on the loopback. */
export async function runRanks(script: URL, size: number, args: readonly string[] = []): Promise<Ended[]> {
  const port = await freePort();
  return Promise.all(
    Array.from({ length: size }, (_, rank) => startRank(script, { rank, size, port }, args).end),
  );
}

/** Starts a TypeScript file in a process with torchrun's variables. */
export function startRank(
  script: URL,
  { rank, size, port }: { rank: number; size: number; port: number },
  args: readonly string[] = [],
): { child: ChildProcess; end: Promise<Ended> } {
  const options = ["--import", "tsx", "--conditions=source", fileURLToPath(script), ...args];
  const child = spawn(process.execPath, options, {
    env: {
      ...{ ...process.env, NODE_OPTIONS: "", OMP_NUM_THREADS: "1" },
      ...{ RANK: `${rank}`, WORLD_SIZE: `${size}`, MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}` },
    },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const end = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject).on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, end };
}

/** What each rank printed as JSON; a rank that failed is an error with what it said. */
export function resultsOf<T>(ranks: readonly Ended[]): T[] {
  return ranks.map(({ code, signal, stdout, stderr }, rank) => {
    if (code !== 0) throw new Error(`rank ${rank} ended with ${signal ?? code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  });
}
