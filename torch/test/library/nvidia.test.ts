import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSharedLibrary } from "../../src/library/elf.ts";
import { completeLibtorch, fetchLibtorch } from "../../src/library/fetch.ts";
import { locate } from "../../src/library/index.ts";
import { requirementsFor } from "../../src/library/nvidia.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nvidia-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("a shared library tells what it needs and where it looks, as readelf reads it", () => {
  const file = join(locate()?.root ?? "", "lib", "libtorch_cpu.so");
  const library = readSharedLibrary(file);
  const lines = execFileSync("readelf", ["-d", file], { encoding: "utf8" });
  const needed = [...lines.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  expect(needed).toContain("libc10.so");
  expect(library?.needed).toEqual(needed);
  expect(library?.searched).toContain(join(locate()?.root ?? "", "lib"));
});

test("a file that is no shared library, a part of one or not there tells nothing", () => {
  const file = join(root, "libtorch_cpu.so");
  expect(readSharedLibrary(file)).toBeUndefined();
  const whole = readFileSync(join(locate()?.root ?? "", "lib", "libc10.so"));
  for (const bytes of [Buffer.from("text"), whole.subarray(0, 100), whole.subarray(0, 4096)]) {
    writeFileSync(file, bytes);
    expect(readSharedLibrary(file)).toBeUndefined();
  }
});

test("libraries are found in the requirements of CUDA 12's and of CUDA 13's wheels", () => {
  const cuda12 = [
    'nvidia-cuda-nvrtc-cu12 (==12.4.127) ; platform_system == "Linux"',
    'nvidia-cuda-runtime-cu12 (==12.4.127) ; platform_system == "Linux"',
    'nvidia-cuda-cupti-cu12 (==12.4.127) ; platform_system == "Linux"',
    'nvidia-cudnn-cu12 (==9.1.0.70) ; platform_system == "Linux"',
  ];
  expect(requirementsFor(["libcupti.so.12", "libcudart.so.12"], cuda12)).toEqual(cuda12.slice(1, 3));
  const cuda13 = [
    'cuda-toolkit[cublas,cudart,cupti,nvrtc]==13.0.3; platform_system == "Linux"',
    'nvidia-cudnn-cu13==9.24.0.43; platform_system == "Linux"',
  ];
  expect(requirementsFor(["libcupti.so.13", "libcudart.so.13"], cuda13)).toEqual([
    'cuda-toolkit[cudart,cupti]==13.0.3; platform_system == "Linux"',
  ]);
  expect(requirementsFor(["libcudnn.so.9"], cuda13)).toEqual([cuda13[1]]);
  expect(requirementsFor(["libnewname.so.1"], cuda13)).toEqual([]);
});

/** Stands in for python3 with pip: "installs" a small CUDA build and notes what it was asked for. */
function fakePip(): { PYTHON: string; asked: () => string[] } {
  const wheel = join(root, "wheel");
  const nvidia = join(root, "libraries", "nvidia", "lib");
  const lib = join(wheel, "torch", "lib");
  for (const folder of [nvidia, lib, join(wheel, "torch-2.6.0.dist-info")])
    mkdirSync(folder, { recursive: true });
  const link = (output: string, ...args: string[]) =>
    execFileSync(process.env.CXX || "g++", [
      "-shared",
      "-o",
      output,
      "-x",
      "c++",
      "/dev/null",
      "-x",
      "none",
      ...args,
    ]);
  for (const name of ["libcupti.so.12", "libcudnn.so.9"]) link(join(nvidia, name), `-Wl,-soname,${name}`);
  const needs = (name: string) => ["-Wl,--no-as-needed,-rpath,$ORIGIN/../../nvidia/lib", join(nvidia, name)];
  link(join(lib, "libtorch_cpu.so"), ...needs("libcupti.so.12"));
  link(join(lib, "libtorch_cuda.so"), ...needs("libcudnn.so.9"));
  writeFileSync(join(lib, "libc10.so"), "");
  const headers = join(wheel, "torch", "include", "ATen", "core", "dispatch");
  mkdirSync(headers, { recursive: true });
  writeFileSync(join(headers, "Dispatcher.h"), "");
  writeFileSync(join(wheel, "torch", "version.py"), "__version__ = '2.6.0+cu124'\n");
  writeFileSync(
    join(wheel, "torch-2.6.0.dist-info", "METADATA"),
    "Requires-Dist: sympy\nRequires-Dist: nvidia-cuda-cupti-cu12 (==12.4)\nRequires-Dist: nvidia-cudnn-cu12 (==9.1)\n",
  );
  const PYTHON = join(root, "python");
  const log = join(root, "log");
  writeFileSync(
    PYTHON,
    `#!/bin/bash
case "$*" in *--version*) echo pip 24; exit;; esac
while [ "$1" != --target ]; do shift; done
target=$2; shift 2; echo "$*" >> ${log}
case "$*" in *--no-deps*) cp -r ${wheel}/. "$target"; exit;; esac
mkdir -p "$target/nvidia/lib"
for name in cupti cudnn; do case "$*" in *$name*) cp ${nvidia}/lib$name.* "$target/nvidia/lib";; esac; done
`,
  );
  chmodSync(PYTHON, 0o755);
  return { PYTHON, asked: () => readFileSync(log, "utf8").trim().split("\n") };
}

test("of a CUDA build's libraries those of the CPU part come first, all others with CUDA, and nothing twice", async () => {
  const { PYTHON, asked } = fakePip();
  const env = { PATH: process.env.PATH, PYTHON, PENUMBRA_CACHE: join(root, "cache") };
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const libtorch = await fetchLibtorch({ pipArgs: ["torch==2.6.0"], withCuda: false }, say, env);
  expect(libtorch).toMatchObject({ version: "2.6.0+cu124", hasCuda: true, source: "cache" });
  expect(asked()).toEqual(["--no-deps torch==2.6.0", "nvidia-cuda-cupti-cu12 (==12.4)"]);
  expect(lines.join("\n")).toMatch(/no NVIDIA driver.*only libcupti\.so\.12.*--with-cuda/);
  await completeLibtorch(libtorch, false, say, env);
  expect(asked().length).toBe(2);
  for (let time = 0; time < 2; time += 1) await completeLibtorch(libtorch, true, say, env);
  expect(asked().slice(2)).toEqual(["nvidia-cuda-cupti-cu12 (==12.4) nvidia-cudnn-cu12 (==9.1)"]);
});
