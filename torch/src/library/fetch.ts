import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assertFreeSpace, cacheFolder, readableSize, withLock, writeWhole } from "./cache.ts";
import { LibraryError } from "./error.ts";
import { currentFile, inspect, type Libtorch } from "./locate.ts";

/** What setup fetches when nothing else is asked for. */
const DEFAULT_REQUIREMENT = "torch==2.13.0";

/** A CPU wheel is about 200 MB and unpacks to about 700 MB; pip needs both at once. */
const SPACE_FOR_CPU_BUILD = 1.2e9;

/** NVIDIA's libraries, which libtorch_cuda links to; the wheel's other dependencies are Python's alone. */
const NVIDIA_PACKAGE = /^(nvidia-[a-z0-9-]+|cuda-toolkit)\b/;

/**
 * Fetches torch's wheel with pip into the project's cache and makes it the one in use. Nothing is installed into
 * the user's Python environment. An interrupted fetch goes on after the last finished step; what is not whole is
 * never used.
 *
 * @param pipArgs options for pip as they are (`--index-url …` chooses a CPU or a CUDA build); a requirement
 *   among them (`torch==2.8.0`) replaces the default
 * @param say is told what is fetched, each size before its download
 * @throws LibraryError without Python or pip, offline, with no fitting wheel or too little disk space
 */
export async function fetchLibtorch(
  pipArgs: readonly string[],
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
      if (!existsSync(folder)) {
        assertFreeSpace(cache, SPACE_FOR_CPU_BUILD, "libtorch");
        const aside = `${folder}.part`;
        mkdirSync(aside, { recursive: true });
        const pip = { python, options, aside, env, say };
        await onceIn(aside, "torch", () => pipInstall(pip, ["--no-deps", requirement]));
        const libraries = nvidiaRequirements(aside);
        if (libraries.length > 0) {
          say("This is a CUDA build: NVIDIA's libraries belong to it (some GB).");
          await onceIn(aside, "nvidia", () => pipInstall(pip, libraries));
        }
        for (const entry of readdirSync(aside)) {
          if (entry.startsWith(".")) rmSync(join(aside, entry), { recursive: true });
        }
        renameSync(aside, folder);
      }
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
      writeWhole(currentFile(cache), `${name}\n`);
      return found;
    },
  );
}

interface Pip {
  readonly python: string;
  readonly options: readonly string[];
  readonly aside: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** Runs a step of the fetch unless an earlier, interrupted run has finished it. */
async function onceIn(folder: string, step: string, work: () => Promise<void>): Promise<void> {
  const marker = join(folder, `.done-${step}`);
  if (existsSync(marker)) return;
  await work();
  writeFileSync(marker, "");
}

function findPip(env: NodeJS.ProcessEnv): string {
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

async function pipInstall({ python, options, aside, env, say }: Pip, args: readonly string[]): Promise<void> {
  // pip unpacks into TMPDIR first: the cache's own disk, because /tmp is often a small one in memory.
  const temporary = join(aside, ".tmp");
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
  const child = spawn(python, [...command, "--upgrade", "--target", aside, ...options, ...args], {
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
  if (code !== 0) throw pipFailure(messages, args.at(-1) ?? "");
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

/** The NVIDIA packages that the installed wheel asks for; none for a CPU build. */
function nvidiaRequirements(folder: string): string[] {
  const info = readdirSync(folder).find((name) => /^torch-.*\.dist-info$/.test(name));
  if (!info) return [];
  const required = readFileSync(join(folder, info, "METADATA"), "utf8").matchAll(/^Requires-Dist: (.*)$/gm);
  return [...required]
    .map(([, text]) => text ?? "")
    .filter((text) => NVIDIA_PACKAGE.test(text) && !/extra\s*==/.test(text));
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
