import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import { type Language, type Outcome, type OutcomeName, outcomes, type Unit } from "../results/index.ts";
import { intervalAxis, intervalChart } from "./charts/index.ts";
import { type Html, html, unescapeHtml } from "./html.ts";
import { paperStyle } from "./paper-style.ts";
import { FontError, pdfOf } from "./pdf.ts";
import { bibliography, referencesOf } from "./references.ts";
import { differenceLimit, type ImageSource, methodsParagraph, SECTIONS } from "./sections/index.ts";
import { questionTitle } from "./titles.ts";
import { translated, withLanguage } from "./words/index.ts";
import { ReportError, readOutcome } from "./write.ts";

/** A chart or a table of the report as a file of its own. */
export interface Figure {
  /** "detectors-roc-near-unknowns.svg" */
  readonly name: string;
  readonly text: string;
}

/**
 * Writes every chart of a finished study as an SVG that stands alone (no style sheet, no variables: for Inkscape and
 * word processors) and as the same drawing in a PDF (for LaTeX), every table as CSV with plain minus signs, and the
 * methods with their sources for LaTeX; returns the paths. Charts and methods are in `language`; names of files and
 * tables are English in all of them, their numbers as programs read them.
 *
 * @throws ReportError when the folder holds no finished study, and, when all else is written, where a chart has words
 *   beyond Western European, which a PDF cannot show
 */
export async function writeFigures(run: string, folder: string, language?: Language): Promise<string[]> {
  const outcome = await readOutcome(run);
  const figures = figuresOf(outcome, language ?? outcome.language);
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  const write = async (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    await writeFileAtomic(path, content);
    paths.push(path);
  };
  const undrawn: string[] = [];
  for (const { name, text } of figures) {
    await write(name, text);
    if (!name.endsWith(".svg")) continue;
    const pdf = name.replace(/svg$/, "pdf");
    try {
      await write(pdf, await pdfOf(text));
    } catch (error) {
      if (!(error instanceof FontError)) throw error;
      undrawn.push(`${pdf}: ${error.message}`);
    }
  }
  if (undrawn.length === 0) return paths;
  throw new ReportError(
    `Every figure is in ${folder}, but these are there as SVG only:\n${undrawn.join("\n")}\nGive such arms a \`title\` in Latin letters, or convert the SVG (Inkscape does).`,
  );
}

const noImage: ImageSource = () => "";

/** The charts and tables of the page, in its order, each with a name of its own. */
export function figuresOf(outcome: Outcome, language: Language = "en"): Figure[] {
  const said = <Value>(make: () => Value) => withLanguage(language, make);
  const taken = new Map<string, number>();
  const nameOf = (words: readonly string[], ending: string) => {
    const stem = words.map(slug).filter(Boolean).join("-");
    const count = (taken.get(stem + ending) ?? 0) + 1;
    taken.set(stem + ending, count);
    return `${stem}${count > 1 ? `-${count}` : ""}.${ending}`;
  };
  const drawn = SECTIONS.filter((section) => section.isShown(outcome)).flatMap((section) => {
    const { text } = section.render(outcome, noImage);
    const drawn = chartsOf(said(() => section.render(outcome, noImage)).text);
    const charts = chartsOf(text).map(
      ({ label }, index): Figure => ({
        name: nameOf([section.name, label], "svg"),
        text: standalone(drawn[index]!.svg),
      }),
    );
    const tables = [...text.matchAll(/aria-label="([^"]*)"[^>]*>\s*(<table.*?<\/table>)/gs)].map(
      ([, label = "", table = ""]): Figure => ({
        name: nameOf([section.name, label], "csv"),
        text: csvOf(table),
      }),
    );
    return [...charts, ...tables];
  });
  const units = [...new Set(outcome.comparisons.map(({ unit }) => unit))];
  const differences = outcomes.flatMap((name) =>
    units.flatMap((unit): Figure[] => {
      const chart = said(() => differencesChart(outcome, name, unit));
      return chart
        ? [{ name: nameOf(["differences", name, unit], "svg"), text: standalone(chart.text) }]
        : [];
    }),
  );
  return [
    ...differences,
    ...drawn,
    { name: "methods.tex", text: `${said(() => methodsParagraph(outcome)).replaceAll("%", "\\%")}\n` },
    { name: "references.bib", text: bibliography(referencesOf(outcome)) },
  ];
}

/** The charts in a piece of the page, with what they are called. */
function chartsOf(text: string): { readonly svg: string; readonly label: string }[] {
  const charts = text.matchAll(/<svg class="chart[^>]*aria-label="([^"]*)"[^>]*>.*?<\/svg>/gs);
  return [...charts].map(([svg, label = ""]) => ({ svg, label }));
}

/** Pixels of a row of the differences, of its words, of a line of them and of its picture; characters that fit a line. */
const ROW = { height: 34, words: 470, line: 14, picture: 220, characters: 74 } as const;

/** All questions of one outcome below each other, on one scale. */
function differencesChart(outcome: Outcome, name: OutcomeName, unit: Unit): Html | null {
  const items = outcome.comparisons.filter((item) => item.outcome === name && item.unit === unit);
  if (items.length === 0) return null;
  const limit = differenceLimit(items, outcome.margin);
  const width = ROW.words + ROW.picture;
  let bottom = 0;
  const rows = items.map((item) => {
    const question = outcome.questions.find((one) => one.name === item.question);
    const title = question ? questionTitle(question, outcome) : item.question;
    const lines = linesOf(translated(title)); // a part of it would not be known to the dictionary
    const more = ROW.line * (lines.length - 1);
    const y = bottom;
    bottom += ROW.height + more;
    return html`${lines.map((line, index) => html`<text x="4" y="${y + 19 + ROW.line * index}">${line}</text>`)}<g transform="translate(${ROW.words} ${y + more / 2})">${intervalChart({ ...item, title }, { limit, margin: outcome.margin })}</g>`;
  });
  return html`<svg class="chart" viewBox="0 0 ${width} ${bottom + 24}" role="img" aria-label="Differences, ${name}, by ${unit}">${rows}<g transform="translate(${ROW.words} ${bottom})">${intervalAxis({ limit, title: "Difference in points" })}</g></svg>`;
}

/** Words in lines that fit beside a picture. */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= ROW.characters) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A file name of what people read: "ROC, near unknowns" -> "roc-near-unknowns". */
function slug(text: string): string {
  return unescapeHtml(text)
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** A chart with its colours, on white, and with a legend where it has several series. */
function standalone(svg: string): string {
  const [, width = "0", height = "0"] = /viewBox="0 0 (\S+) (\S+)"/.exec(svg) ?? [];
  const series = new Map(
    [...svg.matchAll(/class="((?:line|area|dots) [^"]*)"[^>]*>\s*<title>([^<]*)<\/title>/g)].map(
      ([, className = "", title = ""]) => [className, title],
    ),
  );
  const entries = series.size > 1 ? [...series] : [];
  const whole = Number(height) + ENTRY_HEIGHT * entries.length;
  const legend = entries.map(([className, title], index) => {
    const y = Number(height) + ENTRY_HEIGHT * (index + 0.5);
    return `<path class="${className}" d="M8 ${y}h18"/><text x="32" y="${y + 4}">${title}</text>`;
  });
  return svg
    .replaceAll(
      /class="cell([^"]*)"([^>]*)style="--share:([\d.]+)"/g,
      (_, more, between, share) => `class="cell${more}"${between}fill="${shade(Number(share))}"`,
    )
    .replace(/^<svg [^>]*>/, (head) => {
      const label = /aria-label="[^"]*"/.exec(head)?.[0];
      return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${whole}" viewBox="0 0 ${width} ${whole}" role="img" ${label}><style>${paperStyle()}</style><rect width="${width}" height="${whole}" fill="#fff"/>`;
    })
    .replace(/<\/svg>$/, `${legend.join("")}</svg>\n`);
}

/** Pixels between entries of a legend. */
const ENTRY_HEIGHT = 16;

const SHADE = { none: [0xf6, 0xf7, 0xf9], all: [0x00, 0x72, 0xb2] } as const;

function shade(share: number): string {
  const mixed = SHADE.none.map((value, channel) =>
    Math.round(value + share * ((SHADE.all[channel] as number) - value)),
  );
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Rows of a table of the page: a cell that spans columns is followed by empty ones. */
function csvOf(table: string): string {
  // The foot of a table is a scale.
  const rows = [...table.replace(/<tfoot.*<\/tfoot>/s, "").matchAll(/<tr[^>]*>(.*?)<\/tr>/gs)].map(
    ([, row = ""]) =>
      [...row.matchAll(/<t[hd]([^>]*)>(.*?)<\/t[hd]>/gs)].flatMap(([, attributes = "", cell = ""]) => {
        if (/class="[^"]*glyph/.test(attributes)) return []; // a picture
        const span = Number(/colspan="(\d+)"/.exec(attributes)?.[1] ?? 1);
        return [plain(cell), ...Array.from({ length: span - 1 }, () => "")];
      }),
  );
  return rows.map((row) => `${row.map(quoted).join(",")}\n`).join("");
}

/** What a cell says, without its pictures; numbers as programs read them. */
function plain(cell: string): string {
  return unescapeHtml(cell.replaceAll(/<svg.*?<\/svg>/gs, "").replaceAll(/<[^>]*>/g, ""))
    .replaceAll("\u2212", "-")
    .replaceAll("\u202f", " ")
    .replaceAll(/\s+/g, " ")
    .trim();
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
