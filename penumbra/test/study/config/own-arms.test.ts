import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { questionsOf } from "../../../src/results/index.ts";
import { armOf, designsOf, judgeOf, sourcesOf, withTeachers } from "../../../src/study/arms/index.ts";
import { loadConfig, parseSettings, studyJsonSchema, tablesWith } from "../../../src/study/config/index.ts";

const taught = { name: "mine", objective: "genscl", teacher: "supcon+ce+collage" };
const own = { name: "mine", objective: "supcon+ce", negatives: "collage", settings: { negativeWeight: 2 } };

async function load(arms: unknown) {
  const folder = await mkdtemp(join(tmpdir(), "penumbra-arms-"));
  try {
    const path = join(folder, "study.yaml");
    await writeFile(path, JSON.stringify({ photos: "photos", arms }));
    return await loadConfig(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("an arm of the configuration", () => {
  it("stands beside the built-in ones, with the usual use of its objective", async () => {
    const { config, tables } = await load(["supcon+ce+collage", own]);
    expect(config.arms).toEqual(["supcon+ce+collage", "mine"]);
    expect(armOf("mine", tables.arms)).toMatchObject({
      ...{ title: "mine", objective: "supcon+ce", positives: null, negatives: "collage", use: "columns" },
      changes: { settings: { negativeWeight: 2 } },
    });
  });

  it("asks whether what it changes helps, where it differs in nothing else", async () => {
    const { config, tables } = await load(["supcon+ce+collage", own]);
    const questions = questionsOf(designsOf(config.arms, tables.arms));
    expect(questions.map(({ name }) => name)).toEqual(["changes: negativeWeight 2"]);
    expect(questions[0]).toMatchObject({ treatment: ["mine"], control: ["supcon+ce+collage"] });
  });

  it("learns from a teacher, whose images are drawn too, and asks whether that helps", async () => {
    const { config, tables } = await load(["genscl", taught]);
    expect(withTeachers(config.arms, tables.arms)).toEqual(["genscl", "supcon+ce+collage", "mine"]);
    expect(sourcesOf(config.arms, tables.arms, tables.sources)).toEqual(["collage"]);
    expect(questionsOf(designsOf(config.arms, tables.arms)).map(({ name }) => name)).toEqual([
      "changes: teacher Joint + collages",
    ]);
    // Nothing judges images whose teacher has seen some.
    expect(judgeOf(config.arms, tables.arms)).toBe("genscl");
    expect(judgeOf(["mine"], tables.arms)).toBeUndefined();
    const frozen = { title: "a", description: "b", positives: null, negatives: null, use: null } as const;
    const circle = {
      one: { ...frozen, objective: "genscl", changes: { teacher: "two" } },
      two: { ...frozen, objective: "cross-entropy" },
    };
    expect(() => tablesWith({ arms: circle })).toThrow(
      /teacher "two", which is no arm that stands before it/,
    );
  });

  const refused: [object, string][] = [
    [{ ...own, objectiv: "supcon" }, '"arms[0].objectiv" is not a setting. Did you mean "objective"?'],
    [{ ...own, objective: "supcn" }, '"arms[0].objective" cannot be "supcn". Did you mean "supcon"?'],
    [{ ...own, negatives: "dreams" }, '"arms[0].negatives" cannot be "dreams". Choose one of: faithful'],
    [{ ...own, use: "energie" }, 'Did you mean "energy"?'],
    [{ ...own, name: "supcon" }, 'There is an arm "supcon" already. Give yours another name.'],
    [
      { name: "mine", objective: "supcon+ce", use: "columns" },
      'has a use and no negatives. Name their source under "negatives"',
    ],
    [{ name: "mine", objective: "none", negatives: "collage" }, "nothing is trained with them"],
    [
      { ...own, objective: "cross-entropy", use: "columns", settings: {} },
      "Use them as extra-class or outlier-exposure",
    ],
    [{ ...own, settings: { negativeWeight: -1 } }, 'The arm "mine" changes settings.negativeWeight'],
    [{ ...own, settings: { weight: 1 } }, 'The arm "mine" changes settings'],
    [
      { ...own, faithfulProbability: 0.2 },
      "sets faithfulProbability, but it has no positives. Leave it out.",
    ],
    [{ name: "mine", objective: "none", settings: { a: 1 } }, "sets settings, but nothing is trained"],
    [
      { name: "mine", objective: "hscl", teacher: "cross-entropy" },
      "has a teacher, for which its objective has no place. Take genscl or genscl+mix, or leave",
    ],
    [{ ...taught, teacher: "cross" }, 'the teacher "cross", which is no arm that stands before it'],
    [{ ...taught, teacher: "mine" }, 'the teacher "mine", which is no arm that stands before it'],
    [
      { ...taught, teacher: "supcon" },
      "has no classifier. Take an arm that trains for cross-entropy or supcon+ce",
    ],
    [{ ...taught, teacher: "frozen" }, "has no classifier"],
  ];
  it.each(refused)("that cannot be trained is refused: %j", (arm, message) => {
    expect(() => parseSettings({ photos: "p", arms: [arm] }, "study.yaml")).toThrow(message);
  });

  it("tells all problems of all arms at once, each with its line", async () => {
    const wrong = [
      { ...own, objective: "supcn" },
      { ...own, name: "two", negatives: "dreams" },
    ];
    await expect(load(wrong)).rejects.toThrow(/arms\[0\]\.objective.*\n.*arms\[1\]\.negatives/);
  });

  it("may not have the name of another one", async () => {
    await expect(load([own, own])).rejects.toThrow('There is an arm "mine" already');
  });

  it("is described by the JSON Schema, beside the names", () => {
    const schema = JSON.stringify(studyJsonSchema());
    expect(schema).toContain("Source of the images that must not be taken for known");
    expect(schema).toContain('"supcon+ce+collage"');
  });
});
