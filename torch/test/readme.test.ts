import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
const examples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code ?? "");
// Inside the workspace, where the package's own name resolves.
const folder = mkdtempSync(join(import.meta.dirname, ".readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(code: string): string {
  const file = join(folder, "example.ts");
  writeFileSync(file, code);
  return execFileSync(process.execPath, ["--import", "tsx", "--conditions=source", file], {
    encoding: "utf8",
    env: { ...process.env, TMPDIR: folder }, // what examples write goes with the folder
  });
}

test("the README has examples", () => expect(examples.length).toBeGreaterThanOrEqual(4));

test.each(
  examples.map((code) => [code.split("\n").find((line) => line.startsWith("const")) ?? "an example", code]),
)("the README's example with `%s` runs", (_, code) => {
  expect(run(code)).not.toBe("");
});

test("the README's network learns its spirals", () => {
  const example = examples.find((code) => code.includes("class Classifier")) ?? "";
  const [, right] = run(example).match(/^(\d+) of 400/) ?? [];
  expect(Number(right)).toBeGreaterThan(380);
});
