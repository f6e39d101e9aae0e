import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { basename, dirname, join } from "node:path";
import { asideOf, assertFreeSpace, cacheFolder, withLock, writeWhole } from "./cache.ts";
import { LibraryError } from "./error.ts";
import { ADDON_FILE, type BuildPlan, LOADER_FILE, planBuild } from "./key.ts";
import type { Libtorch } from "./locate.ts";
import { thisPlatform } from "./platform.ts";
import { type BuildRecord, isBuilt, RECORD_FILE } from "./record.ts";

/** Compiling one file against torch's headers takes about this much memory. */
const COMPILER_MEMORY = 1.5e9;

/**
 * Compiles what changed and links the addon; does nothing when it lies in the cache already.
 * @param say is told, in a line each, what takes time
 * @returns the folder of the addon
 * @throws LibraryError when libtorch lies there without its headers, there is no compiler, it is too old, or it reports an error
 */
export async function buildAddon(
  libtorch: Libtorch,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const plan = planBuild(libtorch, env);
  if (isBuilt(plan.folder)) return plan.folder;
  const lock = join(cacheFolder(env), "addon.lock");
  return withLock(
    lock,
    (pid) => say(`Waiting for another setup (process ${pid}).`),
    async () => {
      if (!isBuilt(plan.folder)) await compile(plan, say, env);
      return plan.folder;
    },
  );
}

async function compile(plan: BuildPlan, say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<void> {
  assertHeaders(plan.libtorch);
  const { compiler, version } = findCompiler(plan.libtorch, env);
  const missing = plan.sources.filter(({ object }) => !existsSync(object));
  assertFreeSpace(cacheFolder(env), 200e6, "the compiled addon");
  if (missing.length > 0) {
    const names = missing.map(({ source }) => basename(source)).join(", ");
    say(
      `Compiling ${names} with ${version} against libtorch ${plan.libtorch.version} (about a minute a file).`,
    );
  }
  const started = Date.now();
  await inParallel(parallelCompilers(), missing, async ({ source, flags, object }) => {
    mkdirSync(dirname(object), { recursive: true });
    const aside = asideOf(object);
    await runCompiler(
      compiler,
      [...plan.compileFlags, ...flags, "-c", source, "-o", aside],
      basename(source),
      () => rmSync(aside, { force: true }),
    );
    renameSync(aside, object);
  });
  mkdirSync(plan.folder, { recursive: true });
  const link = async (file: string, args: readonly string[]): Promise<number> => {
    const target = join(plan.folder, file);
    const aside = asideOf(target);
    await runCompiler(compiler, ["-o", aside, ...args], "linking", () => rmSync(aside, { force: true }));
    const { size } = statSync(aside);
    renameSync(aside, target);
    return size;
  };
  await link(LOADER_FILE, [...plan.compileFlags, plan.loader, ...thisPlatform().linkFlags]);
  const objects = plan.sources.map(({ object }) => object);
  const record: BuildRecord = {
    compiler: version,
    bytes: await link(ADDON_FILE, [...objects, ...plan.linkFlags]),
    libtorch: plan.libtorch.version,
    options: plan.options,
  };
  // The note comes last: an addon without it, or of another size, is not used.
  writeWhole(join(plan.folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
  say(`Built the addon in ${Math.round((Date.now() - started) / 1000)} s.`);
}

function assertHeaders({ version, root, hasHeaders }: Libtorch): void {
  if (hasHeaders) return;
  throw new LibraryError(
    `The addon for libtorch ${version} has to be compiled, and "${root}" holds the libraries without their headers (include/ATen).`,
    [
      "Use a whole libtorch: the torch folder of a Python environment, or the one that setup fetches when LIBTORCH is not set.",
      "Was this folder made by `penumbra-torch deploy`? Make it anew with this version of @penumbra/torch.",
    ],
  );
}

/**
 * The C++ compiler: `CXX`, else the platform's (g++, else clang++).
 * @throws LibraryError when there is none or it does not know the standard that the headers ask for
 */
export function findCompiler(
  libtorch: Pick<Libtorch, "version" | "cxxStandard">,
  env: NodeJS.ProcessEnv,
): { compiler: string; version: string } {
  const candidates = env.CXX ? [env.CXX] : thisPlatform().compilers;
  for (const compiler of candidates) {
    const answer = spawnSync(compiler, ["--version"], { encoding: "utf8", env });
    if (answer.status !== 0) continue;
    const version = answer.stdout.split("\n")[0] ?? compiler;
    const standard = `-std=c++${libtorch.cxxStandard}`;
    const check = spawnSync(compiler, [standard, "-fsyntax-only", "-x", "c++", "-"], {
      input: "int x;",
      env,
    });
    if (check.status === 0) return { compiler, version };
    throw new LibraryError(
      `${version} does not know ${standard}, which libtorch ${libtorch.version} needs.`,
      [
        "Install g++ 11.3 or newer, or clang 14 or newer.",
        "If it is installed under another name, set CXX to that name, for example CXX=g++-12.",
      ],
    );
  }
  throw new LibraryError(
    `No C++ compiler found: ${candidates.map((name) => `"${name}"`).join(" and ")} cannot be run.`,
    [
      "Install one: on Debian and Ubuntu `apt install g++`, on Fedora `dnf install gcc-c++`.",
      "If it is installed under another name, set CXX to that name.",
    ],
  );
}

function parallelCompilers(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_MEMORY)));
}

async function inParallel<T>(
  workers: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  const results = await Promise.allSettled(Array.from({ length: workers }, worker));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function runCompiler(
  compiler: string,
  args: readonly string[],
  what: string,
  onFailure: () => void,
): Promise<void> {
  const child = spawn(compiler, args, { stdio: ["ignore", "ignore", "pipe"] });
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, fail) => {
    child.on("error", fail).on("close", (exitCode, exitSignal) => done([exitCode, exitSignal]));
  });
  if (code === 0) {
    if (messages) process.stderr.write(messages);
    return;
  }
  onFailure();
  const lines = messages.split("\n");
  const shown = [...lines.slice(0, 40), ...(lines.length > 40 ? [`… ${lines.length - 40} more lines`] : [])];
  const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
  throw new LibraryError(`The C++ compiler ${how} (${what}).\n${shown.join("\n")}`, [
    signal
      ? "The machine may be short of memory: about 1.5 GB are needed for each file."
      : "Is the compiler older than the one that libtorch needs? Set CXX to a newer one.",
    ...(what === "linking"
      ? [`If an object file is damaged, remove "${join(cacheFolder(), "objects")}" and run setup again.`]
      : []),
    `The whole command: ${[compiler, ...args].join(" ")}`,
  ]);
}
