import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deploy } from "../../src/library/deploy.ts";
import { LibraryError } from "../../src/library/error.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "deploy-"));
});
afterAll(() => rmSync(root, { recursive: true }));

const torch = join(import.meta.dirname, "../../src/index.ts");

/** Runs a program that knows no other libtorch, no compiler and no Python. */
function run(cache: string, code: string): string {
  const programs = join(root, "programs");
  mkdirSync(programs, { recursive: true });
  const source = `import(${JSON.stringify(torch)}).then((torch) => ${code})`;
  return execFileSync(process.execPath, ["--import", "tsx", "--conditions=source", "-e", source], {
    encoding: "utf8",
    env: { PATH: programs, HOME: root, PENUMBRA_CACHE: cache },
  });
}

test("what was deployed runs by itself, wherever it is moved", () => {
  const made = join(root, "made");
  const { path, bytes } = deploy(made);
  expect(path).toBe(made);
  expect(bytes).toBeGreaterThan(100e6);
  const elsewhere = join(root, "else where");
  renameSync(made, elsewhere);
  expect(run(elsewhere, "console.log(torch.tensor([1, 2]).add(1).tolist())")).toBe("[ 2, 3 ]\n");
  const opened = run(
    elsewhere,
    'console.log(torch.ones([1]).item(), require("fs").readFileSync("/proc/self/maps", "utf8"))',
  );
  const libraries = new Set(opened.match(/\/.*libtorch_cpu\.so$/gm));
  expect([...libraries]).toEqual([join(elsewhere, "libtorch/deployed/torch/lib/libtorch_cpu.so")]);
});

test("without headers nothing is compiled, and setup says why", () => {
  // Another path, so that no addon is there for it: the deployed one has been removed.
  const bare = join(root, "bare");
  mkdirSync(join(bare, "libtorch"), { recursive: true });
  symlinkSync(join(root, "else where", "libtorch", "deployed"), join(bare, "libtorch", "deployed"));
  const LIBTORCH = join(bare, "libtorch", "deployed", "torch");
  const program = join(import.meta.dirname, "../../bin/torch.js");
  const setup = () =>
    execFileSync(process.execPath, [program, "setup"], {
      encoding: "utf8",
      env: { ...process.env, LIBTORCH, PENUMBRA_CACHE: bare },
      stdio: "pipe",
    });
  expect(setup).toThrow(/has to be compiled[\s\S]*without their headers[\s\S]*penumbra-torch deploy/);
});

test("a folder that is there is left as it is", () => {
  expect(() => deploy(root)).toThrow(LibraryError);
  expect(() => deploy(root)).toThrow(/is there already: nothing was written/);
});
