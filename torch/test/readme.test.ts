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

test("every line of the README's table from Python to TypeScript runs", () => {
  const [table = ""] = readme.match(/\| Python \| TypeScript \|\n[\s\S]*?\n\n/) ?? [];
  const cells = table
    .split("\n")
    .slice(2)
    .map((row) => row.split(" | ")[1] ?? "");
  const pieces = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? ""));
  const statements = pieces.filter((code) => !/^(class|readonly|forward|scope)/.test(code));
  expect(statements.length).toBeGreaterThan(20);
  // Each piece gets tensors of its own, under the names that the table uses.
  const code = `
    import * as torch from "@penumbra/torch";
    import { data, nn, optim } from "@penumbra/torch";
    const f = ${JSON.stringify(join(folder, "weights.pth"))};
    const ds = { length: 8, get: (i: number) => i };
    const net = new nn.Linear(3, 3);
    const n = new Float32Array(2);
    const [device, step] = ["cpu", 1] as const;
    const given = () => {
      const x = torch.arange(6, { dtype: "float32" }).reshape([2, 3]);
      const y = torch.tensor([0, 1], { dtype: "int64" });
      const logits = net.forward(x);
      const [a, b] = [torch.ones([2, 2]), torch.ones([2, 2])];
      const opt = new optim.AdamW(net.parameters(), { lr: 1e-3 });
      return { x, y, logits, a, b, opt, mask: x.gt(2), loss: logits.crossEntropyLoss(y) };
    };
    ${statements.map((code) => `(({ x, y, logits, a, b, opt, mask, loss }) => { { ${code}; } })(given());`).join("\n")}
    console.log("ran");
  `;
  expect(run(code)).toBe("ran\n");
});
