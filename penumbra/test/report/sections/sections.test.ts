// The suite that every section of the page passes: a new one is tested as soon as it is listed.
import { describe, expect, it } from "vitest";
import { renderReport } from "../../../src/report/page.ts";
import { describeAnswer, SECTIONS } from "../../../src/report/sections/index.ts";
import { type Outcome, worstPairs } from "../../../src/results/index.ts";
import { exampleOutcome, examplePng } from "../outcome.ts";

const whole = exampleOutcome({ otherShots: [1, 2] });

/** What a study has found that can say next to nothing: no unknowns, no synthetic images, no pictures. */
const empty: Outcome = {
  ...exampleOutcome({ seeds: [0] }),
  arms: whole.arms.slice(0, 1),
  questions: [],
  recipes: [],
  comparisons: [],
  hypotheses: [],
  results: [],
  probes: [],
  curves: [],
  wordsCurves: [],
  sheet: [],
  sifted: [],
  audits: [],
  nearness: [],
  histograms: [],
  confusions: [],
  operatingPoints: [],
  rateCurves: [],
  featureMaps: [],
  mistakes: [],
  stages: [],
  model: null,
};

const numbered = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i}`);
const manyClasses = exampleOutcome({
  seeds: [0, 1, 2, 3, 4],
  classes: 300,
  unknownClasses: numbered("unknown", 300),
  problems: numbered("photo cannot be read:", 5000),
});

const OUTCOMES: readonly (readonly [string, Outcome])[] = [
  ["with nothing in it", empty],
  ["of one seed", exampleOutcome({ seeds: [0] })],
  ["of two seeds", whole],
  ["of twenty seeds", exampleOutcome({ seeds: Array.from({ length: 20 }, (_, seed) => seed) })],
  ["of one class", exampleOutcome({ classes: 1 })],
  ["of 300 classes", manyClasses],
  ["of learning curves from one seed", exampleOutcome({ seeds: [0], otherShots: [8] })],
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

it("says where a sift let pass nothing, or less than half of what was wanted", () => {
  const page = (accepted: number, otherShots: readonly number[] = []) =>
    renderReport(exampleOutcome({ accepted, otherShots }), examplePng);
  expect(page(50)).not.toContain("passed the sift");
  expect(page(49)).toContain("Only 49 of 100 images passed the sift (sifted near-OOD redraws, drift)");
  expect(page(0, [1])).toContain(
    "None of 100 images passed the sift (sifted near-OOD redraws, drift with 1 object a class)",
  );
  expect(describeAnswer(exampleOutcome({ accepted: 0 })).join("\n")).toContain(
    "Warning: None of 100 images passed the sift",
  );
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

describe("a study of 300 classes", () => {
  const page = renderReport(manyClasses, examplePng);

  it("has a page that opens at once: below 2 MB and 20,000 nodes", () => {
    expect(page.length).toBeLessThan(2e6);
    expect(page.match(/<[a-z]/gi)!.length).toBeLessThan(20_000);
  });

  it("shows the worst pairs, and a matrix of the classes in them, numbered as in its list", () => {
    const { confusions, mistakesArm } = manyClasses;
    const shown = confusions.find(({ arm }) => arm === mistakesArm)!;
    const [worst] = worstPairs(shown, 1);
    expect(page).toContain(`${worst!.count} of ${worst!.of}`);
    const list = /<ol class="classes">(.*?)<\/ol>/s.exec(page)![1]!.match(/<li/g)!;
    const ticks = /<svg class="chart confusion".*?<\/svg>/s.exec(page)![0].match(/class="tick"/g)!;
    expect(list.length).toBeLessThanOrEqual(30);
    expect(ticks.length).toBe(2 * list.length);
  });
});

it("images are told how far from photos they are, where that was measured", () => {
  const page = renderReport(whole, examplePng);
  for (const text of ['<th scope="col" class="number">FID</th>', ">12.3<", ">0.0567<", ">42 %<"])
    expect(page).toContain(text);
  const { sourceFigures: _, ...older } = whole;
  const before = { ...older, nearness: whole.nearness.map(({ quality: _, ...row }) => row) };
  expect(renderReport(before, examplePng)).not.toContain(">FID<");
});

it("sources stand side by side with what they cost, and a collapse is told in words", () => {
  const page = renderReport(whole, examplePng);
  const [, table] = /<h3>The sources side by side<\/h3>(.*?)<h3>/s.exec(page)!;
  const cells = (row: string) => [...row.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell);
  const rows = [...table!.matchAll(/<tr>(.*?)<\/tr>/gs)].slice(1).map(([, row]) => cells(row!));
  const thin = (text: string) => text.replaceAll(" ", "\u202f");
  expect(rows[0]!.slice(0, 7)).toEqual(["384", "82 %", "8.10", "0.0123", "80 %", "60 %", "100"]);
  expect(rows[1]!.slice(6)).toEqual([
    "1204",
    "2\u202fmin 01\u202fs",
    thin("1.2 GiB"),
    "0.412",
    thin("3.0 s"),
    thin("700 MiB"),
  ]);
  expect(rows[2]!.slice(6, 10)).toEqual(["–", "–", "–", "–"]);
  expect(table).toContain("<b>Mode collapse</b>");
  expect(table).toContain("at seed 1: samples differ from each other by 12 %");
});

it("seen and other recipes stand beside real unknowns, each the mean over its recipes and seeds", () => {
  const section = SECTIONS.find(({ name }) => name === "recipes")!;
  const [table = ""] = section.render(whole, examplePng).text.split("<details>");
  const rowOf = (title: string) => {
    const row = new RegExp(`</span>${title.replace("+", "\\+")}</th>(.*?)</tr>`).exec(table)![1]!;
    return [...row.matchAll(/>([^<]*)<\/td>/g)].map(([, text]) => text);
  };
  // In the example a recipe is 5 points easier than the one before it: drift and crossed are seen, jigsaw is not.
  expect(rowOf("SupCon + near-OOD").slice(0, 2)).toEqual(["74.5", "82.0"]);
  expect(rowOf("SupCon").slice(0, 2)).toEqual(["–", "73.0"]);
  const real = whole.results.flatMap((line) =>
    line.kind === "unknowns" && line.arm === "supcon" && line.detector === "knn" && line.unit === "photo"
      ? line.role === "near" && line.unknownClass === null
        ? [line.auroc]
        : []
      : [],
  );
  expect(rowOf("SupCon")[2]).toBe(((100 * (real[0]! + real[1]!)) / 2).toFixed(1));
});

it("every measure of the results stands in the page, the mean over the seeds of each arm", () => {
  const page = renderReport(whole, examplePng);
  const [, table] = /<summary>Every measure<\/summary>(.*?)<\/details>/s.exec(page)!;
  const rows = [...table!.matchAll(/<tr><th scope="row">(.*?)<\/th>(.*?)<\/tr>/gs)].map(
    ([, title, cells]): [string, string[]] => [
      title!.replaceAll(/<[^>]+>/g, ""),
      [...cells!.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell!),
    ],
  );
  expect(rows).toHaveLength(10 + 2 * 8);
  const shown = Object.fromEntries(rows);
  const everyArm = (text: string) => whole.arms.map(() => text);
  expect(shown["among the five likeliest %"]).toEqual(everyArm("95.0"));
  expect(shown["log loss, nats"]).toEqual(everyArm("0.900"));
  expect(shown["AURC %"]).toEqual(everyArm("10.0"));
  expect(shown["near CCR where 1 % of unknown are let through %"]).toEqual(everyArm("20.0"));
  for (const [place, { name }] of whole.arms.entries()) {
    const own = whole.results.flatMap((line) =>
      line.kind === "unknowns" && line.arm === name && line.unit === "photo" ? [line] : [],
    );
    const aurocs = own
      .filter(({ role, detector, unknownClass }) => {
        return role === "far" && detector === whole.detector && unknownClass === null;
      })
      .map(({ auroc }) => auroc);
    expect(aurocs).toHaveLength(whole.seeds.length);
    const mean = aurocs.reduce((sum, value) => sum + value, 0) / aurocs.length;
    expect(shown["far AUROC %"]![place]).toBe((100 * mean).toFixed(1));
  }
});

describe("what was chosen", () => {
  const rowsOf = (outcome: Outcome) => {
    const [, table] = /aria-label="Choices">(.*?)<\/table>/s.exec(renderReport(outcome, examplePng))!;
    const plain = (cell: string) => cell.replaceAll(/<[^>]*>/g, "");
    return [...table!.matchAll(/<tr><th scope="row">(.*?)<\/tr>/gs)].map(([, row]) =>
      row!
        .split(/<\/th>|<\/td>/)
        .slice(0, 4)
        .map(plain),
    );
  };

  it("is listed with what it was chosen among and by", () => {
    const rows = rowsOf(whole);
    expect(rows).toContainEqual([
      "Penalty of the linear classifier (L2)",
      "0.001, 0.1",
      "0.001 in 6 of 10, 0.1 in 4 of 10",
      "accuracy on the known validation photos, of equal ones their negative log-likelihood",
    ]);
    expect(rows.find(([what]) => what === "Settings of 1 detector")?.[1]).toBe(
      "2 candidates, listed with the detectors",
    );
    expect(rows.map(([what]) => what)).toContain("Threshold for use");
  });

  it("is not listed where there was one candidate, or none was recorded", () => {
    const one = whole.probes!.map((probe) => ({ ...probe, trials: probe.trials.slice(0, 1) }));
    const { probes: _, ...older } = whole;
    for (const outcome of [{ ...whole, probes: one }, older])
      expect(rowsOf(outcome).map(([what]) => what)).not.toContain("Penalty of the linear classifier (L2)");
    expect(rowsOf(empty).map(([what]) => what)).toEqual([
      "Detector of the answer",
      "Temperature of the softmax",
    ]);
  });

  it("says when a detector was chosen by validation unknowns, by stand-ins, or by nothing", () => {
    const chosenBy = (part: "validation" | "standIns" | "test") => {
      const results = whole.results.map((line) => (line.kind === "unknowns" ? { ...line, part } : line));
      return rowsOf({ ...whole, results }).find(([what]) => what === "Detector of the answer")?.[3];
    };
    expect(chosenBy("validation")).toMatch(/^validation unknowns/);
    expect(chosenBy("standIns")).toMatch(/stand in/);
    expect(chosenBy("test")).toMatch(/^nothing/);
  });
});
