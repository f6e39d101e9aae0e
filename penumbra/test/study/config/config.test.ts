import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { studyJsonSchema } from "../../../src/study/config/config.ts";
import { ConfigError, loadConfig, parseConfig } from "../../../src/study/config/load-config.ts";
import { RENAMED_SETTINGS, RENAMED_VALUES } from "../../../src/study/config/renamed.ts";
import { writeScaffold } from "../../../src/study/config/scaffold.ts";
import { schemaAt } from "../../../src/study/config/schema.ts";
import { answerShots, shotsOf } from "../../../src/study/config/shots.ts";
import { editDistance, suggest } from "../../../src/study/config/suggest.ts";

const refused = (text: string): string => {
  try {
    parseConfig(text, "study.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error("The configuration was accepted.");
};

describe("a configuration", () => {
  it("needs nothing but the photos", () => {
    const config = parseConfig("photos: photos\n", "study.yaml");
    expect(config).toMatchObject({
      photos: "photos",
      model: "penumbra-mini",
      imageSize: "auto",
      split: { test: "rest" },
    });
    expect(config.arms).toHaveLength(5);
  });

  it("takes several numbers of shots, each once, and answers about one of them", () => {
    const read = (text: string) => parseConfig(`photos: x\n${text}`, "study.yaml");
    const config = read("split: {shots: [4, 1, 2]}\n");
    expect([shotsOf(config), answerShots(config)]).toEqual([[1, 2, 4], 4]);
    expect(answerShots(read("split: {shots: [4, 1]}\nstatistics: {shots: 1}\n"))).toBe(1);
    expect(answerShots(read("split: {shots: 3}\n"))).toBe(3);
    expect(refused("photos: x\nsplit: {shots: [2, 2]}\n")).toMatch(/study\.yaml:2: .*List each number once/);
    expect(refused("photos: x\nsplit: {shots: [1, 2]}\nstatistics: {shots: 4}\n")).toMatch(
      /study\.yaml:3: statistics\.shots is 4, which is not among split\.shots: 1, 2/,
    );
  });

  it("with a misspelt setting is refused with file, line, setting and the one that was meant", () => {
    expect(refused("photos: x\nencoder:\n  learningrte: 0.2\n")).toBe(
      'study.yaml:3: "encoder.learningrte" is not a setting. Did you mean "learningRate"?',
    );
  });

  it("with an unknown setting is refused with the settings there are", () => {
    expect(refused("photos: x\nsplit: {colour: 1}\n")).toBe(
      'study.yaml:2: "split.colour" is not a setting. Settings here: shots, validation, test, given.',
    );
  });

  it("with a number for a name asks for quotes, and an alias of nothing is named with its line", () => {
    expect(refused("photos: x\nroles: {near: [007]}\n")).toMatch(
      /^study\.yaml:2: "roles\.near\[0\]" cannot be 7\. It must be a text\. Put it in quotes/,
    );
    expect(refused("photos: x\nroles:\n  near: [*bolt]\n")).toMatch(
      /^study\.yaml:3: "\*bolt" refers to something that is not there.*in quotes/,
    );
    expect(refused("photos: x\nname: ..\n")).toMatch(/not dots alone/);
  });

  it("in UTF-16 is refused with what to do", async () => {
    const folder = mkdtempSync(join(tmpdir(), "penumbra-utf16-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "study.yaml");
    writeFileSync(path, Buffer.from("\uFEFFphotos: x\n", "utf16le"));
    await expect(loadConfig(path)).rejects.toThrow(/written in UTF-16\. Save it as UTF-8/);
  });

  it("has all its faults named at once", () => {
    const message = refused("imageSize: 2.5\nencoder:\n  network: resnet1\n  batchSize: 0\n");
    expect(message.split("\n")).toEqual([
      expect.stringContaining('"photos" is missing'),
      expect.stringContaining(
        'study.yaml:1: "imageSize" cannot be 2.5. It must be "auto" or a whole number.',
      ),
      expect.stringContaining(
        'study.yaml:3: "encoder.network" cannot be "resnet1". Did you mean "resnet10"?',
      ),
      expect.stringContaining('study.yaml:4: "encoder.batchSize" cannot be 0. It must be more than 0.'),
    ]);
  });

  it.each([
    ["arms: [supcn]", 'Did you mean "supcon"?'],
    [
      "arms: [everything]",
      "Choose one of: cross-entropy, supcon, supcon+faithful, supcon+near-ood, supcon+both, supcon+ce,",
    ],
    ["arms: [supcon, supcon+id]", '"arms[1]": "supcon+id" is now called "supcon+faithful". Rename it.'],
    [
      "encoder: {faithfulShare: 0.5}",
      '"encoder.faithfulShare" is now called "encoder.faithfulProbability". Rename it.',
    ],
    [
      "redraw: {nearOod: {drift: [0.8]}}",
      '"redraw.nearOod" is now called "redraw.recipes.drift" and "redraw.recipes.crossed". Rename it.',
    ],
    ["seeds: 3", "It must be a list"],
    ["seeds: []", "It needs at least 1 entry."],
    ["seeds: [1, 1]", "seeds names something twice"],
    ["redraw: {recipes: {faithful: {strengths: [1.2]}}}", "It must be at most 1."],
    ["split: {test: all}", 'It must be a number or "rest".'],
    ["imageSize: 9999", "It must be at most 2048."],
    ["device: gpu", 'Use "auto", "cpu", "cuda" or "cuda:N".'],
    [
      "encoder: {width: 4}",
      "multiple of 8: with fewer channels libtorch's convolutions hang or corrupt memory",
    ],
    [
      "arms: [cross-entropy, cross-entropy+mix]\nencoder: {memory: 64}",
      'no arm of this study has a place for past projections: "cross-entropy" trains for cross-entropy, "cross-entropy+mix" trains for cross-entropy+mix. Set it to 0, or add an arm that trains for supcon,',
    ],
    ["encoder: 5", "It must be a section of settings."],
    [
      "redraw: {recipes: {faithful: {strengths: [0.3, 0.04]}}}",
      "has 0.04, which takes no step of redraw.steps: 20: its images would be the photos again. The smallest strength that takes one is 0.05; or set redraw.steps to 25 or more.",
    ],
    [
      "redraw: {steps: 3}",
      "study.yaml:2: redraw.recipes.faithful.strengths has 0.2, which takes no step of redraw.steps: 3",
    ],
    [
      'redraw: {guidanceScale: 1, recipes: {faithful: {negativePrompt: "{class}"}}}',
      'study.yaml:2: redraw.recipes.faithful.negativePrompt is "{class}", and nothing would lead away from it',
    ],
    ["encoder: {augment: {flop: 1}}", 'Did you mean "flip"?'],
  ])("with %s is refused and told what to write", (text, remedy) => {
    expect(refused(`photos: x\n${text}\n`)).toContain(remedy);
  });

  it.each(["photos: [x", "- 5", "photos: x\nphotos: y"])(
    "that is not YAML settings (%j) is refused",
    (text) => {
      expect(refused(text)).toContain("study.yaml");
    },
  );

  it("that does not exist is refused with the command that writes one", async () => {
    await expect(loadConfig("nowhere/study.yaml")).rejects.toThrow(
      /nowhere\/study.yaml does not exist.*penumbra init/,
    );
  });
});

describe("the table of renamed settings", () => {
  it("leads from names that are none any more to names that are", () => {
    for (const [old, now] of Object.entries(RENAMED_SETTINGS)) {
      expect(schemaAt(old.split(".")), old).toBeUndefined();
      for (const name of now) expect(schemaAt(name.split(".")), name).toBeDefined();
    }
    for (const [setting, values] of Object.entries(RENAMED_VALUES)) {
      for (const [old, now] of Object.entries(values)) {
        expect(refused(`photos: x\n${setting}: [${old}]`)).toContain(now);
        expect(() => parseConfig(`photos: x\n${setting}: [${now}]`, "study.yaml")).not.toThrow();
      }
    }
  });
});

describe("the commented configuration that init writes", () => {
  it("is read back as the defaults with the proposed settings", () => {
    const overrides = { photos: "../my photos", "split.shots": 2, "roles.near": ["a*", "b: c"] };
    const config = parseConfig(writeScaffold(overrides, ["A head"]), "study.yaml");
    const expected = parseConfig(
      'photos: "../my photos"\nsplit: {shots: 2}\nroles: {near: ["a*", "b: c"]}',
      "study.yaml",
    );
    expect(config).toEqual(expected);
  });

  it("explains every setting that it shows", () => {
    const lines = writeScaffold({ photos: "photos" }).split("\n");
    for (const [index, line] of lines.entries()) {
      if (!/^\s*\w+: \S/.test(line)) continue;
      expect(lines[index - 1], `the line before "${line}"`).toMatch(/^\s*# /);
    }
  });

  it("shows what a setting can be chosen from, and nothing where it is no choice", () => {
    const scaffold = writeScaffold({ photos: "photos" });
    expect(scaffold).toMatch(/^ {2}network: resnet10 # resnet10 \| resnet18/m);
    expect(scaffold).toMatch(/^detectors: \[msp, .*\] # msp \| temperature/m);
    expect(scaffold).toMatch(/^ {2}test: rest$/m);
  });

  it("keeps any folder name as it is", () => {
    const spaces = [
      "\n",
      "a\nb",
      "\u00a0",
      "photos\u00a0",
      "\u202fphotos",
      "\ufeff",
      "photos\ufeff",
      "a: b #c",
    ];
    for (const photos of spaces) {
      expect(parseConfig(writeScaffold({ photos }), "study.yaml").photos).toBe(photos);
    }
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "grapheme" }), (photos) => {
        expect(parseConfig(writeScaffold({ photos }), "study.yaml").photos).toBe(photos);
      }),
      { numRuns: 50 },
    );
  });
});

describe("the example's configuration", () => {
  it("is valid", async () => {
    const path = new URL("../../../../examples/parts/study.yaml", import.meta.url);
    expect(parseConfig(await readFile(path, "utf8"), "study.yaml").seeds).toHaveLength(2);
  });
});

describe("the JSON Schema", () => {
  it("describes every setting", () => {
    const schema = studyJsonSchema() as { properties: Record<string, { description?: string }> };
    expect(schema.properties.imageSize?.description).toContain("pixels");
    expect(Object.keys(schema.properties)).toContain("encoder");
  });
});

describe("a suggestion", () => {
  it("is the nearest word, whatever its case and dashes", () => {
    expect(suggest("learning-rate", ["learningRate", "batchSize"])).toBe("learningRate");
    expect(suggest("batchsiez", ["learningRate", "batchSize"])).toBe("batchSize");
  });

  it("is none where nothing is near", () => {
    expect(suggest("colour", ["shots", "validation"])).toBeUndefined();
  });

  it("rests on a distance that is symmetric, zero only for equal words, and one for a swap", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
    expect(editDistance("seeds", "sedes")).toBe(1);
  });
});
