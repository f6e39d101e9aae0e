import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assertFreeSpace, cacheFolder, readableSize, withLock } from "./cache.ts";
import { LibraryError } from "./error.ts";
import { inspect, type Libtorch } from "./locate.ts";
import { missingNvidiaLibraries, nvidiaRequirements, requirementsFor } from "./nvidia.ts";

/** What setup fetches when nothing else is asked for. */
const DEFAULT_REQUIREMENT = "torch==2.13.0";

/** A CPU wheel is about 200 MB and unpacks to about 700 MB; pip needs both at once. */
const SPACE_FOR_CPU_BUILD = 1.2e9;

/** NVIDIA's wheels for one version of torch are about 2 GB and unpack to about 3 GB. */
const SPACE_FOR_NVIDIA = 5.5e9;

export interface FetchOptions {
  /** Options for pip as they are, and a requirement (`torch==2.8.0`) in place of the default one. */
  readonly pipArgs: readonly string[];
  /** With a CUDA build: fetch all of NVIDIA's libraries, not only those that the CPU part is linked to. */
  readonly withCuda: boolean;
}

/**
 * Fetches torch's wheel with pip into the project's cache. Nothing is installed into
 * the user's Python environment. An interrupted fetch goes on after the last finished step; what is not whole is
 * never used.
 *
 * @param say is told what is fetched, each size before its download
 * @throws LibraryError without Python or pip, offline, with no fitting wheel or too little disk space
 */
export async function fetchLibtorch(
  { pipArgs, withCuda }: FetchOptions,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Libtorch> {
  const python = findPip(env);
  const isRequirement = (arg: string): boolean => /^torch\s*([=<>~!@[]|$)/.test(arg);
  const requirement = pipArgs.find(isRequirement) ?? DEFAULT_REQUIREMENT;
  const options = pipArgs.filter((arg) => !isRequirement(arg));
  const key = createHash("sha256")
    .update([requirement, ...options].join("\0"))
    .digest("hex")
    .slice(0, 10);
  const name = `${requirement.replace(/[^a-z0-9.+]+/gi, "-")}-${key}`;
  const cache = cacheFolder(env);
  const folder = join(cache, "libtorch", name);
  return withLock(
    join(cache, "libtorch.lock"),
    (pid) => say(`Waiting for another setup (process ${pid}).`),
    async () => {
      const pip = { python, options, env, say };
      if (!existsSync(folder)) {
        assertFreeSpace(cache, SPACE_FOR_CPU_BUILD, "libtorch");
        const aside = `${folder}.part`;
        mkdirSync(aside, { recursive: true });
        await onceIn(aside, "torch", () => pipInstall(pip, aside, ["--no-deps", requirement]));
        await fetchNvidiaLibraries(pip, aside, withCuda);
        renameSync(aside, folder);
      } else await fetchNvidiaLibraries(pip, folder, withCuda);
      const found = inspect(join(folder, "torch"), "cache");
      if (typeof found === "string") {
        throw new LibraryError(
          `The wheel that pip fetched for "${requirement}" cannot be used: ${found} ("${folder}").`,
          [
            "Ask for a version from 2.6 on, for example `npm run setup -- torch==2.13.0`.",
            `If the folder was damaged, remove it and run setup again.`,
          ],
        );
      }
      return found;
    },
  );
}

/**
 * Fetches those of NVIDIA's libraries that the cache's libtorch, a CUDA build, needs and does not have. Does nothing,
 * in a moment, when nothing is missing.
 */
export async function completeLibtorch(
  libtorch: Libtorch,
  withCuda: boolean,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const folder = dirname(libtorch.root);
  if (missingLibraries(folder, withCuda).length === 0 || isDone(folder, "nvidia")) return;
  const pip = { python: findPip(env), options: [], env, say };
  await withLock(
    join(cacheFolder(env), "libtorch.lock"),
    (pid) => say(`Waiting for another setup (process ${pid}).`),
    () => fetchNvidiaLibraries(pip, folder, withCuda),
  );
}

function missingLibraries(folder: string, withCuda: boolean): string[] {
  const lib = join(folder, "torch", "lib");
  const forCuda = withCuda ? missingNvidiaLibraries(lib, "libtorch_cuda.so") : [];
  return [...new Set([...missingNvidiaLibraries(lib, "libtorch_cpu.so"), ...forCuda])];
}

async function fetchNvidiaLibraries(pip: Pip, folder: string, withCuda: boolean): Promise<void> {
  const missing = missingLibraries(folder, withCuda);
  if (missing.length === 0) return;
  const all = nvidiaRequirements(folder);
  const few = withCuda ? [] : requirementsFor(missing, all);
  if (few.length > 0) {
    pip.say(
      `This is a CUDA build, and this machine has no NVIDIA driver: of NVIDIA's libraries (about 2 GB) only ${missing.join(" and ")} are fetched, which the CPU part needs. \`npm run setup -- --with-cuda\` fetches all.`,
    );
    await pipInstall(pip, folder, few);
    if (missingLibraries(folder, withCuda).length === 0) return;
  }
  await onceIn(folder, "nvidia", async () => {
    pip.say("This is a CUDA build: NVIDIA's libraries belong to it (about 2 GB).");
    assertFreeSpace(folder, SPACE_FOR_NVIDIA, "NVIDIA's libraries");
    await pipInstall(pip, folder, all);
  });
}

interface Pip {
  readonly python: string;
  readonly options: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** Runs a step of the fetch unless an earlier, interrupted run has finished it. */
async function onceIn(folder: string, step: string, work: () => Promise<void>): Promise<void> {
  if (isDone(folder, step)) return;
  await work();
  writeFileSync(join(folder, `.done-${step}`), "");
}

const isDone = (folder: string, step: string): boolean => existsSync(join(folder, `.done-${step}`));

/**
 * The Python whose pip fetches libtorch: `PYTHON`, else python3.
 * @throws LibraryError when there is none, or it has no pip
 */
export function findPip(env: NodeJS.ProcessEnv): string {
  const python = env.PYTHON || "python3";
  const answer = spawnSync(python, ["-m", "pip", "--version"], { encoding: "utf8", env });
  if (answer.status === 0) return python;
  const withoutPip = [
    "Or use a torch that is installed already: set LIBTORCH to its folder, or activate its virtual environment.",
  ];
  if (answer.error) {
    throw new LibraryError(`No Python found to fetch libtorch with: "${python}" cannot be run.`, [
      "Install Python 3.10 or newer with pip (on Debian and Ubuntu `apt install python3 python3-pip`), or set PYTHON to its path.",
      ...withoutPip,
    ]);
  }
  throw new LibraryError(
    `"${python}" has no pip: ${(answer.stderr || answer.stdout).trim().split("\n").at(-1)}`,
    [
      "Install it: on Debian and Ubuntu `apt install python3-pip`, elsewhere `python3 -m ensurepip`.",
      ...withoutPip,
    ],
  );
}

async function pipInstall(
  { python, options, env, say }: Pip,
  folder: string,
  args: readonly string[],
): Promise<void> {
  // pip unpacks into TMPDIR first: the cache's own disk, because /tmp is often a small one in memory.
  const temporary = join(folder, ".tmp");
  mkdirSync(temporary, { recursive: true });
  const command = [
    "-m",
    "pip",
    "install",
    "--no-compile",
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
  ];
  const child = spawn(python, [...command, "--upgrade", "--target", folder, ...options, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, TMPDIR: temporary, PYTHONUNBUFFERED: "1" },
  });
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  // pip's `--dry-run --report` would know the sizes in advance, but up to pip 23 it downloads the wheels for it.
  // The line that pip prints before each download has the size in every version.
  createInterface({ input: child.stdout }).on("line", (line) => {
    const announced = announcement(line);
    if (announced) say(announced);
  });
  const code = await new Promise<number | null>((done, fail) => child.on("error", fail).on("close", done));
  rmSync(temporary, { recursive: true, force: true });
  if (code !== 0) throw pipFailure(messages, args.at(-1)!);
}

/** "Downloading torch-2.13.0….whl (207.1 MB)" -> a line for the user; other lines of pip say nothing new. */
function announcement(line: string): string | undefined {
  const [, verb, url, size] = line.trim().match(/^(Downloading|Using cached) (\S+\.whl) \(([^)]+)\)/) ?? [];
  if (url)
    return `${verb === "Downloading" ? "Downloading" : "Taking from pip's cache"} ${basename(url)}: ${size}`;
  const local = line.trim().match(/^Processing (\S+\.whl)/)?.[1];
  if (!local) return undefined;
  const file = local.startsWith("file:") ? fileURLToPath(local) : local;
  const bytes = existsSync(file) ? readableSize(statSync(file).size) : "size unknown";
  return `Unpacking ${basename(file)}: ${bytes}, from this machine`;
}

function pipFailure(messages: string, requirement: string): LibraryError {
  const lastLines = messages.trim().split("\n").slice(-6).join("\n");
  const problem = `pip could not fetch "${requirement}":\n${lastLines}`;
  const already =
    "Or use a torch that is installed already: set LIBTORCH to its folder, or activate its virtual environment.";
  if (/No space left/i.test(messages)) {
    return new LibraryError(problem, [
      "Free some space, or set PENUMBRA_CACHE to a folder on a larger disk.",
    ]);
  }
  if (
    /name resolution|NewConnectionError|Max retries|timed out|Connection refused|ProxyError/i.test(messages)
  ) {
    return new LibraryError(problem, [
      "The package index was not reached: are you online, and does pip need a proxy (`HTTPS_PROXY`)?",
      "Offline: `npm run setup -- --no-index --find-links FOLDER` takes a torch wheel from a folder.",
      already,
    ]);
  }
  return new LibraryError(problem, [
    "Is there a wheel for this Python and platform? torch needs Python 3.10 or newer; PYTHON chooses another one.",
    "Another version: `npm run setup -- torch==2.12.0`. Another index: `npm run setup -- --index-url URL`.",
    already,
  ]);
}
