// What every generator of the table must hold: a new entry is tested the moment it is listed. Trainings of seconds
// that the suite would repeat are in each generator's own tests.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { generatorNamed, generatorNames, type ImageGenerator } from "../../src/generators/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-generators-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("a name that is not in the table is refused with those that are", () => {
  expect(() => generatorNamed("dream")).toThrow(
    `no generator "dream". Choose one of: ${generatorNames.join(", ")}`,
  );
});

describe.each(generatorNames)("the generator %s", (name) => {
  const generator: ImageGenerator = generatorNamed(name);

  test("says what it is and what its models are for", () => {
    const { title, description, card } = generator;
    for (const text of [title, description, card.introduction, card.purpose])
      expect(text.trim()).not.toBe("");
  });

  test("has a default for every setting, and refuses others", () => {
    const defaults = generator.settings.parse({});
    expect(generator.settings.parse(defaults)).toEqual(defaults);
    expect(generator.settings.safeParse({ noSuchSetting: 1 }).success).toBe(false);
  });

  test("takes the settings that every training has", () => {
    const common = { seed: 7, device: "cpu", precision: "fp32" };
    expect(generator.settings.parse(common)).toMatchObject(common);
  });

  test("draws faithful images and flawed ones, by dials in their range", () => {
    if (!generator.artist) return; // by words: diffusion/redraw
    const ways = Object.entries(generator.artist.ways);
    for (const kind of ["faithful", "near-ood"])
      expect(ways.some(([, way]) => way.kind === kind && !way.needsOtherClass)).toBe(true);
    for (const [way, { title, description, dial, range, values }] of ways) {
      for (const text of [title, description, dial]) expect(text.trim(), way).not.toBe("");
      expect(values.length, way).toBeGreaterThan(0);
      for (const value of values) expect(value >= range[0] && value <= range[1], way).toBe(true);
    }
  });

  test("refuses a folder that is no corpus before anything is written", async () => {
    const corpus = mkdtempSync(join(scratch, "corpus-"));
    const out = join(scratch, name);
    const options = { corpus, out, tokenizer: scratch, settings: generator.settings.parse({}) };
    await expect(generator.train(options)).rejects.toThrow(/has no captions.jsonl/);
    writeFileSync(join(corpus, "captions.jsonl"), '{"file": "none.png", "caption": "a photo of a fuse"}\n');
    await expect(generator.train(options)).rejects.toThrow(/No image of the corpus/);
    for (const folder of [out, `${out}.work`]) expect(existsSync(folder)).toBe(false);
  });
});
