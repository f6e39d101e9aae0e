import { expect, it } from "vitest";
import { SECTIONS } from "../../../src/report/sections/index.ts";
import { exampleOutcome, examplePng } from "../outcome.ts";

it("a page is drawn without the engine", () => {
  const whole = exampleOutcome({ otherShots: [1, 2] });
  for (const section of SECTIONS) section.render(whole, examplePng);
  const report = process.report.getReport() as unknown as { sharedObjects: string[] };
  expect(report.sharedObjects.length).toBeGreaterThan(0);
  expect(report.sharedObjects.filter((path) => /torch/.test(path))).toEqual([]);
});
