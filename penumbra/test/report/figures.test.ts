import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { figuresOf, pdfOf, writeFigures } from "../../src/report/index.ts";
import { exampleOutcome } from "./outcome.ts";

const outcome = exampleOutcome({ seeds: [0, 1, 2] });
const figures = figuresOf(outcome);
const named = (name: string) => {
  const text = figures.find((figure) => figure.name === name)?.text;
  if (text === undefined)
    throw new Error(`There is no ${name} among ${figures.map((figure) => figure.name)}.`);
  return text;
};

const pdfNameOf = (name: string) =>
  /^(.*)\.svg$/
    .exec(name)
    ?.slice(1)
    .map((stem) => `${stem}.pdf`);

/** What a page of a PDF is drawn with: its operators in the order of the page. */
function contentOf(pdf: Uint8Array): string {
  const text = Buffer.from(pdf).toString("latin1");
  return [...text.matchAll(/\/Filter \/FlateDecode\n>>\nstream\n/g)]
    .map(({ 0: head, index }) => inflateSync(Buffer.from(text.slice(index + head.length), "latin1")))
    .join("\n");
}

/** The colours of a picture by a renderer that knows no variables, each of more than `least` pixels. */
async function coloursOf(svg: string, least: number): Promise<Set<string>> {
  const { data, info } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const counts = new Map<string, number>();
  for (let at = 0; at < data.length; at += info.channels) {
    const colour = `#${data.subarray(at, at + 3).toString("hex")}`;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return new Set([...counts].flatMap(([colour, count]) => (count > least ? [colour] : [])));
}

describe("a figure as PDF", () => {
  it("has the chart's size, colours, words and as many lines, and the same bytes each time", async () => {
    const roc = named("detectors-roc-near-unknowns.svg");
    const pdf = await pdfOf(roc);
    const [width, height] = /width="(\d+)" height="(\d+)"/.exec(roc)!.slice(1);
    const text = Buffer.from(pdf).toString("latin1");
    expect(text).toMatch(/^%PDF-1\.4/);
    expect(text).toContain(`/MediaBox [0 0 ${width} ${height}]`);
    expect(Buffer.compare(pdf, await pdfOf(roc))).toBe(0);
    const content = contentOf(pdf);
    // A line an arm and its mark in the legend, in the second arm's blue.
    const blue = [0, 0x72, 0xb2].map((value) => value / 255).join(" ");
    expect(content.split(`${blue} SCN`)).toHaveLength(1 + 2);
    const lines = roc.match(/<(polyline|line|path)/g)!.length;
    expect(content.match(/\nS\n/g)).toHaveLength(lines);
    const words = [...content.matchAll(/<([0-9a-f]+)>/g)].map(([, hex = ""]) =>
      Buffer.from(hex, "hex").toString("latin1"),
    );
    const plain = words.join("").replaceAll(/\s/g, "");
    for (const { title } of outcome.arms) expect(plain).toContain(title.replaceAll(/\s/g, ""));
  });

  it("is drawn of every chart of a report, in German too", async () => {
    for (const language of ["en", "de"] as const)
      for (const { name, text } of figuresOf(outcome, language).filter(({ name }) => name.endsWith(".svg")))
        expect((await pdfOf(text)).length, name).toBeGreaterThan(1000);
  });
});

describe("the figures of a report", () => {
  it("have names of their own that any file system takes", () => {
    expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length);
    for (const { name } of figures) expect(name).toMatch(/^[a-z0-9-]+\.(svg|csv|tex|bib)$/);
  });

  it("are pictures that stand alone: no variables, no style sheet elsewhere, every class has its colour", async () => {
    const pictures = figures.filter(({ name }) => name.endsWith(".svg"));
    expect(pictures.length).toBeGreaterThan(10);
    for (const { text } of pictures) {
      expect(text).not.toMatch(/var\(|color-mix|--\w/);
      expect(text).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="\d+"/);
    }
    const kinds = ["detectors-roc", "scores-scores", "map-map", "mistakes-confusion", "curves-training"];
    for (const kind of kinds) {
      const first = pictures.find(({ name }) => name.startsWith(kind))?.text ?? "";
      // White, and something on it.
      expect((await coloursOf(first, 20)).size, kind).toBeGreaterThan(1);
    }
  });

  it("have the arms' colours and say in a legend whose they are", async () => {
    const roc = named("detectors-roc-near-unknowns.svg");
    for (const { title } of outcome.arms) expect(roc).toContain(`>${title}</text>`);
    expect(roc).toContain(".line.arm-1{stroke:#0072b2}");
    const cells = await coloursOf(named("mistakes-confusion-supcon.svg"), 50);
    expect(cells.size).toBeGreaterThan(5);
  });

  it("show every question's difference on one scale", () => {
    const accuracy = named("differences-accuracy-photo.svg");
    expect(accuracy.match(/class="mean"/g)).toHaveLength(outcome.questions.length);
    expect(accuracy).toContain("faithful redraws");
    const lines = [...accuracy.matchAll(/<text x="4"[^>]*>([^<]*)</g)].map(([, line = ""]) => line);
    expect(lines.length).toBeGreaterThan(outcome.questions.length); // the longest takes two
    for (const line of lines) expect(line.length).toBeLessThan(75);
    const german = figuresOf(outcome, "de").find(({ name }) => name === "differences-accuracy-photo.svg");
    expect(german?.text).not.toMatch(/>[^<]*(together|beat|synthetic)[^<]*<\/text>/);
  });

  it("are tables with plain numbers, as many cells in every row", () => {
    const table = named("hypotheses-hypotheses.csv").trim().split("\n");
    expect(table).toHaveLength(1 + outcome.hypotheses.length);
    expect(table[0]).toBe("Hypothesis,Answer,Points,95 % interval,p (Holm),p (sign flips),To decide");
    expect(table[1]).toMatch(/^H1 Faithful redraws as positives raise accuracy,.*,\+4\.0,\+1\.0 to \+7\.0,/);
    for (const { name, text } of figures) {
      if (!name.endsWith(".csv")) continue;
      expect(text).not.toMatch(/[\u2212\u202f<]|NaN|undefined/);
      const widths = text
        .trim()
        .split("\n")
        .map((line) => line.replaceAll(/"([^"]|"")*"/g, "").split(",").length);
      expect(new Set(widths).size, name).toBe(1);
    }
  });

  it("are written into a folder, one file each, and anew the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "penumbra-figures-"));
    try {
      await writeFile(join(folder, "report.json"), JSON.stringify(outcome));
      const paths = await writeFigures(folder, join(folder, "figures", "new"));
      const names = figures.flatMap(({ name }) => [name, ...(pdfNameOf(name) ?? [])]);
      expect(await readdir(join(folder, "figures", "new"))).toEqual(names.sort());
      const [first = ""] = paths;
      expect(await readFile(first, "utf8")).toBe(figures[0]?.text);
      await expect(writeFigures(join(folder, "figures"), folder)).rejects.toThrow(/has no report\.json/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("are all written where a title has letters that a PDF cannot show, and the charts without PDF named", async () => {
    const folder = await mkdtemp(join(tmpdir(), "penumbra-figures-"));
    const arms = outcome.arms.map((arm, place) => (place === 1 ? { ...arm, title: "見本" } : arm));
    try {
      await writeFile(join(folder, "report.json"), JSON.stringify({ ...outcome, arms }));
      await expect(writeFigures(folder, folder)).rejects.toThrow(
        /SVG only:\n[\s\S]*detectors-roc-near-unknowns\.pdf: "見本" has characters that Helvetica lacks[\s\S]*Give such arms a `title`/,
      );
      const names = await readdir(folder);
      for (const { name } of figures) if (!name.includes("supcon")) expect(names).toContain(name);
      expect(names).not.toContain("detectors-roc-near-unknowns.pdf");
      expect(names).toContain("map-map-of-the-features-cross-entropy.pdf");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
