import { LibraryError } from "./error.ts";

/** What differs between systems in finding, compiling and linking. */
export interface Platform {
  /** The file of a shared library: "torch_cpu" -> "libtorch_cpu.so". */
  readonly libraryFile: (name: string) => string;
  /** In the order in which they are tried; each takes the flags of GCC. */
  readonly compilers: readonly string[];
  readonly compileFlags: readonly string[];
  /** For a Node addon, whose Node-API functions are those of the program that loads it. */
  readonly linkFlags: readonly string[];
  /** Whether the standard library's strings have two layouts there, of which libtorch's build chose one. */
  readonly hasTwoStringLayouts: boolean;
  /** Whether anyone has run it there. What has not been run is compiled from the same sources, and may fail. */
  readonly isTried: boolean;
}

const LINUX: Platform = {
  libraryFile: (name) => `lib${name}.so`,
  compilers: ["g++", "clang++"],
  compileFlags: ["-fPIC"],
  linkFlags: ["-shared"],
  hasTwoStringLayouts: true,
  isTried: false,
};

/** By `process.platform` and `process.arch`. A platform's package of prebuilt addons has the same name. */
const PLATFORMS: Readonly<Record<string, Platform>> = {
  "linux-x64": { ...LINUX, isTried: true },
  "linux-arm64": LINUX,
  "darwin-arm64": {
    libraryFile: (name) => `lib${name}.dylib`,
    compilers: ["clang++"],
    compileFlags: ["-fPIC"],
    linkFlags: ["-bundle", "-undefined", "dynamic_lookup"],
    hasTwoStringLayouts: false,
    isTried: false,
  },
  // clang++ with Microsoft's libraries; node.lib, which Node's headers for addons bring, stands in LIB.
  "win32-x64": {
    libraryFile: (name) => `${name}.dll`,
    compilers: ["clang++"],
    compileFlags: [],
    linkFlags: ["-shared", "-lnode"],
    hasTwoStringLayouts: false,
    isTried: false,
  },
};

/** "linux-x64": the name of the platform that this process runs on. */
export const platformName = (): string => `${process.platform}-${process.arch}`;

/**
 * The platform that this process runs on.
 * @throws LibraryError where libtorch has no build for it, or nobody has prepared it
 */
export function thisPlatform(name = platformName()): Platform {
  const platform = PLATFORMS[name];
  if (platform) return platform;
  throw new LibraryError(
    `The engine does not run on ${name}; it runs on ${Object.keys(PLATFORMS).join(", ")}.`,
    ["On Windows for Arm use WSL 2, on an Intel Mac a Linux container or virtual machine."],
  );
}

export const PLATFORM_NAMES: readonly string[] = Object.keys(PLATFORMS);
