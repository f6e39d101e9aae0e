import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as torch from "@penumbra/torch";
import type { Clock } from "./clock.ts";

/** A number, text or list that travels to the peer as JSON. */
type Parameters = Readonly<Record<string, unknown>>;

/** The peer: one Python process that lives as long as the run, speaks JSON lines and times its own steps. */
export interface Peer {
  readonly python: string;
  /** Builds a peer from `peers/<module>.py`; what it returns there are facts to compare (parameter counts, losses). */
  prepare(module: string, parameters: Parameters): Promise<Parameters>;
  /** Milliseconds per step, over `steps` of them. */
  run(steps: number): Promise<number>;
  close(): void;
}

/**
 * Starts the peer, making its environment on first use: a virtual environment in the project's cache with the
 * same version of torch.
 */
export async function startPeer(cache: string, clock: Clock, say: (line: string) => void): Promise<Peer> {
  const python = await peerEnvironment(cache, say);
  const worker = join(import.meta.dirname, "peers", "worker.py");
  const child = spawn(python, [worker, String(torch.getNumThreads()), clock], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ask = conversation(child);
  await ask({ do: "hello" });
  return {
    python,
    prepare: (module, parameters) => ask({ do: "prepare", module, parameters }),
    run: async (steps) => Number((await ask({ do: "run", steps })).milliseconds),
    close: () => {
      child.stdin?.end();
    },
  };
}

/** One question, one answer: both are a line of JSON. */
function conversation(child: ChildProcess): (question: Parameters) => Promise<Parameters> {
  if (!child.stdin || !child.stdout) throw new Error("The peer was started without pipes.");
  const { stdin } = child;
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (question) => {
    stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await answers.next();
    if (done)
      throw new Error(
        `The Python peer ended while it was asked ${JSON.stringify(question)}; its error is above.`,
      );
    const answer = JSON.parse(value) as Parameters;
    if (typeof answer.error === "string") throw new Error(`The Python peer failed:\n${answer.error}`);
    return answer;
  };
}

async function peerEnvironment(cache: string, say: (line: string) => void): Promise<string> {
  const version = torch.version().split("+")[0]!;
  const folder = join(cache, "bench", `torch-${version}`);
  const python = join(folder, "bin", "python");
  const complete = join(folder, ".complete");
  if (existsSync(complete)) return python;
  say(
    `Making the peers' environment in ${folder} with pip: torch ${version} and numpy, about 1 GB unpacked.`,
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(cache, "bench"), { recursive: true });
  await execute(process.env.PYTHON || "python3", ["-m", "venv", folder]);
  await execute(python, ["-m", "pip", "install", "--quiet", "--no-compile", `torch==${version}`, "numpy"]);
  writeFileSync(complete, "");
  return python;
}

/** Runs a program to its end, its output on this one's standard error. */
export async function execute(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", 2, 2] });
  const code = await new Promise<number | null>((done, fail) => child.on("error", fail).on("close", done));
  if (code !== 0)
    throw new Error(`"${program} ${args.join(" ")}" failed with exit code ${code}; its message is above.`);
}
