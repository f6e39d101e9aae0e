import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { circles, importsOf, ROOMS, violations } from "../../scripts/rooms.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function houseWith(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "rooms-"));
  folders.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

test("the project keeps its own rule", () => {
  expect(violations(join(import.meta.dirname, "../.."))).toEqual([]);
});

test("no two files of the project need each other, not even for a type", () => {
  expect(circles(join(import.meta.dirname, "../.."))).toEqual([]);
});

test("files on a circle of imports are named, those that lead to it or from it are not", () => {
  const root = houseWith({
    "penumbra/src/images/a.ts": 'import { b } from "./b.ts";\nimport { z } from "./z.ts";',
    "penumbra/src/images/b.ts": 'import { c } from "./c.ts";',
    "penumbra/src/images/c.ts": 'import type { A } from "./a.ts";',
    "penumbra/src/images/index.ts": 'export * from "./a.ts";',
    "penumbra/src/images/z.ts": "export const z = 1;",
  });
  expect(circles(root)).toEqual([
    expect.stringMatching(/^penumbra\/src\/images\/a\.ts: lies on a circle .*b\.ts;/),
    expect.stringMatching(/^penumbra\/src\/images\/b\.ts: .*c\.ts;/),
    expect.stringMatching(/^penumbra\/src\/images\/c\.ts: .*a\.ts;/),
  ]);
});

test("every arrow of the table points to a room that stands below", () => {
  for (const [height, room] of ROOMS.entries()) {
    const below = ROOMS.slice(0, height).map(({ name }) => name);
    expect(below).toEqual(expect.arrayContaining([...room.may]));
  }
});

test("an import from a lower room through its index is allowed", () => {
  const root = houseWith({
    "penumbra/src/contrast/train.ts": [
      'import { Tensor } from "@penumbra/torch";',
      'import { ResNet } from "../models/index.ts";',
      'import { cosine } from "./schedule.ts";',
      'import { readFileSync } from "node:fs";',
    ].join("\n"),
  });
  expect(violations(root)).toEqual([]);
});

test("a room within a room is a room of its own", () => {
  const root = houseWith({
    "penumbra/src/study/run.ts": 'import { runStage } from "./stages/index.ts";',
    "penumbra/src/study/stages/a.ts": 'import type { Artifact } from "../store/index.ts";',
  });
  expect(violations(root)).toEqual([]);
});

test("a room that may not know the engine may know its random numbers, which are plain TypeScript", () => {
  const from = (module: string) =>
    violations(houseWith({ "penumbra/src/report/a.ts": `import { Random } from "${module}";` }));
  expect(from("@penumbra/torch/random")).toEqual([]);
  expect(from("@penumbra/torch")).toHaveLength(1);
});

test.each([
  [
    "an upward import",
    "penumbra/src/models/a.ts",
    'import { x } from "../study/index.ts";',
    "models/ may not import study",
  ],
  [
    "a sideways import",
    "penumbra/src/unknowns/a.ts",
    'export * from "../contrast/index.ts";',
    "unknowns/ may not import contrast",
  ],
  [
    "a type-only import",
    "penumbra/src/models/a.ts",
    'import type { X } from "../data/index.ts";',
    "models/ may not import data",
  ],
  [
    "a dynamic import",
    "penumbra/src/models/a.ts",
    'const m = await import("../cli/index.ts");',
    "models/ may not import cli",
  ],
  [
    "an import over several lines",
    "penumbra/src/data/a.ts",
    'import {\n  x,\n} from "../models/index.ts";',
    "a.ts:3: data/ may not import models",
  ],
  [
    "an import past the index",
    "penumbra/src/study/a.ts",
    'import { x } from "../data/scan.ts";',
    "reaches into data/",
  ],
  [
    "the engine in the report",
    "penumbra/src/report/a.ts",
    'import { Tensor } from "@penumbra/torch";',
    "report/ may not import torch",
  ],
  [
    "the engine in the results",
    "penumbra/src/results/a.ts",
    'import { Random } from "@penumbra/torch";',
    "results/ may not import torch",
  ],
  [
    "an upward import within the study",
    "penumbra/src/study/stages/a.ts",
    'import type { Study } from "../run.ts";',
    "study/stages/ may not import study",
  ],
  [
    "an import past the index of a room within a room",
    "penumbra/src/study/run.ts",
    'import { split } from "./stages/split.ts";',
    "reaches into study/stages/",
  ],
  [
    "the engine by path",
    "penumbra/src/models/a.ts",
    'import { x } from "../../../torch/src/index.ts";',
    "imports the engine by path",
  ],
  ["penumbra in the engine", "torch/src/nn/a.ts", 'import { x } from "penumbra";', "may not import penumbra"],
  [
    "a file outside every room",
    "penumbra/src/models/a.ts",
    'import { x } from "../../../bench/run.ts";',
    "lies in no room",
  ],
  [
    "another room's package",
    "penumbra/src/data/a.ts",
    'import sharp from "sharp";',
    "only images/ may import",
  ],
])("%s is reported with its file and line", (_, file, text, message) => {
  const found = violations(houseWith({ [file]: text }));
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(`${file}:`);
  expect(found[0]).toContain(message);
});

test("what stands in a comment is no import", () => {
  expect(
    importsOf('/**\n * import { x } from "../cli/index.ts";\n */\n// import("../cli/index.ts")\n'),
  ).toEqual([]);
});
