// The two packages as npm would publish them, in a folder that has nothing of this repository.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const consumer = mkdtempSync(join(tmpdir(), "penumbra-package-"));
afterAll(() => rmSync(consumer, { recursive: true, force: true }));

const run = (program: string, args: readonly string[]) =>
  execFileSync(program, args, { cwd: consumer, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Packs a workspace and unpacks it where an install would put it. */
function install(workspace: string, name: string): void {
  const packing = ["pack", "--json", "--workspace", workspace, "--pack-destination", consumer];
  const output = execFileSync("npm", packing, { cwd: repository, encoding: "utf8", stdio: "pipe" });
  const [{ filename }] = JSON.parse(output.slice(output.indexOf("[\n"))) as [{ filename: string }];
  const folder = join(consumer, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  run("tar", ["-xzf", join(consumer, filename), "-C", folder, "--strip-components=1"]);
}

beforeAll(() => {
  // `npm pack` would not do it: the repository runs no package's scripts by itself.
  execFileSync("npm", ["run", "build"], { cwd: repository, stdio: "pipe" });
  install("torch", "@penumbra/torch");
  install("penumbra", "penumbra");
  // Their dependencies, and what a TypeScript project has.
  const others = readdirSync(join(repository, "node_modules")).filter(
    (name) => !/^(@penumbra$|penumbra|\.)/.test(name),
  );
  for (const name of others) {
    const link = join(consumer, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(repository, "node_modules", name), link);
  }
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module" }));
});

test("a strict TypeScript program compiles against the published types and trains in plain Node", () => {
  writeFileSync(
    join(consumer, "train.ts"),
    `import * as torch from "@penumbra/torch";
import { nn, optim, type Tensor } from "@penumbra/torch";

class Line extends nn.Module {
  readonly layer = new nn.Linear(1, 1);
  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}
torch.manualSeed(0);
const model = new Line();
const x = torch.linspace(-1, 1, 32).unsqueeze(1);
const optimizer = new optim.AdamW(model.parameters(), { lr: 0.1, weightDecay: 0 });
for (let step = 0; step < 200; step += 1) {
  torch.scope(() => {
    optimizer.zeroGrad();
    model.forward(x).mseLoss(x.mul(3)).backward();
    optimizer.step();
  });
}
console.log(model.layer.weight.item());
`,
  );
  writeFileSync(
    join(consumer, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "es2022",
        lib: ["es2023", "esnext.disposable"],
        module: "nodenext",
        strict: true,
        outDir: "out",
        types: ["node"],
      },
      files: ["train.ts"],
    }),
  );
  run(process.execPath, [join(repository, "node_modules/typescript/bin/tsc"), "-p", "."]);
  expect(Number(run(process.execPath, ["out/train.js"]))).toBeCloseTo(3, 1);
});

test("the commands of both packages run without the repository", async () => {
  expect(run(process.execPath, ["node_modules/@penumbra/torch/bin/torch.js", "doctor"])).toMatch(/libtorch/);
  const penumbra = (...args: string[]) =>
    run(process.execPath, ["node_modules/penumbra/bin/penumbra.js", ...args]);
  for (const name of ["bolt/a", "bolt/b", "bolt/c", "nut/a", "nut/b", "nut/c"]) {
    const file = join(consumer, "photos", `${name}.png`);
    mkdirSync(dirname(file), { recursive: true });
    // Photos of one colour would be left out.
    const noise = { type: "gaussian", mean: name.charCodeAt(name.length - 1), sigma: 40 } as const;
    await sharp({ create: { width: 16, height: 16, channels: 3, background: "black", noise } })
      .png()
      .toFile(file);
  }
  expect(penumbra("init", "photos")).toMatch(/Wrote study.yaml/);
  // Finds penumbra-mini, which the package carries.
  expect(penumbra("check", "study.yaml")).toMatch(/bolt +known +3/);
});
