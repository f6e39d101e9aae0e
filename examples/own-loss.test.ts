import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { contrast, study } from "penumbra";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeTinyStudy, tinySettings, writeSettings } from "../penumbra/test/study/tiny-study.ts";
import { focal, runWithFocal, tables } from "./own-loss.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const settings = { ...tinySettings, seeds: [0], arms: ["cross-entropy", "focal"], detectors: ["msp"] };
let folder = "";
beforeAll(async () => {
  folder = await makeTinyStudy(settings);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const outputs = {
  rows: torch
    .tensor([
      [2, 0, -1],
      [0.5, 1, 0],
      [0, 0, 0],
      [1, -2, 3],
    ])
    .to("float32"),
  ...{
    views: 2,
    labels: [0, 2],
    classes: 3,
    photos: [0, 1],
    words: [null, null, null, null],
    blend: null,
    teacher: null,
    memory: null,
    negatives: null,
    negativeLabels: [],
    use: null,
  },
};

test("the focal loss is cross-entropy at gamma 0, and less where a row is certain", () => {
  const plain = contrast.crossEntropy(outputs.rows, [0, 2, 0, 2]).item();
  expect(focal.loss(outputs, { gamma: 0 }).item()).toBeCloseTo(plain, 6);
  const terms = [
    [2, 0, -1, 2],
    [0.5, 1, 0, 0],
    [0, 0, 0, 0],
    [1, -2, 3, 3],
  ].map(([a, b, c, own]) => {
    const p = Math.exp(own!) / (Math.exp(a!) + Math.exp(b!) + Math.exp(c!));
    return -((1 - p) ** 2) * Math.log(p);
  });
  const mean = terms.reduce((sum, term) => sum + term, 0) / 4;
  expect(focal.loss(outputs, { gamma: 2 }).item()).toBeCloseTo(mean, 6);
});

test("its plateau is the loss of equal logits", () => {
  const step = { rows: 4, negatives: 0, memory: 0, hasTeacher: false, classes: 3, use: null };
  const equal = focal.loss({ ...outputs, rows: torch.zeros([4, 3]) }, { gamma: 2 }).item();
  expect(focal.plateau(step, { gamma: 2 })).toBeCloseTo(equal, 6);
});

test("a study trains for it, compares it and reports it", async () => {
  const page = readFileSync(await runWithFocal(join(folder, "study.yaml"), join(folder, "run")), "utf8");
  expect(page).toContain("Focal loss");
  const outcome = JSON.parse(readFileSync(join(folder, "run", "report.json"), "utf8"));
  const lossOf = (arm: string) =>
    outcome.curves.find((curve: { arm: string }) => curve.arm === arm).points.at(-1).loss;
  expect(lossOf("focal")).toBeLessThan(lossOf("cross-entropy"));
  const compared = outcome.questions.flatMap(({ treatment }: { treatment: string[] }) => treatment);
  expect(compared).toContain("focal");
});

test("another gamma or another version trains anew, the same ones do not", async () => {
  const made = async (own: study.StudyTables, gamma: number) => {
    await writeSettings(folder, { ...settings, objectives: { ...settings.objectives, focal: { gamma } } });
    const stages: string[] = [];
    const planned = study.planStudy(
      await study.loadConfig(join(folder, "study.yaml"), own),
      join(folder, "run"),
    );
    await study.runStudy(planned, {
      onEvent: ({ event, stage, label }) => event === "done" && stages.push(`${stage} ${label}`),
    });
    return stages.filter((stage) => stage.startsWith("encoder"));
  };
  expect(await made(tables, 2)).toEqual([]);
  expect(await made(tables, 1)).toEqual(["encoder focal, seed 0"]);
  const changed = { ...tables, objectives: { ...tables.objectives, focal: { ...focal, version: 2 } } };
  expect(await made(changed, 1)).toEqual(["encoder focal, seed 0"]);
});
