import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generate } from "../../../src/generators/index.ts";
import { decodeImage, encodePng } from "../../../src/images/index.ts";
import { withoutGenerator } from "../../../src/study/index.ts";
import { discsAndFrames } from "../../generators/toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-without-generator-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const photos = join(scratch, "photos");
const options = (out: string, settings: object = {}) => ({
  ...{ name: "none", generator: withoutGenerator, photos, count: 10, out: join(scratch, out) },
  ...{
    settings: withoutGenerator.settings.parse({ imageSize: 16, ...settings }),
    tokenizer: scratch,
    seed: 1,
  },
});

beforeAll(async () => {
  const { images, captions, captionOf } = discsAndFrames(16, 4);
  for (const caption of captions) mkdirSync(join(photos, caption), { recursive: true });
  for (const [i, caption] of captionOf.entries())
    await encodePng(images.select(0, i), join(photos, captions[caption]!, `${i}.png`));
});

test("photos become copies and collages by every way, each with its line, and the same call keeps them", async () => {
  const { lines, quality } = (await generate(options("made")))!;
  const counts = new Map<string, number>();
  for (const { kind, recipe } of lines)
    counts.set(`${kind} ${recipe}`, (counts.get(`${kind} ${recipe}`) ?? 0) + 1);
  const mixed = ["jigsaw", "cutmix", "blend", "patches", "elastic"].map((way) => [`near-ood ${way}`, 2]);
  expect(Object.fromEntries(counts)).toEqual({ "faithful augmented": 10, ...Object.fromEntries(mixed) });
  expect([quality.faithful!.images, quality["near-ood"]!.images]).toEqual([10, 10]);
  for (const { recipe, className, wordClass } of lines)
    expect(className !== wordClass, recipe).toBe(["cutmix", "blend", "patches"].includes(recipe));
  const images = () => Promise.all(lines.map(({ file }) => decodeImage(join(scratch, "made", file), 16)));
  const before = await images();
  expect(new Set(before.map((pixels) => pixels.join())).size).toBe(lines.length);
  const again = (await generate(options("made")))!;
  expect(again.lines).toEqual(lines);
  expect(await images()).toEqual(before);
  // Elsewhere the same ones are drawn; of another size others, beside them.
  const other = (await generate(options("other")))!;
  for (const { file } of other.lines) {
    const [one, two] = ["made", "other"].map((folder) => readFileSync(join(scratch, folder, file)));
    expect(one!.equals(two!), file).toBe(true);
  }
  await generate(options("other", { imageSize: 24 }));
  expect(await readdir(join(scratch, "other", "images"))).toHaveLength(2 * lines.length);
});

test("of one class nothing is mixed", async () => {
  const one = join(scratch, "one");
  mkdirSync(join(one, "disc"), { recursive: true });
  const { images } = discsAndFrames(16, 4);
  for (const i of [0, 2]) await encodePng(images.select(0, i), join(one, "disc", `${i}.png`));
  const { lines } = (await generate({ ...options("alone"), photos: one }))!;
  expect(new Set(lines.map(({ recipe }) => recipe))).toEqual(new Set(["augmented", "jigsaw", "elastic"]));
});
