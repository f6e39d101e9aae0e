import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/distributed/launch.ts";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly elapsedMs: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a TypeScript file with arguments in `size` processes that find each other on the loopback. */
export async function runRanks(
  script: URL,
  size: number,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended[]> {
  const port = await freePort();
  return Promise.all(
    Array.from({ length: size }, (_, rank) =>
      runNode([fileURLToPath(script), ...args], {
        ...{ RANK: `${rank}`, WORLD_SIZE: `${size}`, LOCAL_RANK: `${rank}` },
        ...{ MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}`, OMP_NUM_THREADS: "1", ...env },
      }),
    ),
  );
}

/** Runs Node on the TypeScript sources until it ends. */
export function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", "--conditions=source", ...args], {
      env: { ...process.env, NODE_OPTIONS: "", ...env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code, signal, elapsedMs: performance.now() - started, stdout, stderr }),
    );
  });
}

/** What each rank printed as JSON; a rank that failed is an error with what it said. */
export function resultsOf<T>(ranks: readonly Ended[]): T[] {
  return ranks.map(({ code, signal, stdout, stderr }, rank) => {
    if (code !== 0) throw new Error(`rank ${rank} ended with ${signal ?? code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  });
}
