import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("libtorch is loaded by the first use, not by an import", () => {
  const child = join(import.meta.dirname, "lazy.child.ts");
  const args = ["--import", "tsx", "--conditions=source", child];
  const run = (env: NodeJS.ProcessEnv) =>
    execFileSync(process.execPath, args, {
      encoding: "utf8",
      env: { ...process.env, ...env },
      stdio: "pipe",
    });
  expect(JSON.parse(run({}))).toEqual([
    ["random", false],
    ["import", false],
    ["layers without weights, a scope without tensors", false],
    ["the first tensor", true],
  ]);
  expect(() => run({ LIBTORCH: "/nowhere" })).toThrow(/LibraryError: LIBTORCH="\/nowhere" cannot be used/);
});
