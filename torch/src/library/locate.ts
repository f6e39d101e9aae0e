import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { cacheFolder } from "./cache.ts";
import { LibraryError } from "./error.ts";

/** A usable libtorch: where its files are and how they were built. */
export interface Libtorch {
  /** The folder that holds `lib/` and `include/`. */
  readonly root: string;
  /** Which place of the search order it came from. */
  readonly source: "LIBTORCH" | "virtual environment" | "conda environment" | "cache";
  /** As the build says it, for example "2.13.0+cpu" or "2.11.0+cu130". */
  readonly version: string;
  /** Whether `libtorch_cuda` lies beside the CPU library. */
  readonly hasCuda: boolean;
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
  /** A place that the user named expressly and that cannot be used ends the search. */
  readonly refused?: boolean;
  /** A torch that nobody named expressly and that cannot be used: the search goes on. */
  readonly isPassedOver?: boolean;
}

export const OLDEST_VERSION = [2, 6] as const;

/**
 * Every place of the search order with what was found there: `LIBTORCH`, the active virtual environment
 * (`VIRTUAL_ENV`, `CONDA_PREFIX`), the project's cache. The first place with a libtorch is used.
 */
export function searchPlaces(env: NodeJS.ProcessEnv = process.env): readonly Place[] {
  return [
    namedPlace(env.LIBTORCH),
    environmentPlace("VIRTUAL_ENV", "virtual environment", env.VIRTUAL_ENV),
    environmentPlace("CONDA_PREFIX", "conda environment", env.CONDA_PREFIX),
    cachePlace(cacheFolder(env)),
  ];
}

/**
 * The libtorch to use, or undefined when no place has one.
 * @throws LibraryError when `LIBTORCH` names something that cannot be used
 */
export function locate(env: NodeJS.ProcessEnv = process.env): Libtorch | undefined {
  const named = namedPlace(env.LIBTORCH);
  if (named.refused) {
    throw new LibraryError(`LIBTORCH="${env.LIBTORCH}" cannot be used: ${named.finding}.`, [
      "Set LIBTORCH to a folder that holds lib/ and include/ of libtorch 2.6 or newer, for example the torch folder of a Python environment.",
      "Or unset LIBTORCH and run setup: it finds the torch of an active virtual environment or fetches one.",
    ]);
  }
  return searchPlaces(env).find((place) => place.libtorch)?.libtorch;
}

/** The file that says which of the cache's libtorch folders is in use. */
export function currentFile(cache: string): string {
  return join(cache, "libtorch", "current");
}

/**
 * Reads what kind of libtorch a folder holds.
 * @param folder holds `lib/` and `include/`; a `torch` package folder of a wheel is one
 * @returns the libtorch, or a sentence that says why the folder holds none
 */
export function inspect(folder: string, source: Libtorch["source"]): Libtorch | string {
  if (!existsSync(folder)) return "there is no such folder";
  const library = join(folder, "lib", "libtorch_cpu.so");
  if (!existsSync(library)) return "no lib/libtorch_cpu.so in it";
  if (!existsSync(join(folder, "include", "ATen", "core", "dispatch", "Dispatcher.h"))) {
    return "the library is there, but not its headers (include/ATen)";
  }
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
    hasCuda: existsSync(join(root, "lib", "libtorch_cuda.so")),
    hasGloo: hasGloo(root),
    cxxStandard: cxxStandardOf(root, major, minor),
    cxx11Abi: cxx11AbiOf(root),
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

function environmentPlace(name: string, source: Libtorch["source"], prefix: string | undefined): Place {
  if (!prefix) return { name, finding: "not set" };
  const packages = ["lib", "lib64"].flatMap((lib) =>
    listFolder(join(prefix, lib))
      .filter((entry) => /^python3\.\d+t?$/.test(entry))
      .map((entry) => join(prefix, lib, entry, "site-packages", "torch")),
  );
  const path = packages.find((folder) => existsSync(folder));
  if (!path) return { name, path: prefix, finding: "no torch installed in it" };
  const found = inspect(path, source);
  if (typeof found === "string") return { name, path, finding: `${found}: passed over`, isPassedOver: true };
  return { name, path, finding: `libtorch ${found.version}`, libtorch: found };
}

function cachePlace(cache: string): Place {
  const name = "cache";
  let chosen: string;
  try {
    chosen = readFileSync(currentFile(cache), "utf8").trim();
  } catch {
    return { name, path: join(cache, "libtorch"), finding: "empty" };
  }
  const path = join(cache, "libtorch", basename(chosen), "torch");
  const found = inspect(path, "cache");
  if (typeof found === "string") return { name, path, finding: found };
  return { name, path, finding: `libtorch ${found.version}`, libtorch: found };
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
function cxx11AbiOf(root: string): 0 | 1 {
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

/** The folder of the package `@penumbra/torch`, from its sources as from its published build. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "native"))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new LibraryError(`The package's folder native/ was not found above "${import.meta.dirname}".`, [
        "Install the package again: its C++ sources are part of it.",
      ]);
    }
    folder = parent;
  }
  return folder;
}
