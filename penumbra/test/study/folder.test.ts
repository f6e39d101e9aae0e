import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  type BroughtImageLine,
  imageLines,
  type Manifest,
  type Photo,
  scanPhotos,
  splitByObject,
} from "../../src/data/index.ts";
import { writeReport } from "../../src/report/index.ts";
import type { Outcome } from "../../src/results/index.ts";
import { ConfigError, loadConfig, planStudy, runStudy, type StageEvent } from "../../src/study/index.ts";
import { mulberry } from "../report/outcome.ts";
import { makeTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

vi.setConfig({ hookTimeout: 200_000 });

const settings = {
  ...tinySettings,
  seeds: [0],
  arms: [
    "supcon",
    { name: "supcon+painted", objective: "supcon", positives: "painted" },
    { name: "supcon+tool", objective: "supcon", negatives: "tool" },
    { name: "supcon+sifted-tool", objective: "supcon", negatives: "sifted-tool" },
  ],
  sources: {
    painted: { folder: "painted", kind: "faithful" },
    tool: { folder: "made/by-tool", kind: "near-ood" },
  },
  sift: { judge: "supcon" },
};

let folder = "";
let manifest: Manifest;
let train: readonly Photo[];
let held: readonly Photo[];
let outcome: Outcome;
const events: StageEvent[] = [];

/** A picture of a few blurred patches, no two alike, and not square. */
async function paint(path: string, seed: number): Promise<void> {
  const random = mulberry(seed);
  const raw = { width: 4, height: 3, channels: 3 as const };
  const patches = Buffer.from(Array.from({ length: 36 }, () => Math.floor(256 * random())));
  await mkdir(join(path, ".."), { recursive: true });
  await sharp(patches, { raw }).resize(40, 30, { fit: "fill" }).jpeg().toFile(path);
}

const run = async () => {
  const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
  events.length = 0;
  return { study, outcome: await runStudy(study, { onEvent: (event) => events.push(event) }) };
};
const photoPath = ({ id }: Photo) => join(manifest.root, id);
const writeLines = (lines: readonly object[]) =>
  writeFile(
    join(folder, "made/by-tool/manifest.jsonl"),
    lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
const toolLines = () => [
  { file: "x/0.jpg", parent: train[0]!.id, kind: "near-ood", strength: 0.8, wordClass: "part-1" },
  { file: "x/1.jpg", parent: held[0]!.id, kind: "near-ood" },
  { file: "x/2.jpg", parent: train[1]!.id, kind: "faithful" },
  { file: "x/3.jpg", className: "part-2", model: "another field" },
];

beforeAll(async () => {
  folder = await makeTinyStudy(settings);
  manifest = await scanPhotos(join(folder, "photos"));
  ({ train } = splitByObject(manifest, { ...tinySettings.split, seed: 0 }));
  const objects = new Set(train.map(({ object }) => object));
  held = manifest.photos.filter(({ role, object }) => role === "known" && !objects.has(object));
  for (let i = 0; i < 6; i++) await paint(join(folder, "painted", `part-${i % 3}`, `${i}.jpg`), i + 1);
  await copyFile(photoPath(held[0]!), join(folder, "painted", held[0]!.className, "copy.png"));
  const like = join(folder, "painted", held[1]!.className, "smaller.webp");
  await sharp(photoPath(held[1]!)).webp({ quality: 100 }).toFile(like);
  for (let i = 0; i < 4; i++) await paint(join(folder, `made/by-tool/x/${i}.jpg`), 11 + i);
  await writeLines(toolLines());
  ({ outcome } = await run());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const artifactsOf = async (stage: string) => {
  const artifacts = join(folder, "run", "artifacts");
  const names = (await readdir(artifacts)).filter((name) => name.startsWith(`${stage}-`));
  return Promise.all(
    names.map(async (name) => ({
      folder: join(artifacts, name),
      lines: (await imageLines(join(artifacts, name))) as BroughtImageLine[],
    })),
  );
};
const imagesOf = async (source: string) =>
  (await artifactsOf("images")).find(({ lines }) => lines[0]?.recipe === source)!;

test("images of a folder are learned from where they lie: nothing is copied", async () => {
  const { folder: artifact, lines } = await imagesOf("painted");
  expect(lines.map(({ file }) => file).sort()).toEqual(
    [0, 1, 2, 3, 4, 5].map((i) => `part-${i % 3}/${i}.jpg`).sort(),
  );
  for (const { kind, className, file, object, isParentStated, parent } of lines) {
    expect([kind, className, isParentStated]).toEqual(["faithful", file.split("/")[0], false]);
    expect(train.find(({ id }) => id === parent)).toMatchObject({ object, className });
  }
  expect((await readdir(artifact)).sort()).toEqual(["manifest.json", "manifest.jsonl"]);
});

test("copies of photos that are kept from training are refused, exact or almost, and told", () => {
  const notes = events.flatMap((event) => (event.event === "note" ? [event.text] : []));
  expect(notes).toContain("Left out 2 of 8 images: copies, or almost, of photos that it does not train on");
});

test("with a manifest children follow their parents, and each kind is a source of its own", async () => {
  const { lines } = await imagesOf("tool");
  expect(lines.map(({ file }) => file).sort()).toEqual(["x/0.jpg", "x/3.jpg"]);
  const [stated, free] = ["x/0.jpg", "x/3.jpg"].map((file) => lines.find((line) => line.file === file)!);
  expect(stated).toMatchObject({
    ...{ parent: train[0]!.id, parentHash: train[0]!.hash, className: train[0]!.className },
    ...{ isParentStated: true, strength: 0.8, wordClass: "part-1", kind: "near-ood" },
  });
  expect(free).toMatchObject({
    className: "part-2",
    isParentStated: false,
    parentHash: null,
    strength: null,
  });
  const notes = events.flatMap((event) => (event.event === "note" ? [event.text] : []));
  expect(notes).toContain("Left out 1 of 3 images: made from photos that it does not train on");
});

test("the report tells and shows them beside the others, and the stages are counted", async () => {
  const { study } = await run();
  expect(events.filter(({ event }) => event === "done" || event === "reused")).toHaveLength(study.stageCount);
  expect(outcome.sourceFigures!.map(({ source, images }) => [source, images])).toEqual([
    ["painted", 6],
    ["tool", 2],
  ]);
  expect(outcome.recipes).toContainEqual({ name: "tool", title: "tool", kind: "near-ood" });
  const shown = outcome.sheet.flatMap(({ redraws }) => redraws.map(({ image }) => image));
  expect(shown.length).toBeGreaterThan(0);
  for (const image of shown) expect((await stat(join(folder, "run", image))).size).toBeGreaterThan(0);
  expect(await readFile(await writeReport(join(folder, "run")), "utf8")).toContain("painted");
});

test("a changed image makes its stage anew, another place of the folder does not", async () => {
  const made = () =>
    events.flatMap(({ event, stage, label }) =>
      event === "done" && ["images", "encoder"].includes(stage) ? [`${stage} ${label}`] : [],
    );
  await rename(join(folder, "painted"), join(folder, "elsewhere"));
  const sources = { ...settings.sources, painted: { folder: "elsewhere", kind: "faithful" } };
  await writeSettings(folder, { ...settings, sources });
  await run();
  expect(made()).toEqual([]);
  await paint(join(folder, "elsewhere/part-0/0.jpg"), 99);
  await run();
  expect(made()).toEqual(["images painted, seed 0", "encoder supcon+painted, seed 0"]);
});

test.each([
  ["a class that is not known", { className: "part-7" }, /manifest.jsonl:1: "part-7" is no known class/],
  [
    "a parent that is not there",
    { parent: "known/none.png" },
    /:1: the parent "known\/none.png" is no photo/,
  ],
  ["neither class nor parent", {}, /has neither className nor parent/],
  ["a strength out of range", { className: "part-0", strength: 2 }, /manifest.jsonl:1: "strength"/],
])("%s is refused with its line", async (_, line, message) => {
  await writeLines([{ file: "x/0.jpg", ...line }]);
  await expect(run()).rejects.toThrow(message);
});

test("children and copies of unknowns are refused", async () => {
  const unknown = manifest.photos.find(({ role }) => role === "near")!;
  await writeLines([{ file: "x/0.jpg", parent: unknown.id }]);
  await expect(run()).rejects.toThrow(/was made from "near\/.*unknown class/);
  await copyFile(photoPath(unknown), join(folder, "made/by-tool/x/9.png"));
  await writeLines([{ file: "x/9.png", className: "part-0" }]);
  await expect(run()).rejects.toThrow(
    /"x\/9.png" is a copy of "near\/.*, or almost: a photo of an unknown class/,
  );
});

test("a folder of which nothing may be used is refused, and so is a wrong section", async () => {
  await writeLines([{ file: "x/1.jpg", parent: held[0]!.id }]);
  await expect(run()).rejects.toThrow(/None of the 1 near-ood images .* may be used at seed 0/);
  const wrong = async (tool: object) => {
    await writeSettings(folder, { ...settings, sources: { ...settings.sources, tool } });
    return loadConfig(join(folder, "study.yaml"));
  };
  await expect(wrong({ folder: "made" })).rejects.toThrow(/"sources.tool.kind" is missing/);
  await expect(wrong({ folder: "made", kind: "good" })).rejects.toThrow(ConfigError);
  await expect(wrong({ folder: "made", kind: "faithful", variants: 2 })).rejects.toThrow(/not a setting/);
});
