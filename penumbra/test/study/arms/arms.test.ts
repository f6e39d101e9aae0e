// The suite that every arm of the table passes: a new one is tested as soon as it is listed.
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { objectiveOf, usesOf } from "../../../src/contrast/index.ts";
import { html, writeReport } from "../../../src/report/index.ts";
import type { Outcome } from "../../../src/results/index.ts";
import {
  armNames,
  armOf,
  designsOf,
  isNeeded,
  judgeOf,
  loadConfig,
  planStudy,
  type StageManifest,
  shownArm,
  sourceOf,
  sourcesOf,
  UNTRAINED,
  usualArms,
} from "../../../src/study/index.ts";
import { makeTinyStudy, runTinyStudy, tinySettings, writeSettings, writeWeights } from "../tiny-study.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Published weights, so that arms that train nothing have some. */
const encoder = { ...tinySettings.encoder, steps: 2, weights: "weights" };
/** A generator's training of two steps. */
const training = { steps: 2, batchSize: 2, width: 8, latentSize: 4, sheetMinutes: 60 };
const sources = { "vae-near-ood": { training } };
const settings = { ...tinySettings, seeds: [0], encoder, sources };

let folder = "";
let outcome: Outcome;
let page = "";
const encoders = new Map<string, StageManifest>();

beforeAll(async () => {
  folder = await makeTinyStudy({ ...settings, arms: armNames });
  await writeWeights(join(folder, "weights"), 1);
  ({ outcome } = await runTinyStudy(folder));
  page = await readFile(await writeReport(join(folder, "run")), "utf8");
  const artifacts = join(folder, "run", "artifacts");
  for (const name of (await readdir(artifacts)).filter((item) => item.startsWith("encoder"))) {
    const text = await readFile(join(artifacts, name, "manifest.json"), "utf8");
    const manifest = JSON.parse(text) as StageManifest;
    encoders.set(manifest.label.split(",")[0] ?? "", manifest);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(armNames)("the arm %s", (name) => {
  const arm = armOf(name);

  it("says what it is", () => {
    expect(arm.title).not.toBe("");
    expect(arm.description).toMatch(/^[A-Z].*[^.]$/);
  });

  it("uses negatives as its objective can, exactly where it has some", () => {
    expect(arm.use === null).toBe(arm.negatives === null);
    if (arm.use && arm.objective !== UNTRAINED) expect(usesOf(objectiveOf(arm.objective))).toContain(arm.use);
  });

  it("is the only one of its design and its title", () => {
    expect(armNames.filter((other) => armOf(other).title === arm.title)).toEqual([name]);
    const own = designsOf(armNames).find((design) => design.name === name);
    expect(designsOf(armNames).filter((design) => isAlike(design, own))).toEqual([own]);
  });

  it("plans a study that needs a diffusion model exactly where a source of its images does", async () => {
    await writeSettings(folder, { ...settings, arms: [name] });
    const study = planStudy(await loadConfig(join(folder, "study.yaml")));
    expect(study.needsModel).toBe(isNeeded("model", sourcesOf([name])));
    expect([...sourcesOf([name])].sort()).toEqual(
      [arm.positives, arm.negatives].filter((kind) => kind !== null).sort(),
    );
  });

  it("trains on the redraws that it names and on no other", () => {
    const { inputs } = encoders.get(name) ?? expect.fail("It was not trained.");
    expect("positives" in inputs).toBe(arm.positives !== null);
    expect("negatives" in inputs).toBe(arm.negatives !== null);
  });

  it("learns from its teacher's encoder of the same seed, trained once", async () => {
    const { teacher } = arm.changes ?? {};
    const taughtBy = encoders.get(name)?.inputs.teacher;
    expect(taughtBy).toBe(teacher && encoders.get(teacher)?.hash);
    if (!teacher) return;
    const stagesOf = async (arms: string[]) => {
      await writeSettings(folder, { ...settings, arms });
      return planStudy(await loadConfig(join(folder, "study.yaml"))).stageCount;
    };
    const alone = arm.objective.replace(/\+teacher$/, "");
    expect(await stagesOf([name])).toBe((await stagesOf([alone])) + 1);
    expect(await stagesOf([name, teacher])).toBe(await stagesOf([alone, teacher]));
  });

  it("is an encoder of its own, with finite losses and all figures", () => {
    const hashes = [...encoders.values()].map(({ hash }) => hash);
    expect(hashes.filter((hash) => hash === encoders.get(name)?.hash)).toHaveLength(1);
    const curve = outcome.curves.find((item) => item.arm === name);
    const hasFiniteLosses = curve?.points.every(({ loss }) => Number.isFinite(loss));
    expect(hasFiniteLosses).toBe(arm.objective === UNTRAINED ? undefined : true);
    const lines = outcome.results.filter((line) => line.arm === name);
    expect(lines.some(({ kind }) => kind === "classification")).toBe(true);
    expect(lines.some(({ kind }) => kind === "unknowns")).toBe(true);
  });

  it("is audited for shortcuts, by every source of the study and by round trips", () => {
    const audit = outcome.audits.find((item) => item.arm === name) ?? expect.fail("It was not audited.");
    const drawn = sourcesOf(armNames).filter((source) => sourceOf(source).sifts === undefined);
    expect(audit.sources.map(({ source }) => source).sort()).toEqual([...drawn].sort());
    const shares = [...audit.sources.map(({ probe }) => probe), audit.roundTripProbe, audit.moved?.lessKnown];
    for (const share of shares)
      expect(share !== null && share !== undefined && share >= 0 && share <= 1).toBe(true);
    expect(audit.moved?.shift).toBeGreaterThan(0);
  });

  it("answers a question of the study", () => {
    const asked = outcome.questions.flatMap(({ treatment, control }) => [...treatment, ...control]);
    expect(asked).toContain(name);
  });

  it("stands in the report by its title", () => {
    expect(page.includes(html`</span>${arm.title}</th>`.text)).toBe(true);
    expect(page.includes(html`<b>${arm.title}</b>: ${arm.description}.`.text)).toBe(true);
  });
});

function isAlike(a: object, b: object | undefined): boolean {
  return JSON.stringify({ ...a, name: "" }) === JSON.stringify({ ...b, name: "" });
}

describe("of any arms of the table", () => {
  const some = fc.subarray(armNames, { minLength: 1 });
  const isReal = (name: string) => sourcesOf([name]).length === 0;

  it("the judge of redraws has seen none, and there is one where an arm has seen none", () => {
    fc.assert(
      fc.property(some, (names) => {
        const judge = judgeOf(names);
        expect(judge !== undefined).toBe(names.some(isReal));
        if (judge) expect(isReal(judge) && names.some((name) => name === judge)).toBe(true);
      }),
    );
    expect(judgeOf(usualArms())).toBe("supcon");
  });

  it("the arm that is shown is one of them, with as many kinds of redraws as any", () => {
    fc.assert(
      fc.property(some, (names) => {
        const shown = shownArm(names);
        const most = Math.max(...names.map((name) => sourcesOf([name]).length));
        expect(names).toContain(shown);
        expect(sourcesOf([shown])).toHaveLength(most);
      }),
    );
    expect(shownArm(usualArms())).toBe("supcon+both");
  });
});
