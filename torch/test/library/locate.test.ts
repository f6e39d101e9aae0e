import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LibraryError, locate, searchPlaces } from "../../src/library/index.ts";
import { planBuild } from "../../src/library/key.ts";

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

test("LIBTORCH comes before an active environment, and that before the cache", () => {
  const named = fakeTorch(join(root, "named"), "2.9.0");
  fakeTorch(inEnvironment("venv"), "2.8.0");
  fakeTorch(inEnvironment("conda"), "2.7.0");
  fakeTorch(join(root, "cache", "libtorch", "chosen", "torch"), "2.6.0");
  writeFileSync(join(root, "cache", "libtorch", "current"), "chosen\n");
  const cache = { PENUMBRA_CACHE: join(root, "cache") };
  const conda = { CONDA_PREFIX: join(root, "conda"), ...cache };
  const venv = { VIRTUAL_ENV: join(root, "venv"), ...conda };
  expect(locate({ LIBTORCH: named, ...venv })).toMatchObject({ version: "2.9.0", source: "LIBTORCH" });
  expect(locate(venv)).toMatchObject({ version: "2.8.0", source: "virtual environment" });
  expect(locate(conda)).toMatchObject({ version: "2.7.0", source: "conda environment" });
  expect(locate(cache)).toMatchObject({ version: "2.6.0", source: "cache" });
  expect(locate({ PENUMBRA_CACHE: join(root, "nothing") })).toBeUndefined();
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

test("a libtorch archive says its version in build-version", () => {
  const folder = fakeTorch(join(root, "archive"), "", { "build-version": "2.10.0+cpu\n" });
  expect(locate({ LIBTORCH: folder })).toMatchObject({ version: "2.10.0+cpu" });
});

test("the addon's key changes with the library's version, objects are shared by copies of one version", () => {
  const env = { PENUMBRA_CACHE: join(root, "cache") };
  const plan = (name: string, version: string) => {
    const libtorch = locate({ LIBTORCH: fakeTorch(join(root, name), version) });
    if (!libtorch) throw new Error("not found");
    return planBuild(libtorch, env);
  };
  const first = plan("first", "2.9.0");
  const copy = plan("copy", "2.9.0");
  const newer = plan("newer", "2.9.1");
  expect(plan("first", "2.9.0").addon).toBe(first.addon);
  expect(copy.sources).toEqual(first.sources);
  expect(copy.addon).not.toBe(first.addon);
  expect(newer.addon).not.toBe(first.addon);
  expect(newer.sources[0]?.object).not.toBe(first.sources[0]?.object);
});
