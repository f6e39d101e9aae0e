import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { unknowns } from "penumbra";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeTinyStudy, tinySettings } from "../penumbra/test/study/tiny-study.ts";
import { margin, runWithMargin } from "./own-detector.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder = "";
beforeAll(async () => {
  const detectors = ["msp", "margin"];
  folder = await makeTinyStudy({ ...tinySettings, seeds: [0], arms: ["cross-entropy", "supcon"], detectors });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the margin is the distance of the two best, and says what it lacks", () => {
  const logits = torch.tensor([
    [1, 5, 2],
    [4, 4, 0],
  ]);
  const fitted = margin.fit({});
  expect([...fitted.score({ logits })]).toEqual([3, 0]);
  expect(() => fitted.score({})).toThrow(unknowns.UnknownsError);
});

test("a study scores with it, may choose it and reports it", async () => {
  const page = readFileSync(await runWithMargin(join(folder, "study.yaml"), join(folder, "run")), "utf8");
  expect(page).toContain("Margin");
  const { detectors, results } = JSON.parse(readFileSync(join(folder, "run", "report.json"), "utf8"));
  expect(detectors.map(({ title }: { title: string }) => title)).toEqual(["MSP", "Margin"]);
  const own = results.filter(({ detector }: { detector?: string }) => detector === "margin");
  expect(own.length).toBeGreaterThan(0);
  for (const { auroc } of own) expect(auroc >= 0 && auroc <= 1).toBe(true);
});
