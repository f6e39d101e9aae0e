import { dirname, join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { findOddities, type ProblemKind, scanPhotos, splitByObject } from "../../../src/data/index.ts";
import { planFor, REMEDIES } from "../../../src/study/config/plan.ts";
import { largestShots } from "../../../src/study/config/shots.ts";
import { parseConfig, planStudy, scanOptionsOf, TABLES, writeScaffold } from "../../../src/study/index.ts";
import { folderWith, photoBytes } from "../../data/folder.ts";

const lively = async (seed: string, width = 64, height = 64) =>
  sharp(await photoBytes(seed))
    .resize(width, height, { fit: "fill" })
    .png()
    .toBuffer();
const plain = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: "#777" } })
    .png()
    .toBuffer();

/** Two sound classes of six objects each, and what is odd beside them. */
async function folderOf(odd: Record<string, Buffer>): Promise<string> {
  const content: Record<string, Buffer> = {};
  for (const className of ["bolt", "nut"])
    for (let i = 0; i < 6; i++)
      content[`${className}/${"uvwxyz"[i]}.png`] = await lively(`${className} ${i}`);
  return folderWith([], { ...content, ...odd });
}

const frame = async (step: number) => {
  const base = await sharp(await lively("scene"))
    .raw()
    .toBuffer();
  const moved = base.map((value, i) => Math.min(255, value + ((i + step) % 7 === 0 ? 3 * step : 0)));
  return sharp(moved, { raw: { width: 64, height: 64, channels: 3 } })
    .png()
    .toBuffer();
};

/** Folders in which each kind is found for which there is a remedy. */
const FOLDERS: Partial<Record<ProblemKind, () => Promise<string>>> = {
  "odd-shape": async () =>
    folderOf({
      "bolt/a.png": await lively("a", 300, 20),
      "bolt/b.png": await lively("b", 300, 20),
      "nut/c.png": await lively("c", 20, 300),
    }),
  recording: async () => {
    const frames: Record<string, Buffer> = {};
    for (let i = 0; i < 6; i++) frames[`bolt/run_${i}.png`] = await frame(i);
    return folderOf(frames);
  },
  "near-duplicate": async () =>
    folderOf({
      "bolt/again.jpg": await sharp(await lively("bolt 0"))
        .jpeg({ quality: 80 })
        .toBuffer(),
    }),
  leak: async () => {
    const content: Record<string, Buffer> = {};
    for (const className of ["bolt", "nut"])
      for (let object = 0; object < 6; object++) {
        const split = ["train", "val", "test"][object % 3];
        content[`${split}/${className}/${object}/0.png`] = await lively(`${className} ${object} 0`);
      }
    content["test/bolt/0/1.png"] = await lively("bolt 0 1");
    return folderWith([], content);
  },
  blank: async () => folderOf({ "bolt/blank.png": await plain(64) }),
  tiny: async () => folderOf({ "nut/tiny.png": await lively("t", 8, 8) }),
};

const proposing = Object.entries(REMEDIES).flatMap(([kind, propose]) =>
  propose ? [kind as ProblemKind] : [],
);

test("every kind of finding that a setting can mend has a folder here", () => {
  expect(Object.keys(FOLDERS).sort()).toEqual([...proposing].sort());
});

test.each(proposing)("what init proposes for %s mends it", async (kind) => {
  const root = await FOLDERS[kind]!();
  const before = await scanPhotos(root);
  expect(findOddities(before).filter((problem) => problem.kind === kind)).not.toEqual([]);
  const plan = planFor(before, root, join(dirname(root), "study.yaml"));
  const text = writeScaffold(plan.overrides, plan.head);
  const config = parseConfig(text, "study.yaml");
  const study = planStudy({ config, folder: dirname(root), path: "study.yaml", text, tables: TABLES });
  const after = await scanPhotos(root, scanOptionsOf(study.config));
  // Those of shape and of a division lie in the files: what is mended is what the study does with them.
  if (kind === "odd-shape") expect(config.fit).toBe("letterbox");
  else if (kind === "leak") {
    const parts = splitByObject(after, { ...config.split, shots: largestShots(config), seed: 0 });
    const places = new Map<string, Set<string>>();
    for (const [part, photos] of Object.entries(parts))
      for (const { object } of photos) places.set(object, (places.get(object) ?? new Set()).add(part));
    expect(places.get("bolt/0")?.size).toBe(1);
    expect([...places.values()].every(({ size }) => size === 1)).toBe(true);
    expect(
      Object.values(parts)
        .flat()
        .filter(({ object }) => object === "bolt/0"),
    ).toHaveLength(2);
  } else expect(findOddities(after).filter((problem) => problem.kind === kind)).toEqual([]);
  expect(plan.notes.join(" ")).toMatch(/fit is|objects joins|split\.given is|under ignore/);
});

test("for a folder without fault init proposes none of it", async () => {
  const root = await folderOf({});
  const { overrides } = planFor(await scanPhotos(root), root, "study.yaml");
  for (const name of ["fit", "objects", "ignore", "split.given"])
    expect(overrides).not.toHaveProperty([name]);
});
