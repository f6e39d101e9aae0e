import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { NEGATIVE_USES, objectives } from "../../src/contrast/index.ts";
import { renderComparison } from "../../src/report/compare-page.ts";
import { figuresOf } from "../../src/report/figures.ts";
import { html } from "../../src/report/html.ts";
import { renderEvaluation, renderExplanations, renderPhotoCheck } from "../../src/report/index.ts";
import { counted, duration, fixed, listed, points, pointsRange } from "../../src/report/numbers.ts";
import { renderReport } from "../../src/report/page.ts";
import { describeAnswer, headline } from "../../src/report/sections/index.ts";
import { questionTitle } from "../../src/report/titles.ts";
import { de } from "../../src/report/words/de.ts";
import { spokenLanguage, translated, withLanguage } from "../../src/report/words/index.ts";
import {
  chooseDetector,
  type HypothesisVerdict,
  type Outcome,
  questionsOf,
  type ResultLine,
  type Verdict,
} from "../../src/results/index.ts";
import { type ArmName, armNames, armOf, arms, designOf, designsOf } from "../../src/study/arms/index.ts";
import { recipesIn, sources } from "../../src/study/sources/index.ts";
import { detectorNames, detectorOf } from "../../src/unknowns/index.ts";
import { exampleOutcome, examplePng } from "./outcome.ts";
import { exampleCheck, exampleEvaluation, exampleExplanation } from "./pages.ts";

/** What `write` says in German, and the keys that the dictionary lacks for it. */
function inGerman<Value>(write: () => Value): { readonly value: Value; readonly missing: string[] } {
  const missing = new Set<string>();
  const value = withLanguage("de", write, (key) => missing.add(key));
  return { value, missing: [...missing] };
}

/** Names of the example that users or machines gave: classes, files, models. */
const GIVEN =
  /^(TerminalBlock_\S+|known\/\S+.*|photo cannot be read: \d+|penumbra-mini.*|penumbra train \S+|parts|other|parts, other|photo cannot be read:|knn|mahalanobis|cpu|Example CPU.*|supcon|[a-z-]+, seed \d)$/;
const ungiven = (texts: readonly string[]) => texts.filter((text) => !GIVEN.test(text));

const whole: Outcome = withTitles(exampleOutcome());

/** The titles that a study of the built-in tables has. */
function withTitles(outcome: Outcome): Outcome {
  return {
    ...outcome,
    detectors: outcome.detectors.map(({ name }) => ({ name, title: detectorOf(name).title })),
  };
}

const numbered = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i}`);

/** The same arms asked of two objectives: titles say which. */
function ofObjectives(names: readonly ArmName[]): Outcome {
  return {
    ...whole,
    arms: names.map((name) => ({ ...armOf(name), ...designOf(name) })),
    questions: questionsOf(designsOf(names)),
    objectives: Object.entries(objectives).map(([name, { title }]) => ({ name, title })),
    uses: Object.entries(NEGATIVE_USES).map(([name, { title }]) => ({ name, title })),
  };
}

const collapsed: Outcome = {
  ...whole,
  curves: whole.curves.map((curve) => ({
    ...curve,
    keptStep: curve.seed === 0 ? 590 : 200,
    collapse: {
      plateau: 4.8,
      message:
        "The loss has stayed at 4.801 over the last 50 steps. 4.787 is what an encoder gives that maps all images to one point, so it has learned nothing. Lengthen the warm-up, lower the learning rate, raise the temperature, or train for more steps.",
    },
  })),
  photos: {
    ...whole.photos,
    warnings: ["No near unknowns: how well lookalikes are refused cannot be tested. Hold out some classes."],
  },
};

const OUTCOMES: readonly (readonly [string, Outcome])[] = [
  ["of two seeds", whole],
  ["of one seed", withTitles(exampleOutcome({ seeds: [0] }))],
  ["of five seeds", withTitles(exampleOutcome({ seeds: [0, 1, 2, 3, 4] }))],
  ["of one class", withTitles(exampleOutcome({ classes: 1 }))],
  [
    "of many classes",
    withTitles(
      exampleOutcome({
        classes: 40,
        unknownClasses: numbered("TerminalBlock_U", 40).map((name) => name.replaceAll(" ", "")),
        problems: numbered("photo cannot be read:", 300),
      }),
    ),
  ],
  ["of encoders that learned nothing", collapsed],
  ["with learning curves", withTitles(exampleOutcome({ otherShots: [1, 2], accepted: 0 }))],
  ["of a sift that let pass little", withTitles(exampleOutcome({ accepted: 30 }))],
  ["without model, looks and evaluations", { ...whole, model: null, looks: null, earlierOpenings: 0 }],
  [
    "with one verdict of each kind",
    {
      ...whole,
      comparisons: whole.comparisons.map((item, index) => ({
        ...item,
        unit: index % 2 === 0 ? "object" : "photo",
        verdict: (["better", "worse", "same", "undecided"] as const)[index % 4] as Verdict,
      })),
      hypotheses: whole.hypotheses.map((item, index) => ({
        ...item,
        verdict: (["supported", "contradicted", "equivalent", "undecided"] as const)[
          index % 4
        ] as HypothesisVerdict,
        power: { seeds: null, objectFactor: [null, 3.2][index % 2] ?? null, detectable: 0.03 },
      })),
    },
  ],
];

/** The pages of other commands. */
const PAGES: readonly (readonly [string, () => string])[] = [
  ["an evaluation", () => renderEvaluation(exampleEvaluation)],
  [
    "an evaluation by photo, without unknowns",
    () =>
      renderEvaluation({
        ...{ ...exampleEvaluation, object: null, seen: { same: 0, similar: 3 } },
        photo: { ...exampleEvaluation.photo, unknowns: [] },
      }),
  ],
  ["an explanation", () => renderExplanations(exampleExplanation)],
  ["a check of photos", () => renderPhotoCheck(exampleCheck)],
];

describe("the German report", () => {
  it.each(OUTCOMES)("of an outcome %s has German words for every text", (_, outcome) => {
    const { missing } = inGerman(() => {
      renderReport(outcome, examplePng);
      describeAnswer(outcome);
      renderComparison([
        { title: "parts", outcome },
        { title: "other", outcome: whole },
      ]);
    });
    expect(ungiven(missing)).toEqual([]);
  });

  it.each(PAGES)("the page of %s has German words for every text", (_, render) => {
    const { value, missing } = inGerman(render);
    expect(ungiven(missing)).toEqual([]);
    expect(value).toContain('<html lang="de">');
    expect(render()).toContain('<html lang="en">');
  });

  it("has no English word left", () => {
    const { value } = inGerman(() => [
      ...PAGES.map(([, render]) => render()),
      renderReport(whole, examplePng),
      renderComparison([
        { title: "parts", outcome: whole },
        { title: "other", outcome: collapsed },
      ]),
      describeAnswer(collapsed).join("\n"),
    ]);
    const text = value
      .join("\n")
      .replaceAll(/<(style|script|pre)\b.*?<\/\1>/gs, "")
      .replaceAll(/<(?:[^>]* )?class="id".*?<\//g, "")
      .replaceAll(/<li>known\/.*?<\/li>|photo cannot be read: 1/g, "") // what is said of a file
      .replaceAll(/(aria-label|alt|title)="([^"]*)"/g, ">$2<")
      .replaceAll(/<[^>]*>/g, " ");
    const english =
      /\b(the|of|and|with|without|is|are|not|no|which|that|this|from|as|by|for|photos?|classes|known|unknowns?|near|far|mean|loss|step|better|worse|points|objects?|redraws?|undefined)\b(?!-OOD|\/)/gi;
    const found = [...text.matchAll(english)].map(({ index }) => text.slice(index - 30, index + 30));
    expect(found).toEqual([]);
  });

  it("is the page of the same tags and numbers, and names its language", () => {
    const english = renderReport(whole, examplePng);
    const { value: german } = inGerman(() => renderReport(whole, examplePng));
    const tags = (page: string) => page.match(/<\/?[a-z0-9]+/gi)?.sort();
    expect(tags(german)).toEqual(tags(english));
    expect(german).toContain('<html lang="de">');
    expect(german).not.toMatch(/(width|height|x|y|cx|cy|points):?="?-?\d+,\d+%/);
    // Styles and coordinates keep the points of CSS and SVG.
    const styles = (page: string) => page.match(/ (style|d|x|y|x1|cx|viewBox)="[^"]*"/g);
    expect(styles(german)).toEqual(styles(english));
    expect(german).toContain("+4,0 Prozentpunkte");
    expect(german).not.toContain("\uE000");
  });

  it("says the headline of every verdict", () => {
    const verdicts = ["better", "worse", "same", "undecided"] as const;
    for (const accuracy of verdicts) {
      for (const near of verdicts) {
        const comparisons = whole.comparisons.map((item) => ({
          ...item,
          verdict: item.outcome === "accuracy" ? accuracy : near,
        }));
        const { value, missing } = inGerman(() =>
          translated(headline({ ...whole, seeds: [0, 1, 2], comparisons }) ?? ""),
        );
        expect(missing).toEqual([]);
        expect(value).toMatch(/^(Ja|Nein|Teilweise|Gemischt|Nicht entschieden): /);
      }
    }
  });

  it("asks every question of every objective", () => {
    const names = armNames.filter((name) => arms[name].objective !== "none");
    const outcome = ofObjectives(names);
    for (const question of outcome.questions) {
      const { value, missing } = inGerman(() => translated(questionTitle(question, outcome)));
      expect(missing).toEqual([]);
      expect(value).toMatch(/^(Helfen|Sind|Hilft|Ist) .*\?$/);
    }
  });

  it("knows the titles of all arms, sources, recipes, objectives, uses and detectors", () => {
    const titles = [
      ...armNames.flatMap((name) => [arms[name].title, arms[name].description]),
      ...[sources, objectives, NEGATIVE_USES].flatMap((table) =>
        Object.values(table).map(({ title }: { readonly title: string }) => title),
      ),
      ...recipesIn(sources).map(({ title }) => title),
      ...detectorNames.map((name) => detectorOf(name).title),
    ];
    expect(inGerman(() => titles.map(translated)).missing).toEqual([]);
  });

  it("knows the names of all stages", async () => {
    const study = new URL("../../src/study/", import.meta.url);
    const files = (await readdir(study, { recursive: true })).filter((file) => file.endsWith(".ts"));
    const texts = await Promise.all(files.map((file) => readFile(new URL(file, study), "utf8")));
    const named =
      /store\.run\(\{\s*name: (?:inputs\.stage \?\? )?"([^"]+)"|observe\(\s*"([^"]+)"|stage: "([^"]+)"/g;
    const names = texts.flatMap((text) =>
      [...text.matchAll(named)].map(([, run, observed, stage]) => run ?? observed ?? stage!),
    );
    expect(names).toEqual(expect.arrayContaining(["encoder", "images", "scan", "folder", "unlearned"]));
    expect(inGerman(() => names.map(translated)).missing).toEqual([]);
  });

  it("says why a detector was chosen", () => {
    const line = (part: "validation" | "standIns", detector: string, auroc: number) =>
      ({
        ...{ kind: "unknowns", arm: "supcon", seed: 0, unit: "photo", detector, views: "single", part },
        ...{ role: "near", unknownClass: null, auroc },
      }) as ResultLine;
    for (const lines of [
      [line("validation", "knn", 0.7), line("validation", "msp", 0.6)],
      [line("standIns", "knn", 0.7)],
      [],
    ]) {
      const detectors = ["knn", "msp"].map((name) => ({ name, title: name.toUpperCase() }));
      const { reason } = chooseDetector(lines, detectors);
      const { value, missing } = inGerman(() => translated(reason));
      expect(missing.filter((text) => text !== "KNN" && text !== "MSP")).toEqual([]);
      expect(value).toMatch(/^Die Zahlen zu Unbekannten sind die von KNN/);
      if (lines.length > 0) expect(value).toContain("70,0");
    }
  });

  it("draws German charts into files of the same names, and tables that programs read", () => {
    const english = figuresOf(whole);
    const german = figuresOf(whole, "de");
    expect(german.map(({ name }) => name)).toEqual(english.map(({ name }) => name));
    const of = (figures: typeof english, name: string) =>
      figures.find((figure) => figure.name === name)?.text;
    const roc = "detectors-roc-near-unknowns.svg";
    expect(of(german, roc)).toContain("Anteil durchgelassener Unbekannter");
    expect(of(english, roc)).toContain("share of unknowns let through");
    const table = english.find(({ name }) => name.endsWith(".csv"))?.name ?? "";
    expect(of(german, table)).toBe(of(english, table));
    expect(of(german, "methods.tex")).toMatch(/^Verwendet wurden .*\\cite\{khosla2020\}/);
  });
});

describe("a language", () => {
  it("ends with what is rendered in it, also by an error", () => {
    const before = renderReport(whole, examplePng);
    expect(withLanguage("de", spokenLanguage)).toBe("de");
    expect(() =>
      withLanguage("de", () => {
        throw new Error("broken");
      }),
    ).toThrow("broken");
    expect(spokenLanguage()).toBe("en");
    expect(renderReport(whole, examplePng)).toBe(before);
  });

  it("writes numbers its own way", () => {
    const said = () => [
      ...[fixed(-1.25, 2), points(0.012), points(0), pointsRange({ low: -0.03, high: 0.054 })],
      ...[
        duration(0.4),
        counted(12345, "photo"),
        listed(["known", "near unknowns", "loss"]),
        fixed(Number.NaN, 1),
      ],
    ];
    expect(said()).toEqual([
      ...["−1.25", "+1.2", "0.0", "−3.0 to +5.4"],
      ...["0.4\u202fs", "12\u202f345 photos", "known, near unknowns and loss", "n/a"],
    ]);
    expect(withLanguage("de", said)).toEqual([
      ...["−1,25", "+1,2", "0,0", "−3,0 bis +5,4"],
      ...["0,4\u202fs", "12\u202f345 Fotos", "bekannt, nahe Unbekannte und Verlust", "k. A."],
    ]);
  });

  it("translates what people read, and neither names, code nor styles", () => {
    const known = "known";
    const page = () =>
      html`<p title="${known}" class="${known}">${known}</p><td class="id">${known}</td><pre>${known}</pre><li data-of="${known}" style="width:${0.5}%">${2.5} ${known}</li>`
        .text;
    expect(withLanguage("de", page)).toBe(
      '<p title="bekannt" class="known">bekannt</p><td class="id">known</td><pre>known</pre><li data-of="known" style="width:0.5%">2,5 bekannt</li>',
    );
  });

  it("keeps names that users gave within a sentence", () => {
    expect(withLanguage("de", () => translated("known → near: 3 of 4"))).toBe("known → near: 3 von 4");
  });

  it("has places in its words that its keys have", () => {
    for (const [key, words] of [...Object.entries(de.templates), ...Object.entries(de.texts)]) {
      const places = (text: string) => [...text.matchAll(/\{(\d+)[#!]?\}/g)].map(([, place]) => place).sort();
      expect([key, places(words)]).toEqual([key, places(key)]);
    }
  });
});
