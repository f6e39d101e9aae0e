// The suite that every section of the page passes: a new one is tested as soon as it is listed.
import { describe, expect, it } from "vitest";
import { SECTIONS } from "../../../src/report/sections/index.ts";
import type { Outcome } from "../../../src/results/index.ts";
import { exampleOutcome, examplePng } from "../outcome.ts";

const whole = exampleOutcome();

/** What a study has found that can say next to nothing: no unknowns, no synthetic images, no pictures. */
const empty: Outcome = {
  ...exampleOutcome({ seeds: [0] }),
  arms: whole.arms.slice(0, 1),
  questions: [],
  recipes: [],
  comparisons: [],
  results: [],
  curves: [],
  sheet: [],
  nearness: [],
  histograms: [],
  confusions: [],
  mistakes: [],
  stages: [],
  model: null,
};

const OUTCOMES: readonly (readonly [string, Outcome])[] = [
  ["with nothing in it", empty],
  ["of one seed", exampleOutcome({ seeds: [0] })],
  ["of two seeds", whole],
  ["of twenty seeds", exampleOutcome({ seeds: Array.from({ length: 20 }, (_, seed) => seed) })],
  ["of one class", exampleOutcome({ classes: 1 })],
];

describe.each(SECTIONS.map((section) => [section.name, section] as const))(
  "the section %s",
  (name, section) => {
    it("has an anchor and a link of its own", () => {
      expect(name).toMatch(/^\w+$/);
      expect(SECTIONS.filter((other) => other.name === name)).toEqual([section]);
      expect(SECTIONS.filter(({ navigation }) => navigation === section.navigation)).toEqual([section]);
    });

    it("is shown for a whole study", () => {
      expect(section.isShown(whole)).toBe(true);
    });

    it.each(OUTCOMES)("renders an outcome %s: whole numbers and words, every tag closed", (_, outcome) => {
      const isShown = section.isShown(outcome);
      expect(typeof isShown).toBe("boolean");
      if (!isShown) return;
      expect(section.title(outcome)).not.toBe("");
      const text = section.render(outcome, examplePng).text.replaceAll(/data:image[^"]*/g, "");
      expect(text).not.toMatch(/NaN|undefined|\[object|Infinity|>false<|>null</);
      expect(unclosed(text)).toEqual([]);
    });

    it("draws from the outcome alone: the same page twice, and the outcome as it was", () => {
      const before = JSON.stringify(whole);
      const render = () => section.render(whole, examplePng).text;
      expect(render()).toBe(render());
      expect(JSON.stringify(whole)).toBe(before);
    });
  },
);

it("a page is drawn without the engine", () => {
  for (const section of SECTIONS) section.render(whole, examplePng);
  const report = process.report.getReport() as unknown as { sharedObjects: string[] };
  expect(report.sharedObjects.length).toBeGreaterThan(0);
  expect(report.sharedObjects.filter((path) => /torch/.test(path))).toEqual([]);
});

/** Tags that are not closed in order. */
function unclosed(text: string): string[] {
  const isVoid = new Set(["img", "br"]);
  const open: string[] = [];
  for (const [, slash, name = "", rest] of text.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^>"])*)>/gi)) {
    if (isVoid.has(name) || rest?.endsWith("/")) continue;
    if (slash && open.at(-1) === name) open.pop();
    else open.push(slash + name);
  }
  return open;
}
