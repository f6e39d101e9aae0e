import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../src/library/cache.ts";
import { cacheFolder, findAddon, locate } from "../../src/library/index.ts";
import { ADDON_FILE, planBuild } from "../../src/library/key.ts";

const program = join(import.meta.dirname, "../../bin/torch.js");
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "setup-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs the package's command with a cache of its own and no Python environment. */
function torch(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; output: string }> {
  const { VIRTUAL_ENV: _venv, CONDA_PREFIX: _conda, LIBTORCH: _named, ...clean } = process.env;
  return new Promise((done) => {
    const options = { env: { ...clean, PENUMBRA_CACHE: join(root, "cache"), ...env } };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

/** The environment in which this test itself found libtorch. */
const asHere = (): NodeJS.ProcessEnv => ({ LIBTORCH: locate()?.root, PENUMBRA_CACHE: cacheFolder() });

/** Stands in for python3: answers `pip --version` and fails the installation with a message of pip's. */
function failingPip(message: string): string {
  const file = join(root, "python");
  writeFileSync(
    file,
    `#!/bin/sh\ncase "$*" in *--version*) echo pip 24;; *) echo "${message}" >&2; exit 1;; esac\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

test("setup leaves an addon that is up to date as it is", async () => {
  const { path } = findAddon({ ...process.env, ...asHere() });
  const before = statSync(path).mtimeMs;
  const answer = await torch(["setup"], asHere());
  expect(answer).toMatchObject({ code: 0 });
  expect(answer.output).toMatch(/^Ready: libtorch .* addon up to date\.\n$/);
  expect(statSync(path).mtimeMs).toBe(before);
});

test.each([
  [
    "no Python",
    { PYTHON: "/nowhere/python3" },
    /No Python found[\s\S]*apt install python3[\s\S]*set LIBTORCH/,
  ],
  [
    "a LIBTORCH without the library",
    { LIBTORCH: tmpdir() },
    /LIBTORCH=.* cannot be used[\s\S]*unset LIBTORCH/,
  ],
])("with %s setup fails and names the remedies", async (_, env, message) => {
  const answer = await torch(["setup"], env);
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(message);
});

test.each([
  ["offline", "Temporary failure in name resolution", /are you online[\s\S]*--find-links FOLDER/],
  [
    "on a full disk",
    "OSError: [Errno 28] No space left on device",
    /PENUMBRA_CACHE to a folder on a larger disk/,
  ],
  [
    "without a fitting wheel",
    "ERROR: No matching distribution found",
    /wheel for this Python[\s\S]*--index-url URL/,
  ],
])("%s setup tells pip's message and what to do, and puts nothing in use", async (_, message, expected) => {
  const answer = await torch(["setup"], { PYTHON: failingPip(message) });
  expect(answer.code).toBe(1);
  expect(answer.output).toContain(message);
  expect(answer.output).toMatch(expected);
  expect(existsSync(join(root, "cache", "libtorch", "current"))).toBe(false);
});

test("setup chooses an environment's torch when it is told to, and says where there is none", async () => {
  const torchFolder = join(root, "venv", "lib", "python3.11", "site-packages", "torch");
  mkdirSync(join(torchFolder, ".."), { recursive: true });
  const missing = await torch(["setup", "--from-environment"], { VIRTUAL_ENV: join(root, "venv") });
  expect(missing.code).toBe(1);
  expect(missing.output).toMatch(/VIRTUAL_ENV \(.*venv\): no torch installed in it[\s\S]*Activate/);
  const { root: here } = locate()!;
  symlinkSync(here, torchFolder);
  // The compiler fails, after the choice was made: nothing has to be compiled to see it.
  const env = { VIRTUAL_ENV: join(root, "venv"), CXX: "/nowhere/g++" };
  await torch(["setup", "--from-environment"], env);
  expect(readFileSync(join(root, "cache", "libtorch", "current"), "utf8")).toBe(`${here}\n`);
});

test("setup tells of an environment's torch that it passes over before it fetches another", async () => {
  const packages = join(root, "venv", "lib", "python3.11", "site-packages", "torch");
  mkdirSync(packages, { recursive: true });
  const answer = await torch(["setup"], { VIRTUAL_ENV: join(root, "venv"), PYTHON: failingPip("offline") });
  expect(answer.output).toContain(`VIRTUAL_ENV: ${packages}: no lib/libtorch_cpu.so in it: passed over.`);
});

test("without a compiler setup says how to install one, and doctor names the missing addon", async () => {
  const LIBTORCH = locate()?.root ?? "";
  const answer = await torch(["setup"], { LIBTORCH, CXX: "/nowhere/g++" });
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(/No C\+\+ compiler found[\s\S]*apt install g\+\+/);
  const doctor = await torch(["doctor", "--json"], { LIBTORCH });
  expect(doctor.code).toBe(1);
  const diagnosis = JSON.parse(doctor.output) as { addon: { problem: string; remedies: string[] } };
  expect(diagnosis.addon.problem).toContain("has not been built");
  expect(diagnosis.addon.remedies[0]).toContain("npm run setup");
});

test("a damaged addon is named by doctor and made anew by setup", async () => {
  const libtorch = locate();
  if (!libtorch) throw new Error("no libtorch");
  const env = { LIBTORCH: libtorch.root, PENUMBRA_CACHE: join(root, "cache") };
  mkdirSync(join(root, "cache", "objects"), { recursive: true });
  // The objects of the addon that this test runs with: linking is quick.
  const here = planBuild(libtorch).sources;
  const { sources, folder } = planBuild(libtorch, env);
  for (const [i, { object }] of sources.entries()) symlinkSync(here[i]?.object ?? "", object);
  expect((await torch(["setup"], env)).output).toMatch(/Built the addon/);
  truncateSync(join(folder, ADDON_FILE), 5000);
  const doctor = await torch(["doctor"], env);
  expect(doctor.code).toBe(1);
  expect(doctor.output).toMatch(/Addon +✗ The addon .* is damaged: it has 5000 bytes[\s\S]*npm run setup/);
  expect((await torch(["setup"], env)).output).toMatch(/Built the addon/);
  expect((await torch(["doctor"], env)).code).toBe(0);
});

test("a cache where nothing can be made is named with the remedy by setup", async () => {
  const answer = await torch(["setup"], { PENUMBRA_CACHE: "/proc/cache", LIBTORCH: locate()?.root });
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(/The cache "\/proc\/cache" cannot be written[\s\S]*Set PENUMBRA_CACHE/);
});

test("a cache that cannot be written is named with the remedy, by setup and by doctor", async () => {
  const env = { PENUMBRA_CACHE: "/dev/null/cache", LIBTORCH: locate()?.root };
  const expected = /The cache "\/dev\/null\/cache" cannot be written[\s\S]*Set PENUMBRA_CACHE/;
  for (const command of ["setup", "doctor"]) {
    const answer = await torch([command], env);
    expect(answer.code).toBe(1);
    expect(answer.output).toMatch(expected);
    expect(answer.output).not.toMatch(/\n +at /); // no stack
  }
});

test("doctor shows every place, the processor's features and the running engine", async () => {
  const { code, output } = await torch(["doctor"], asHere());
  expect(code).toBe(0);
  for (const word of [
    "LIBTORCH",
    "VIRTUAL_ENV",
    "Cache",
    "AVX2",
    "Addon",
    "threads",
    "Devices",
    "Precision",
  ]) {
    expect(output).toContain(word);
  }
});

test("two that hold the same lock do not work at the same time", async () => {
  const file = join(root, "lock");
  let inside = 0;
  let most = 0;
  const work = () =>
    withLock(
      file,
      () => {},
      async () => {
        inside += 1;
        most = Math.max(most, inside);
        await sleep(30);
        inside -= 1;
      },
    );
  await Promise.all([work(), work(), work()]);
  expect(most).toBe(1);
});

test("the lock of a process that has died is taken over", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await new Promise((done) => child.on("close", done));
  const file = join(root, "lock");
  writeFileSync(file, String(child.pid));
  expect(
    await withLock(
      file,
      () => {},
      async () => "done",
    ),
  ).toBe("done");
});
