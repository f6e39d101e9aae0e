import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { HypothesisResult, Outcome } from "../../src/results/index.ts";
import { isDecided, loadConfig, planStudy, runStudy, runUntilDecided } from "../../src/study/index.ts";
import { exampleOutcome } from "../report/outcome.ts";
import { makeTinyStudy, tinySettings } from "./tiny-study.ts";

/** Two arms without synthetic images that make no mistakes: with no margin nothing is decided, so every seed is used. */
const settings = {
  ...tinySettings,
  arms: ["cross-entropy", "supcon"],
  seeds: [0, 1, 2, 3],
  statistics: { ...tinySettings.statistics, margin: 0 },
  model: "nowhere",
};

describe("a study that runs until it is decided", () => {
  it("looks after three seeds and after each further one, at a level for all looks, and ends as the whole study", async () => {
    const folder = await makeTinyStudy(settings, { known: 2, near: 0, far: 0 });
    try {
      const plan = async (run: string) =>
        planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "runs", run));
      const whole = await runStudy(await plan("whole"));
      const looked = await runUntilDecided(await plan("looked"));
      expect(looked.looks).toEqual({ taken: 2, planned: 2 });
      expect(looked.confidence).toBeCloseTo(1 - 0.05 / 2, 12);
      expect(looked.results).toEqual(whole.results);
      const [wide, narrow] = [looked, whole].map(({ comparisons }) => comparisons[0]?.interval);
      expect(wide!.high - wide!.low).toBeGreaterThanOrEqual(narrow!.high - narrow!.low);

      // The looks of a study are its own; to others it is one that looked twice. The study itself again is none.
      const earlier = ({ earlierOpenings, earlierLooks }: Outcome) => [earlierOpenings, earlierLooks];
      expect([earlier(whole), earlier(looked)]).toEqual([
        [0, 0],
        [1, 1],
      ]);
      expect(earlier(await runStudy(await plan("whole")))).toEqual([1, 2]);
      const lines = (await readFile(join(folder, "runs", "whole", "openings.jsonl"), "utf8"))
        .trim()
        .split("\n");
      expect(lines).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("refuses a number of seeds that decides nothing", async () => {
    const folder = await makeTinyStudy({ ...settings, seeds: [0, 1] }, { known: 2, near: 0, far: 0 });
    try {
      const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
      await expect(runUntilDecided(study)).rejects.toThrow(/Fewer than 3 seeds.*has 2/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a decided study", () => {
  const whole = exampleOutcome({ seeds: [0, 1, 2] });
  const withVerdicts = (verdict: (item: HypothesisResult) => HypothesisResult["verdict"]): Outcome => ({
    ...whole,
    hypotheses: whole.hypotheses.map((item) => ({ ...item, verdict: verdict(item) })),
  });

  it("has answered what images do, whether or not their effects add", () => {
    expect(isDecided(withVerdicts(({ name }) => (name === "H4" ? "undecided" : "equivalent")))).toBe(true);
    for (const open of ["H1", "H2", "H3"]) {
      expect(isDecided(withVerdicts(({ name }) => (name === open ? "undecided" : "supported")))).toBe(false);
    }
  });

  it("without hypotheses is one whose accuracies are told apart", () => {
    const of = (verdict: "better" | "undecided") =>
      isDecided({
        ...whole,
        hypotheses: [],
        comparisons: whole.comparisons.map((item) => ({
          ...item,
          verdict: item.outcome === "accuracy" ? verdict : "undecided",
        })),
      });
    expect([of("better"), of("undecided")]).toEqual([true, false]);
  });
});
