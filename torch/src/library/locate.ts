import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { assertWritable, cacheFolder, writeWhole } from "./cache.ts";
import { LibraryError } from "./error.ts";
import { type Platform, thisPlatform } from "./platform.ts";

/** A usable libtorch: where its files are and how they were built. */
export interface Libtorch {
  /** The folder that holds `lib/` and `include/`. */
  readonly root: string;
  /** Which place of the search order it came from. */
  readonly source: "LIBTORCH" | "Python environment" | "cache";
  /** As the build says it, for example "2.13.0+cpu" or "2.11.0+cu130". */
  readonly version: string;
  /** Whether `libtorch_cuda` lies beside the CPU library. */
  readonly hasCuda: boolean;
  /** Whether its headers are there, which an addon is compiled against; a prebuilt addon needs none. */
  readonly hasHeaders: boolean;
  /** Whether the build holds c10d with Gloo: groups of processes on the CPU. */
  readonly hasGloo: boolean;
  /** The C++ standard that the headers ask for. */
  readonly cxxStandard: 17 | 20;
  /** The libstdc++ string layout of the build: 1 is the C++11 one, all wheels since 2.7 have it. */
  readonly cxx11Abi: 0 | 1;
}

/** One place of the search order and what was found there, as `doctor` prints it. */
export interface Place {
  readonly name: string;
  readonly path?: string;
  readonly finding: string;
  readonly libtorch?: Libtorch;
  /** A place that the user or setup named expressly and that cannot be used ends the search. */
  readonly refused?: boolean;
  /** A torch that nobody named expressly and that cannot be used: the search goes on. */
  readonly isPassedOver?: boolean;
}

export const OLDEST_VERSION = [2, 6] as const;

/**
 * Every place of the search order with what was found there: `LIBTORCH`, what setup chose, the active Python
 * environment (`VIRTUAL_ENV`, `CONDA_PREFIX`). The first place with a libtorch is used: an environment only as long as
 * setup has not chosen.
 */
export function searchPlaces(env: NodeJS.ProcessEnv = process.env): readonly Place[] {
  const named = namedPlace(env.LIBTORCH);
  const chosen = chosenPlace(cacheFolder(env));
  const before = (named.libtorch ?? chosen.libtorch)?.root;
  const environments = environmentPlaces(env).map((place) => {
    if (before === undefined || !place.libtorch || place.libtorch.root === before) return place;
    const how = `set LIBTORCH to it, or run setup with ${FROM_ENVIRONMENT}, to use it`;
    return { ...place, finding: `${place.finding}, not in use: ${how}` };
  });
  return [named, chosen, ...environments];
}

/** The option by which setup chooses the active Python environment's torch, whatever it chose before. */
export const FROM_ENVIRONMENT = "--from-environment";

/** The active Python environments, whatever comes before them in the search order. */
export const environmentPlaces = (env: NodeJS.ProcessEnv): readonly Place[] => [
  environmentPlace("VIRTUAL_ENV", env.VIRTUAL_ENV),
  environmentPlace("CONDA_PREFIX", env.CONDA_PREFIX),
];

/**
 * The libtorch to use, or undefined when no place has one.
 * @throws LibraryError when `LIBTORCH` names, or setup has chosen, something that cannot be used
 */
export function locate(env: NodeJS.ProcessEnv = process.env): Libtorch | undefined {
  const first = searchPlaces(env).find(({ libtorch, refused }) => libtorch || refused);
  if (!first?.refused) return first?.libtorch;
  if (first.name !== CHOSEN) throw refusalOf(first);
  throw new LibraryError(
    `The libtorch that setup chose, "${first.path}", cannot be used any more: ${first.finding}.`,
    ["Run setup again: it chooses anew."],
  );
}

/**
 * The libtorch that setup goes on with: as `locate`, but what was chosen before and is gone does not end the search.
 * @throws LibraryError when `LIBTORCH` names something that cannot be used
 */
export function locateAnew(env: NodeJS.ProcessEnv): Libtorch | undefined {
  const places = searchPlaces(env);
  const named = places.find(({ name, refused }) => refused && name !== CHOSEN);
  if (named) throw refusalOf(named);
  return places.find(({ libtorch }) => libtorch)?.libtorch;
}

function refusalOf({ path, finding }: Place): LibraryError {
  return new LibraryError(`LIBTORCH="${path}" cannot be used: ${finding}.`, [
    "Set LIBTORCH to a folder that holds lib/ and include/ of libtorch 2.6 or newer, for example the torch folder of a Python environment.",
    "Or unset LIBTORCH and run setup: it finds the torch of an active virtual environment or fetches one.",
  ]);
}

/**
 * Makes a libtorch the one in use, until setup chooses another. `LIBTORCH` alone is stronger, and is not remembered.
 * @throws LibraryError where the cache cannot be written
 */
export function choose({ root, source }: Libtorch, env: NodeJS.ProcessEnv): void {
  const file = currentFile(cacheFolder(env));
  const choice = source === "cache" ? basename(dirname(root)) : root;
  if (source === "LIBTORCH" || readText(file)?.trim() === choice) return;
  assertWritable(cacheFolder(env));
  writeWhole(file, `${choice}\n`);
}

/** The file that says what setup chose: the name of one of the cache's libtorch folders, or the path of another. */
function currentFile(cache: string): string {
  return join(cache, "libtorch", "current");
}

/**
 * Reads what kind of libtorch a folder holds.
 * @param folder holds `lib/`, and `include/` where something is to be compiled; a `torch` package folder of a wheel is one
 * @returns the libtorch, or a sentence that says why the folder holds none
 */
export function inspect(folder: string, source: Libtorch["source"]): Libtorch | string {
  if (!existsSync(folder)) return "there is no such folder";
  const platform = thisPlatform();
  const fileOf = (name: string): string => join("lib", platform.libraryFile(name));
  if (!existsSync(join(folder, fileOf("torch_cpu")))) return `no ${fileOf("torch_cpu")} in it`;
  const version = versionOf(folder);
  if (version === undefined) return "neither version.py nor build-version says its version";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1])) {
    return `version ${version} is older than ${OLDEST_VERSION.join(".")}`;
  }
  const root = realpathSync(folder);
  return {
    root,
    source,
    version,
    hasCuda: existsSync(join(root, fileOf("torch_cuda"))),
    hasHeaders: existsSync(join(root, "include", "ATen", "core", "dispatch", "Dispatcher.h")),
    hasGloo: hasGloo(root),
    cxxStandard: cxxStandardOf(root, major, minor),
    cxx11Abi: cxx11AbiOf(root, platform),
  };
}

function namedPlace(folder: string | undefined): Place {
  const name = "LIBTORCH";
  if (!folder) return { name, finding: "not set" };
  const path = resolve(folder);
  const found = inspect(path, "LIBTORCH");
  if (typeof found === "string") return { name, path, finding: found, refused: true };
  return { name, path, finding: `libtorch ${found.version}`, libtorch: found };
}

function environmentPlace(name: string, prefix: string | undefined): Place {
  if (!prefix) return { name, finding: "not set" };
  const packages = ["lib", "lib64"].flatMap((lib) =>
    listFolder(join(prefix, lib))
      .filter((entry) => /^python3\.\d+t?$/.test(entry))
      .map((entry) => join(prefix, lib, entry, "site-packages", "torch")),
  );
  const path = packages.find((folder) => existsSync(folder));
  if (!path) return { name, path: prefix, finding: "no torch installed in it" };
  const found = inspect(path, "Python environment");
  if (typeof found === "string") return { name, path, finding: `${found}: passed over`, isPassedOver: true };
  return { name, path, finding: `libtorch ${found.version}`, libtorch: found };
}

const CHOSEN = "setup's choice";

function chosenPlace(cache: string): Place {
  const choice = readText(currentFile(cache))?.trim();
  if (!choice) return { name: CHOSEN, path: join(cache, "libtorch"), finding: "none yet" };
  const path = isAbsolute(choice) ? choice : join(cache, "libtorch", basename(choice), "torch");
  const found = inspect(path, isAbsolute(choice) ? "Python environment" : "cache");
  if (typeof found === "string") return { name: CHOSEN, path, finding: found, refused: true };
  return { name: CHOSEN, path, finding: `libtorch ${found.version}`, libtorch: found };
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** From a wheel's `version.py` or a libtorch archive's `build-version`. */
function versionOf(folder: string): string | undefined {
  const python = readText(join(folder, "version.py"));
  const written = python?.match(/^__version__\s*=\s*['"]([^'"]+)['"]/m)?.[1];
  return written ?? readText(join(folder, "build-version"))?.trim();
}

/** From the build's own CMake file; without one, by version: the headers need C++20 since 2.12. */
function cxxStandardOf(root: string, major: number, minor: number): 17 | 20 {
  const cmake = readText(join(root, "share", "cmake", "Torch", "TorchConfig.cmake"));
  const asked = cmake?.match(/^\s*CXX_STANDARD\s+(\d+)/m)?.[1];
  if (asked) return Number(asked) >= 20 ? 20 : 17;
  return major > 2 || minor >= 12 ? 20 : 17;
}

/** The build's own CMake file names the parts of libtorch that it was compiled with. */
function hasGloo(root: string): boolean {
  const cmake = readText(join(root, "share", "cmake", "Caffe2", "Caffe2Targets.cmake"));
  return /INTERFACE_COMPILE_DEFINITIONS "[^"]*\bUSE_C10D_GLOO\b/.test(cmake ?? "");
}

/** c10::Error takes a std::string: its mangled name in libc10 tells which layout the build used. */
function cxx11AbiOf(root: string, platform: Platform): 0 | 1 {
  if (!platform.hasTwoStringLayouts) return 1;
  const bytes = readFileSync(join(root, "lib", "libc10.so"));
  return bytes.includes("_ZN3c105ErrorC1ENS_14SourceLocationESs") ? 0 : 1;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
