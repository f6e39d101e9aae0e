import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, constants } from "node:os";
import { LibraryError } from "../library/error.ts";

/** Processes that were asked to end and have not after this long are killed. */
const GRACE_MS = 5_000;

export interface LaunchOptions {
  /** Processes on this machine. */
  readonly processes: number;
  readonly script: string;
  readonly args?: readonly string[];
  /** Machines that take part; the same on each. Default 1. */
  readonly machines?: number;
  /** This machine's number, 0 for the one that the others connect to. Default 0. */
  readonly machine?: number;
  /** Address and port of machine 0. Default: this machine's loopback and a free port. */
  readonly masterAddress?: string;
  readonly masterPort?: number;
  /** Options of Node for each process. Default: those of this one. */
  readonly nodeOptions?: readonly string[];
}

const USAGE =
  "penumbra-torch run --nproc N [--nnodes N --node-rank N --master-addr HOST --master-port N] script.js [arguments]";

const OPTIONS = ["nproc", "nnodes", "node-rank", "master-addr", "master-port"] as const;
type OptionName = (typeof OPTIONS)[number];

/**
 * The arguments of `penumbra-torch run`, which are torchrun's; what follows the script is the script's.
 * @throws LibraryError when one is unknown or out of range, or the script is missing
 */
export function parseLaunch(args: readonly string[]): LaunchOptions {
  const rest = [...args];
  const values = new Map<OptionName, string>();
  while (rest[0]?.startsWith("-")) {
    const [, written = "", attached] = rest.shift()!.match(/^--?([^=]*)(?:=(.*))?$/) ?? [];
    const name = OPTIONS.find((option) => option === written);
    if (!name) refuse(`there is no option "${written}"`);
    values.set(name, attached ?? rest.shift() ?? refuse(`--${name} needs a value`));
  }
  const whole = (name: OptionName, least: number, most: number): number | undefined => {
    const value = values.get(name);
    if (value === undefined) return undefined;
    if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    return refuse(`--${name} is "${value}"; it must be a whole number from ${least} to ${most}`);
  };
  const script = rest.shift() ?? refuse("no script was named");
  if (!existsSync(script)) refuse(`there is no file "${script}"`);
  const machines = whole("nnodes", 1, 1e5) ?? 1;
  const masterAddress = values.get("master-addr");
  const masterPort = whole("master-port", 1, 65535);
  if (machines > 1 && (masterAddress === undefined || masterPort === undefined))
    refuse("several machines need --master-addr and --master-port of the first one");
  return {
    ...{ script, args: rest, machines, machine: whole("node-rank", 0, machines - 1) ?? 0 },
    processes: whole("nproc", 1, 1024) ?? 1,
    ...(masterAddress === undefined ? {} : { masterAddress }),
    ...(masterPort === undefined ? {} : { masterPort }),
  };
}

function refuse(problem: string): never {
  throw new LibraryError(`run: ${problem}.`, [USAGE]);
}

/**
 * Runs a script in several processes, with torchrun's environment variables (RANK, WORLD_SIZE, LOCAL_RANK,
 * LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT), and OMP_NUM_THREADS as the processor's share of each unless it is set.
 * When one process ends with an error or by a signal, the others are ended.
 *
 * @param say is told, in a line each, which process failed and how
 * @returns the exit code: 0 when every process ended with 0, else that of the first that failed (128 + the signal's
 *   number where it was killed)
 */
export async function launch(options: LaunchOptions, say: (line: string) => void): Promise<number> {
  const { processes, script, args = [], machines = 1, machine = 0, nodeOptions = process.execArgv } = options;
  const { masterAddress = "127.0.0.1", masterPort = await freePort() } = options;
  const children = Array.from({ length: processes }, (_, localRank) =>
    spawn(process.execPath, [...nodeOptions, script, ...args], {
      stdio: "inherit",
      env: {
        OMP_NUM_THREADS: String(Math.max(1, Math.floor(availableParallelism() / processes))),
        ...process.env,
        RANK: String(machine * processes + localRank),
        WORLD_SIZE: String(machines * processes),
        LOCAL_RANK: String(localRank),
        LOCAL_WORLD_SIZE: String(processes),
        MASTER_ADDR: masterAddress,
        MASTER_PORT: String(masterPort),
      },
    }),
  );
  let exitCode = 0;
  const endAll = () => children.forEach(end);
  process.on("SIGINT", endAll).on("SIGTERM", endAll);
  const ends = children.map(async (child, localRank) => {
    const { code, how } = await endOf(child);
    if (code === 0 || exitCode !== 0) return;
    exitCode = code;
    const others = processes > 1 ? " The other ranks are being ended." : "";
    say(`Rank ${machine * processes + localRank} (process ${child.pid}) ${how}.${others}`);
    endAll();
  });
  await Promise.all(ends);
  process.off("SIGINT", endAll).off("SIGTERM", endAll);
  return exitCode;
}

function endOf(child: ChildProcess): Promise<{ code: number; how: string }> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 1, how: `could not be started: ${error.message}` }));
    child.on("exit", (code, signal) => {
      if (signal) resolve({ code: 128 + constants.signals[signal], how: `was ended by ${signal}` });
      else resolve({ code: code ?? 1, how: `ended with exit code ${code}` });
    });
  });
}

function end(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  child.on("exit", () => clearTimeout(timer));
}

/** A port of the loopback that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
