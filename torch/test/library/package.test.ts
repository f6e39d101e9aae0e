import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findAddon } from "../../src/library/index.ts";

const checkout = join(import.meta.dirname, "../../..");
const TRAIN = `
import { manualSeed, memory, nn, optim, randn, scope } from "@penumbra/torch";
manualSeed(0);
const x = randn([32, 4]);
const model = new nn.Linear(4, 1);
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
const step = () => {
  optimizer.zeroGrad();
  const loss = model.forward(x).sub(x.sum([1], { keepdim: true })).square().mean();
  loss.backward();
  optimizer.step();
  return loss.item();
};
for (let i = 0; i < 100; i += 1) scope(step);
console.log(scope(step) < 1e-3 ? "trained" : "not trained", memory().tensors > 0);
`;

let root: string;
let app: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "package-"));
  app = join(root, "app");
  const out = join(root, "out");
  const script = join(checkout, "torch/scripts/package.ts");
  execFileSync(process.execPath, ["--import", "tsx", "--conditions=source", script, out], { cwd: checkout });
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), '{ "type": "module" }');
  const tarballs = readdirSync(out).filter((name) => name.endsWith(".tgz"));
  execFileSync(
    "npm",
    ["install", "--prefer-offline", "--ignore-scripts", ...tarballs.map((name) => join(out, name))],
    {
      cwd: app,
      stdio: "pipe",
    },
  );
  writeFileSync(join(app, "train.js"), TRAIN);
  mkdirSync(join(root, "programs"));
  symlinkSync(process.execPath, join(root, "programs/node"));
}, 400_000); // the compiler and npm, on a machine that does other things too
afterAll(() => rmSync(root, { recursive: true }));

/** Runs a file with Node as the only program in the path: no compiler, no Python; nothing was built for it. */
function run(file: string, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync("node", [file], {
    cwd: app,
    encoding: "utf8",
    env: {
      PATH: join(root, "programs"),
      HOME: root,
      PENUMBRA_CACHE: join(root, "cache"),
      LIBTORCH: findAddon().libtorch.root,
      ...env,
    },
    stdio: "pipe",
  });
}

describe("the packages, installed in an empty folder", () => {
  test("train with the prebuilt addon, without a compiler and without a setup", () => {
    expect(run("train.js")).toBe("trained true\n");
  });

  test("find nothing where the prebuilt addon is of another libtorch, and say what to run", () => {
    const addons = join(app, `node_modules/@penumbra/torch-${process.platform}-${process.arch}`);
    const key = readdirSync(addons).find((name) => /^[0-9a-f]{20}$/.test(name)) ?? "";
    execFileSync("mv", [join(addons, key), join(addons, "another")]);
    expect(() => run("train.js")).toThrow(/no prebuilt one fits[\s\S]*npx @penumbra\/torch setup/);
    execFileSync("mv", [join(addons, "another"), join(addons, key)]);
  });

  test("type-check in a strict project that checks the declarations of its packages too", () => {
    const project = join(root, "typed");
    mkdirSync(project);
    symlinkSync(join(app, "node_modules"), join(project, "node_modules"));
    for (const name of ["mlp", "cnn", "gpt", "server", "workers", "custom-function"]) {
      copyFileSync(join(checkout, "torch/examples", `${name}.ts`), join(project, `${name}.ts`));
    }
    const compilerOptions = {
      ...{
        strict: true,
        noUncheckedIndexedAccess: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
      },
      ...{ module: "nodenext", target: "es2023", lib: ["es2023", "esnext.disposable"], noEmit: true },
      ...{ types: ["node"], typeRoots: [join(checkout, "node_modules/@types")] },
    };
    writeFileSync(join(project, "package.json"), '{ "type": "module" }');
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    const compiler = join(checkout, "node_modules/typescript/bin/tsc");
    expect(execFileSync(process.execPath, [compiler], { cwd: project, encoding: "utf8" })).toBe("");
  });

  test("load by require in CommonJS", () => {
    writeFileSync(join(app, "required.cjs"), 'console.log(require("@penumbra/torch").ones([2]).tolist());');
    expect(run("required.cjs")).toBe("[ 1, 1 ]\n");
  });

  test("install anew from the lock file", () => {
    execFileSync("npm", ["ci", "--prefer-offline", "--ignore-scripts"], { cwd: app, stdio: "pipe" });
    expect(run("train.js")).toBe("trained true\n");
  });

  test("hold what a package needs and nothing of the workshop", () => {
    const folder = join(app, "node_modules/@penumbra/torch");
    expect(readdirSync(folder).sort()).toEqual(
      [
        "LAYERS.md",
        "LICENSE",
        "README.md",
        "bin",
        "dist",
        "docs",
        "examples",
        "native",
        "package.json",
        "src",
      ].sort(),
    );
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    expect(manifest.exports["./package.json"]).toBe("./package.json");
    expect(manifest.keywords).toContain("pytorch");
    // Those alone that were packed with it: `npm ci` refuses what no registry has.
    const platform = `@penumbra/torch-${process.platform}-${process.arch}`;
    expect(manifest.optionalDependencies).toEqual({ [platform]: manifest.version });
    for (const workspace of ["torch", "penumbra"]) {
      expect(readFileSync(join(checkout, workspace, "LICENSE"))).toEqual(
        readFileSync(join(checkout, "LICENSE")),
      );
    }
  });

  test.each(["esm", "cjs"] as const)(
    "run in esbuild's bundle (%s) that leaves them outside",
    async (format) => {
      const outfile = join(app, format === "esm" ? "bundle.mjs" : "bundle.cjs");
      const entryPoints = [join(app, "train.js")];
      await build({ entryPoints, outfile, format, bundle: true, platform: "node", packages: "external" });
      expect(run(outfile)).toBe("trained true\n");
    },
  );

  test.each(["esm", "cjs"] as const)(
    "say what to do in a bundle (%s) that swallowed them",
    async (format) => {
      mkdirSync(join(root, "bundles"), { recursive: true });
      const outfile = join(root, "bundles", format === "esm" ? "whole.mjs" : "whole.cjs");
      const entryPoints = [join(app, "train.js")];
      await build({ entryPoints, outfile, format, bundle: true, platform: "node", logLevel: "error" });
      expect(() => run(outfile)).toThrow(
        /@penumbra\/torch was put into a bundle[\s\S]*--external:@penumbra\/torch/,
      );
    },
  );
});

describe("an example runs as a user runs it:", () => {
  /** What it prints, as JavaScript beside the installed package. */
  const outputOf = (name: string): string => {
    const source = readFileSync(join(checkout, "torch/examples", `${name}.ts`), "utf8");
    const { code } = transformSync(source, { loader: "ts", format: "esm", target: "es2022" });
    writeFileSync(join(app, `${name}.mjs`), code);
    return run(`${name}.mjs`, { OMP_NUM_THREADS: "1" });
  };

  test("a network learns the sine", () => {
    expect(Number(outputOf("mlp").match(/largest error (\S+)/)?.[1])).toBeLessThan(0.1);
  });

  test("a convolutional network tells figures apart", () => {
    expect(Number(outputOf("cnn").match(/(\d+) of 500/)?.[1])).toBeGreaterThan(450);
  });

  test("a GPT goes on with its poem", () => {
    expect(outputOf("gpt")).toMatch(/loss 0\.[0-3]\d+\n[\s\S]*The jaws that bite/);
  });

  test("a server answers 100 overlapping requests and ends with the tensors that it began with", () => {
    const output = outputOf("server");
    expect(output).toContain("100 requests answered, every row sums to 1: true");
    const [, before, after] = output.match(/before: (\d+), after: (\d+)/) ?? [];
    expect(Number(before)).toBeGreaterThan(0);
    expect(after).toBe(before);
  });

  test("workers fill a tensor of the main thread", () => {
    const output = outputOf("workers");
    expect(output).toContain("sums of the halves: 500000,1000000");
    expect(output).toContain("tensors underway: 0, the event loop turned meanwhile: true");
  });

  test("a custom gradient trains a binary network", () => {
    expect(outputOf("custom-function")).toContain("16 of 16 signs found");
  });
});

test("a clone without its dependencies packs nothing: the build fails, and npm pack with it", () => {
  const clone = join(root, "clone");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${checkout}`, clone], { stdio: "pipe" });
  const inCheckout = /node_modules/; // where a test's own path leads to the compiler
  const PATH = process.env.PATH?.split(":").filter((folder) => !inCheckout.test(folder));
  const pack = () =>
    execFileSync("npm", ["pack", "--ignore-scripts=false"], {
      cwd: join(clone, "torch"),
      env: { ...process.env, PATH: PATH?.join(":") },
      stdio: "pipe",
    });
  expect(pack).toThrow(/tsc.*not found/);
  expect(readdirSync(join(clone, "torch")).filter((name) => name.endsWith(".tgz"))).toEqual([]);
  // Where npm runs no scripts, nothing is built, and nothing can be published.
  for (const workspace of ["torch", "penumbra"]) {
    const { stderr } = spawnSync("npm", ["publish", "--dry-run", "--ignore-scripts"], {
      cwd: join(clone, workspace),
      encoding: "utf8",
    });
    expect(stderr).toContain("marked as private");
  }
});
