import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LibraryError, locate, searchPlaces } from "../../src/library/index.ts";
import { planBuild } from "../../src/library/key.ts";
import { choose, locateAnew } from "../../src/library/locate.ts";
import { PLATFORM_NAMES, thisPlatform } from "../../src/library/platform.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "locate-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The files by which a libtorch is known, without its code. */
function fakeTorch(folder: string, version: string, files: Record<string, string> = {}): string {
  const all: Record<string, string> = {
    "lib/libtorch_cpu.so": "",
    "lib/libc10.so": "_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_string",
    "include/ATen/core/dispatch/Dispatcher.h": "",
    "version.py": `__version__ = '${version}'\n`,
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function inEnvironment(name: string): string {
  return join(root, name, "lib", "python3.11", "site-packages", "torch");
}

/** A cache in which setup has chosen `version`, as a folder of the cache's own. */
function cacheWith(version: string): NodeJS.ProcessEnv {
  fakeTorch(join(root, "cache", "libtorch", "fetched", "torch"), version);
  writeFileSync(join(root, "cache", "libtorch", "current"), "fetched\n");
  return { PENUMBRA_CACHE: join(root, "cache") };
}

test("LIBTORCH comes before what setup chose, and that before an active environment", () => {
  const named = fakeTorch(join(root, "named"), "2.9.0");
  fakeTorch(inEnvironment("venv"), "2.8.0");
  fakeTorch(inEnvironment("conda"), "2.7.0");
  const active = { VIRTUAL_ENV: join(root, "venv"), CONDA_PREFIX: join(root, "conda") };
  const empty = { PENUMBRA_CACHE: join(root, "nothing") };
  const chosen = cacheWith("2.6.0");
  expect(locate({ LIBTORCH: named, ...active, ...chosen })).toMatchObject({
    version: "2.9.0",
    source: "LIBTORCH",
  });
  expect(locate({ ...active, ...chosen })).toMatchObject({ version: "2.6.0", source: "cache" });
  expect(locate({ ...active, ...empty })).toMatchObject({ version: "2.8.0", source: "Python environment" });
  expect(locate({ CONDA_PREFIX: join(root, "conda"), ...empty })).toMatchObject({ version: "2.7.0" });
  expect(locate(empty)).toBeUndefined();
});

test("an environment that is activated after setup is named, with what would make it the one in use", () => {
  fakeTorch(inEnvironment("venv"), "2.8.0");
  const places = searchPlaces({ VIRTUAL_ENV: join(root, "venv"), ...cacheWith("2.6.0") });
  expect(places.map(({ name, finding }) => `${name}: ${finding}`)).toEqual([
    "LIBTORCH: not set",
    "setup's choice: libtorch 2.6.0",
    "VIRTUAL_ENV: libtorch 2.8.0, not in use: set LIBTORCH to it, or run setup with --from-environment, to use it",
    "CONDA_PREFIX: not set",
  ]);
});

test("an environment's torch that setup chose stays in use when the environment is not active, or another is", () => {
  const root28 = fakeTorch(inEnvironment("venv"), "2.8.0");
  fakeTorch(inEnvironment("other"), "2.7.0");
  const cache = { PENUMBRA_CACHE: join(root, "cache") };
  choose(locate({ VIRTUAL_ENV: join(root, "venv"), ...cache })!, cache);
  expect(locate(cache)).toMatchObject({ version: "2.8.0", root: root28, source: "Python environment" });
  expect(locate({ VIRTUAL_ENV: join(root, "other"), ...cache })).toMatchObject({ version: "2.8.0" });
  // LIBTORCH serves for as long as it is set.
  const named = locate({ LIBTORCH: inEnvironment("other"), ...cache })!;
  choose(named, cache);
  expect(locate(cache)).toMatchObject({ version: "2.8.0" });
});

test("a choice that is gone is refused, no other torch takes its place, and setup chooses anew", () => {
  fakeTorch(inEnvironment("venv"), "2.8.0");
  const env = { VIRTUAL_ENV: join(root, "venv"), ...cacheWith("2.6.0") };
  rmSync(join(root, "cache", "libtorch", "fetched"), { recursive: true });
  expect(() => locate(env)).toThrow(/that setup chose, .*there is no such folder[\s\S]*Run setup again/);
  expect(locateAnew(env)).toMatchObject({ version: "2.8.0" });
  expect(locate({ LIBTORCH: inEnvironment("venv"), ...env })).toMatchObject({ version: "2.8.0" });
});

test("a LIBTORCH that cannot be used is refused with its reason and the remedies", () => {
  expect(() => locate({ LIBTORCH: root })).toThrow(LibraryError);
  expect(() => locate({ LIBTORCH: root })).toThrow(/no lib\/libtorch_cpu\.so[\s\S]*unset LIBTORCH/);
  const old = fakeTorch(join(root, "old"), "2.5.1+cpu");
  expect(() => locate({ LIBTORCH: old })).toThrow(/version 2\.5\.1\+cpu is older than 2\.6/);
});

test("an environment's torch that is too old is passed over, and the search says so", () => {
  fakeTorch(inEnvironment("venv"), "1.13.1");
  const env = { VIRTUAL_ENV: join(root, "venv"), PENUMBRA_CACHE: join(root, "cache") };
  expect(locate(env)).toBeUndefined();
  expect(searchPlaces(env).map(({ finding }) => finding)).toContain(
    "version 1.13.1 is older than 2.6: passed over",
  );
});

test("the build's own files tell the C++ standard, the string layout and CUDA", () => {
  const cmake = { "share/cmake/Torch/TorchConfig.cmake": "  CXX_STANDARD 20\n" };
  const older = { "lib/libc10.so": "_ZN3c105ErrorC1ENS_14SourceLocationESs", "lib/libtorch_cuda.so": "" };
  expect(locate({ LIBTORCH: fakeTorch(join(root, "a"), "2.7.0", cmake) })).toMatchObject({ cxxStandard: 20 });
  expect(locate({ LIBTORCH: fakeTorch(join(root, "b"), "2.6.0", older) })).toMatchObject({
    cxxStandard: 17,
    cxx11Abi: 0,
    hasCuda: true,
  });
});

test("groups of processes are compiled in where the build holds Gloo", () => {
  const targets = (definitions: string) => ({
    "share/cmake/Caffe2/Caffe2Targets.cmake": `  INTERFACE_COMPILE_DEFINITIONS "${definitions}"\n`,
  });
  const withGloo = fakeTorch(join(root, "a"), "2.13.0", targets("USE_DISTRIBUTED;USE_C10D_GLOO;USE_RPC"));
  const without = fakeTorch(join(root, "b"), "2.13.0", targets("USE_DISTRIBUTED"));
  const flagsFor = (folder: string) =>
    planBuild(locate({ LIBTORCH: folder })!).sources.flatMap(({ source, flags }) =>
      flags.map((flag) => `${basename(source)} ${flag}`),
    );
  expect(flagsFor(withGloo)).toEqual(["distributed.cpp -DPENUMBRA_GLOO"]);
  expect(flagsFor(without)).toEqual([]);
  expect(flagsFor(fakeTorch(join(root, "c"), "2.13.0"))).toEqual([]);
});

test("a libtorch archive says its version in build-version", () => {
  const folder = fakeTorch(join(root, "archive"), "", { "build-version": "2.10.0+cpu\n" });
  expect(locate({ LIBTORCH: folder })).toMatchObject({ version: "2.10.0+cpu" });
});

test("the addon's key changes with the library's version; copies and builds of one version share it", () => {
  const plan = (name: string, version: string, cache = "cache") => {
    const libtorch = locate({ LIBTORCH: fakeTorch(join(root, name), version) });
    if (!libtorch) throw new Error("not found");
    return planBuild(libtorch, { PENUMBRA_CACHE: join(root, cache) });
  };
  const first = plan("first", "2.9.0+cpu");
  expect(plan("first", "2.9.0+cpu").key).toBe(first.key);
  expect(plan("copy", "2.9.0+cpu", "another cache").key).toBe(first.key);
  expect(plan("cuda", "2.9.0+cu130")).toMatchObject({ key: first.key, sources: first.sources });
  const newer = plan("newer", "2.9.1+cpu");
  expect(newer.key).not.toBe(first.key);
  expect(newer.sources[0]?.object).not.toBe(first.sources[0]?.object);
});

test("a platform that nobody has prepared is refused by name, and those that are prepared say what was tried", () => {
  expect(() => thisPlatform("sunos-x64")).toThrow(
    /does not run on sunos-x64; it runs on linux-x64, linux-arm64/,
  );
  expect(PLATFORM_NAMES.filter((name) => thisPlatform(name).isTried)).toEqual(["linux-x64"]);
  expect(thisPlatform("darwin-arm64").libraryFile("torch_cpu")).toBe("libtorch_cpu.dylib");
  expect(thisPlatform("win32-x64").libraryFile("torch_cpu")).toBe("torch_cpu.dll");
});
