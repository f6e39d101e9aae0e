import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extent, intervalAxis, linearScale, ticks } from "../../src/report/charts/index.ts";
import { escapeHtml, html } from "../../src/report/html.ts";
import { bytes, counted, duration, listed, percent, points } from "../../src/report/numbers.ts";
import { renderReport } from "../../src/report/page.ts";
import { describeAnswer, headline } from "../../src/report/sections/index.ts";
import { additionsOf, isTogether, questionTitle } from "../../src/report/titles.ts";
import { writeReport } from "../../src/report/write.ts";
import { type Comparison, type Outcome, questionsOf, type Verdict } from "../../src/results/index.ts";
import { armOf, designOf, designsOf } from "../../src/study/arms/index.ts";
import { exampleOutcome, examplePng } from "./outcome.ts";

const { questions } = exampleOutcome();
const decisive = questions.find(isTogether) ?? fail("no question is about both");

function fail(why: string): never {
  throw new Error(why);
}

/** What the headline reads. */
const outcomeOf = (comparisons: readonly Comparison[]) => ({
  questions,
  comparisons,
  unit: "photo" as const,
  seeds: [0, 1, 2, 3, 4],
});

const comparison = (outcome: Comparison["outcome"], verdict: Verdict): Comparison => ({
  question: decisive.name,
  outcome,
  unit: "photo",
  perSeed: [0],
  mean: 0,
  ...{ interval: null, overSeeds: null, overObjects: null },
  ...{ pValue: null, objectVariance: 0, objects: 1 },
  verdict,
});

describe("a question in words", () => {
  const asked = (arms: Parameters<typeof designsOf>[0]): string[] => {
    const questions = questionsOf(designsOf(arms));
    const outcome: Outcome = {
      ...exampleOutcome(),
      questions,
      arms: arms.map((name) => ({ ...armOf(name), ...designOf(name) })),
      objectives: [
        { name: "supcon", title: "SupCon" },
        { name: "supcon+ce", title: "SupCon + cross-entropy" },
        { name: "cross-entropy", title: "Cross-entropy" },
      ],
      uses: [
        { name: "columns", title: "negatives only" },
        { name: "extra-class", title: "one extra class" },
        { name: "outlier-exposure", title: "outlier exposure" },
      ],
    };
    return questions.map((question) => questionTitle(question, outcome));
  };

  it("names images and use, and of several objectives the one that it is asked of", () => {
    expect(asked(["supcon", "supcon+faithful", "supcon+near-ood", "supcon+both"])).toEqual([
      "Do faithful redraws help, as further positives?",
      "Do near-OOD redraws help, as negatives only?",
      "Do faithful redraws as positives and near-OOD redraws as negatives only together beat no synthetic images?",
    ]);
    expect(asked(["supcon", "supcon+near-ood", "supcon+ce", "supcon+ce+near-ood"])).toEqual([
      "Do near-OOD redraws help, as negatives only with SupCon?",
      "Do near-OOD redraws help, as negatives only with SupCon + cross-entropy?",
      "Is Joint, Joint + near-OOD better than SupCon, SupCon + near-OOD, on the same images?",
    ]);
  });

  it("holds uses and kinds of images against each other", () => {
    expect(asked(["cross-entropy+background", "cross-entropy+exposure"])).toEqual([
      "Are the same images better used as one extra class than as outlier exposure?",
    ]);
    expect(asked(["supcon+near-ood", "supcon+faithful-negatives"])).toEqual([
      "Are near-OOD redraws better negatives than faithful redraws?",
    ]);
  });

  it("of both kinds together says what was added", () => {
    expect(additionsOf(decisive, exampleOutcome())).toBe(
      "faithful redraws as positives and near-OOD redraws as negatives only",
    );
  });
});

describe("the headline", () => {
  it.each([
    ["better", "better", /^Yes: .*more accurate and better at saying “unknown”/],
    ["better", "undecided", /^In part: .*more accurate\.$/],
    ["undecided", "better", /^In part: .*better at saying/],
    ["better", "worse", /^Mixed: .*more accurate, but worse at saying/],
    ["worse", "undecided", /^No: .*less accurate\.$/],
    ["same", "same", /^No: .*no difference that matters/],
    ["same", "undecided", /^Not decided/],
    ["undecided", "undecided", /^Not decided/],
  ] as const)("for accuracy %s and near unknowns %s says so and no more", (accuracy, near, text) => {
    expect(headline(outcomeOf([comparison("accuracy", accuracy), comparison("near", near)]))).toMatch(text);
  });

  it("is missing where the arms cannot answer", () => {
    expect(
      headline(outcomeOf([{ ...comparison("accuracy", "better"), question: "positives: faithful" }])),
    ).toBeNull();
  });
});

describe("the report", () => {
  const page = renderReport(exampleOutcome(), examplePng);

  it("loads nothing from anywhere", () => {
    expect(page).not.toMatch(/(src|href)="(?!data:image|#)/);
    expect(page).not.toMatch(/url\(|@import|import\(|fetch\(/);
    expect(page.match(/<script[^>]*>/g)).toEqual(['<script type="module">']); // the one that sorts tables
  });

  it("has every tag closed in order", () => {
    const open: string[] = [];
    const isVoid = new Set(["meta", "img", "br", "!doctype"]);
    for (const [, slash, name, rest] of page.matchAll(/<(\/?)([a-z!][a-z0-9]*)((?:"[^"]*"|[^>"])*)>/gi)) {
      if (!name || isVoid.has(name.toLowerCase()) || rest?.endsWith("/")) continue;
      if (slash) expect(open.pop()).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  it("shows no missing number, no undefined and no template's false", () => {
    const text = page.replaceAll(/<(style|script)\b.*?<\/\1>/gs, "").replaceAll(/data:image[^"]*/g, "");
    expect(text).not.toMatch(/NaN|undefined|\[object|Infinity|>false</);
  });

  it("warns that two seeds are few and one seed is nothing, and stays silent with five", () => {
    expect(page).toContain("2 seeds are few");
    expect(renderReport(exampleOutcome({ seeds: [0] }), examplePng)).toContain("One seed decides nothing");
    expect(renderReport(exampleOutcome({ seeds: [0, 1, 2, 3, 4] }), examplePng)).not.toContain("are few");
  });

  it("shows names of classes and files as they are, whatever they hold", () => {
    const outcome = { ...exampleOutcome(), name: `<script>alert("x")</script>` };
    const rendered = renderReport(outcome, examplePng);
    expect(rendered).not.toContain("<script>");
    expect(rendered).toContain("&lt;script&gt;");
  });

  it("names strength, timestep and signal under every redraw", () => {
    expect(page).toMatch(/faithful 0\.20<\/b><br>t 192 · signal 0\.82/);
  });

  it("is built again from a run folder, with its images inside", async () => {
    const run = await mkdtemp(join(tmpdir(), "penumbra-report-"));
    try {
      const outcome = exampleOutcome();
      await writeFile(join(run, "report.json"), JSON.stringify(outcome));
      await expect(writeReport(run)).rejects.toThrow(/picture-0\.png, which is gone\. Run the study again/);
      for (let index = 0; index < 24; index++) {
        const data = examplePng(`picture-${index}.png`).split(",")[1] ?? "";
        await writeFile(join(run, `picture-${index}.png`), Buffer.from(data, "base64"));
      }
      expect(await readFile(await writeReport(run), "utf8")).toBe(page);
    } finally {
      await rm(run, { recursive: true, force: true });
    }
  });

  it("adds the mean of the classes' accuracies where they have unequally many test photos", () => {
    const outcome = exampleOutcome();
    const results = outcome.results.map((line) =>
      line.kind === "classification" ? { ...line, balancedAccuracy: 0.123 } : line,
    );
    expect(renderReport({ ...outcome, results }, examplePng)).toMatch(
      /Accuracy %, mean of classes.*<b>12\.3<\/b>/s,
    );
    expect(page).not.toContain("Accuracy %, mean of classes"); // the table of all measures always has it, without a capital
  });

  it("links to the sections that it has and to no other", () => {
    const without = renderReport({ ...exampleOutcome(), sheet: [], curves: [] }, examplePng);
    for (const rendered of [page, without]) {
      const sections = [...rendered.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id);
      const links = [...rendered.matchAll(/href="#(\w+)"/g)].map(([, id]) => id);
      expect(links).toEqual(sections);
    }
    expect(without).not.toContain('id="images"');
  });

  it("labels the axes of its charts, with units", () => {
    const charts = [...page.matchAll(/<svg class="(?:chart|interval)[^>]*>.*?<\/svg>/gs)].map(([svg]) => svg);
    const texts = (name: string) =>
      charts
        .filter((svg) => svg.includes(`aria-label="${name}`))
        .map((svg) => svg.replaceAll(/<[^>]*>/g, " "));
    expect(texts("Scores,")[0]).toMatch(/\d+ % of the photos.*unknown.*score of knn.*known/s);
    expect(texts("Training loss,")[0]).toMatch(/loss.*training step/s);
    expect(texts("Confusion,")[0]).toMatch(/answer.*true class/s);
    expect(texts("Scale: difference in points")[0]).toMatch(/−\d+(\.\d+)?\s+0\s+\+\d+/s);
  });

  it("names what limits the study beside its answer: odd photos, and encoders that learned nothing", () => {
    const outcome = exampleOutcome();
    const [first, ...others] = outcome.curves;
    const collapse = { plateau: 4.8, message: "The loss has stayed at 4.800." };
    const odd = {
      ...outcome,
      photos: { ...outcome.photos, warnings: ["Photos of near unknowns are larger."] },
      curves: first ? [{ ...first, collapse }, ...others] : [],
    };
    const rendered = renderReport(odd, examplePng);
    const answer = rendered.slice(rendered.indexOf('id="answer"'), rendered.indexOf('id="arms"'));
    expect(answer).toContain("<li>Photos of near unknowns are larger.</li>");
    expect(answer).toContain("<li>Cross-entropy, seed 0: The loss has stayed at 4.800.</li>");
    expect(rendered).toMatch(/<line class="level"/);
    expect(describeAnswer(odd)).toContain("Warning: Photos of near unknowns are larger.");
    expect(page).not.toContain("Mind when reading");
  });

  it("of another version's report.json is refused with what to do", async () => {
    const run = await mkdtemp(join(tmpdir(), "penumbra-report-"));
    try {
      for (const content of ["{}", "null", JSON.stringify({ ...exampleOutcome(), format: 0 })]) {
        await writeFile(join(run, "report.json"), content);
        await expect(writeReport(run)).rejects.toThrow(/of another version.*Run the study again/);
      }
    } finally {
      await rm(run, { recursive: true, force: true });
    }
  });

  it("of a folder without a finished study is refused with what to do", async () => {
    await expect(writeReport("nowhere")).rejects.toThrow(/nowhere has no report\.json\. Name the run folder/);
  });
});

describe("the answer on the terminal", () => {
  it("has the headline, a row per arm and the differences with intervals", () => {
    const lines = describeAnswer(exampleOutcome());
    expect(lines[0]).toMatch(/^Not decided/);
    expect(lines.filter((line) => /^(Cross|SupCon)/.test(line))).toHaveLength(5);
    expect(lines.join("\n")).toMatch(/accuracy \+5\.0 points \(95 % interval −2\.6 to \+12\.6\)/);
  });
});

describe("HTML templates", () => {
  it("escape every text that enters, and nothing twice", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const inner = html`<b>${text}</b>`;
        expect(html`<p title="${text}">${inner}</p>`.text).toBe(
          `<p title="${escapeHtml(text)}"><b>${escapeHtml(text)}</b></p>`,
        );
        expect(escapeHtml(text)).not.toMatch(/[<>"']/);
      }),
    );
  });
});

describe("scales", () => {
  it("of differences say at least one number on each side of zero", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-4, max: 1, noNaN: true }), (limit) => {
        const labels = String(intervalAxis({ limit, title: "points" })).match(/<text[^>]*>[^<]*/g) ?? [];
        expect(labels.length).toBeGreaterThanOrEqual(3);
        expect(labels.length).toBeLessThanOrEqual(7);
      }),
    );
  });

  it("have ticks inside their domain, evenly spaced, and about as many as asked for", () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        number,
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.integer({ min: 2, max: 8 }),
        (low, span, count) => {
          const values = ticks([low, low + span], count);
          expect(values.length).toBeLessThanOrEqual(count + 1);
          expect(values.length).toBeGreaterThanOrEqual(Math.floor(count / 2.5));
          for (const value of values) {
            expect(value).toBeGreaterThanOrEqual(low - 1e-6 * span);
            expect(value).toBeLessThanOrEqual(low + span + 1e-6 * span);
          }
        },
      ),
    );
    expect(ticks([0, 1], 4)).toEqual([0, 0.5, 1]);
    expect(ticks([0, 600], 4)).toEqual([0, 200, 400, 600]);
  });

  it("map the ends of the domain to the ends of the range, an empty domain too", () => {
    const scale = linearScale([2, 4], [10, 30]);
    expect([scale(2), scale(3), scale(4)]).toEqual([10, 20, 30]);
    expect(linearScale([2, 2], [10, 30])(2)).toBe(10);
    expect(extent([3, Number.NaN, 1])).toEqual([1, 3]);
    expect(extent([])).toEqual([0, 1]);
  });
});

describe("numbers for people", () => {
  // A narrow space that does not break stands between number and unit.
  const plain = (text: string) => text.replaceAll("\u202f", " ");

  it("have a true minus, a sign on differences and sensible digits", () => {
    expect([points(0.012), points(-0.012), points(0), points(-0.00001)]).toEqual([
      "+1.2",
      "−1.2",
      "0.0",
      "0.0",
    ]);
    expect([percent(0.8731), percent(Number.NaN)]).toEqual(["87.3", "n/a"]);
    expect([4.21, 59.7, 125, 7800].map((seconds) => plain(duration(seconds)))).toEqual([
      "4.2 s",
      "1 min 00 s",
      "2 min 05 s",
      "2 h 10 min",
    ]);
    expect([5 * 2 ** 20, 1.61 * 2 ** 30].map((value) => plain(bytes(value)))).toEqual(["5.0 MiB", "1.6 GiB"]);
    expect(plain(counted(12345, "photo"))).toBe("12 345 photos");
    expect([counted(1, "photo"), counted(2, "class", "classes")]).toEqual(["1 photo", "2 classes"]);
    expect([listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])]).toEqual([
      "a",
      "a and b",
      "a, b and c",
    ]);
  });
});
