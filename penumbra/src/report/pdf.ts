import type PDFKit from "pdfkit";
import { unescapeHtml } from "./html.ts";

type Page = PDFKit.PDFDocument;

/** An element of a chart, with what CSS needs to know of it. */
interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: Element[];
  /** Text within a `<text>`. */
  text: string;
}

/** One declaration of the style sheet, with each class that an element and those around it must have. */
interface Rule {
  readonly around: Compound | null;
  readonly self: Compound;
  readonly property: string;
  readonly value: string;
}

interface Compound {
  readonly tag: string | null;
  readonly classes: readonly string[];
}

type Style = Readonly<Record<string, string>>;

/** A character of a chart that the fonts of PDF readers lack. */
export class FontError extends Error {
  override readonly name = "FontError";
}

/**
 * A chart that stands alone as a PDF of one page: the same lines, areas and words, as vectors and text in Helvetica,
 * which every reader has; a pixel becomes a point. It knows what this room's charts are made of (shapes, `text`, `g`,
 * one `<style>` of class rules) and no other SVG. The same chart gives the same bytes.
 *
 * @param svg as `figuresOf` gives it
 * @throws FontError for text beyond Western European
 */
export async function pdfOf(svg: string): Promise<Uint8Array> {
  const { default: Document } = await import("pdfkit");
  const root = parse(svg);
  const rules = rulesOf(svg);
  const size: [number, number] = [number(root, "width"), number(root, "height")];
  const page = new Document({
    ...{ size, margin: 0, pdfVersion: "1.4", font: "Helvetica" },
    // A fixed date, so that a figure under version control changes with its numbers alone.
    info: { Title: root.attributes.get("aria-label") ?? "", Creator: "penumbra", CreationDate: new Date(0) },
  });
  const chunks: Uint8Array[] = [];
  page.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  const ended = new Promise<void>((resolve) => page.on("end", resolve));
  draw(page, root, rules, []);
  page.end();
  await ended;
  return Buffer.concat(chunks);
}

function parse(svg: string): Element {
  const top: Element = { name: "", attributes: new Map(), children: [], text: "" };
  const open = [top];
  for (const [, end, name = "", inside = "", isClosed, text] of svg.matchAll(
    /<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>|([^<]+)/g,
  )) {
    const last = open.at(-1)!;
    if (text !== undefined) last.text += unescapeHtml(text);
    else if (end) open.pop();
    else {
      const attributes = [...inside.matchAll(/([\w:-]+)="([^"]*)"/g)].map(
        ([, key = "", value = ""]) => [key, unescapeHtml(value)] as const,
      );
      const element = { name, attributes: new Map(attributes), children: [], text: "" };
      last.children.push(element);
      if (!isClosed) open.push(element);
    }
  }
  return top.children[0]!;
}

/** In the order in which later ones win: by the number of classes that they name, then as they stand. */
function rulesOf(svg: string): Rule[] {
  const [, sheet = ""] = /<style>(.*?)<\/style>/s.exec(svg) ?? [];
  const rules = [...sheet.matchAll(/([^{}]+)\{([\w-]+):([^{}]*)\}/g)].flatMap(
    ([, selectors = "", property = "", value = ""]) =>
      selectors.split(",").map((selector): Rule => {
        const [self, around] = selector.trim().split(/\s+/).map(compound).reverse();
        return { around: around ?? null, self: self!, property, value };
      }),
  );
  const weight = ({ self, around }: Rule) => self.classes.length + (around?.classes.length ?? 0);
  return rules.sort((a, b) => weight(a) - weight(b));
}

function compound(selector: string): Compound {
  const [tag, ...classes] = selector.split(".");
  return { tag: tag || null, classes };
}

function fits({ tag, classes }: Compound, { name, attributes }: Element): boolean {
  const own = attributes.get("class")?.split(" ") ?? [];
  return (tag === null || tag === name) && classes.every((each) => own.includes(each));
}

function styleOf(element: Element, rules: readonly Rule[], around: readonly Element[]): Style {
  const style: Record<string, string> = { fill: element.attributes.get("fill") ?? "#000" };
  for (const rule of rules) {
    if (!fits(rule.self, element)) continue;
    const { around: outer } = rule;
    if (outer === null || around.some((each) => fits(outer, each))) style[rule.property] = rule.value;
  }
  return style;
}

function number({ attributes }: Element, name: string): number {
  return Number(attributes.get(name) ?? 0);
}

/** The path of a shape in the language of SVG's `d`. */
const PATHS: Readonly<Record<string, (element: Element) => string>> = {
  path: ({ attributes }) => attributes.get("d") ?? "",
  polyline: ({ attributes }) => `M${attributes.get("points")}`,
  polygon: ({ attributes }) => `M${attributes.get("points")}Z`,
  line: (line) => `M${number(line, "x1")} ${number(line, "y1")}L${number(line, "x2")} ${number(line, "y2")}`,
  rect: (rect) =>
    `M${number(rect, "x")} ${number(rect, "y")}h${number(rect, "width")}v${number(rect, "height")}h${-number(rect, "width")}Z`,
  circle(circle) {
    const [x, y, r] = [number(circle, "cx"), number(circle, "cy"), number(circle, "r")];
    return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  },
};

function draw(page: Page, element: Element, rules: readonly Rule[], around: readonly Element[]): void {
  page.save();
  const transform = element.attributes.get("transform") ?? "";
  const [, x, y] = /translate\((\S+) (\S+)\)/.exec(transform) ?? [];
  if (x !== undefined) page.translate(Number(x), Number(y));
  const [, angle] = /rotate\((\S+)\)/.exec(transform) ?? [];
  if (angle !== undefined) page.rotate(Number(angle));
  const style = styleOf(element, rules, around);
  const path = PATHS[element.name];
  // A line has nothing inside, and a reader may draw that as a hair.
  if (path) drawShape(page, path(element), element.name === "line" ? { ...style, fill: "none" } : style);
  else if (element.name === "text") drawText(page, element, style);
  const inside = [...around, element];
  for (const child of element.children) draw(page, child, rules, inside);
  page.restore();
}

const isPaint = (value: string | undefined): value is string => value !== undefined && value !== "none";

function drawShape(page: Page, path: string, style: Style): void {
  const opacity = Number(style.opacity ?? 1);
  const { fill, stroke } = style;
  if (isPaint(fill)) {
    page.path(path).fillOpacity(opacity * Number(style["fill-opacity"] ?? 1));
    page.fill(fill);
  }
  if (!isPaint(stroke)) return;
  page.path(path).strokeOpacity(opacity);
  page.lineWidth(Number.parseFloat(style["stroke-width"] ?? "1"));
  page.lineJoin(style["stroke-linejoin"] ?? "miter").lineCap(style["stroke-linecap"] ?? "butt");
  const [length, space] = (style["stroke-dasharray"] ?? "").split(" ").map(Number);
  if (length && space) page.dash(length, { space });
  page.stroke(stroke);
}

/** What stands for characters that the fonts of PDF readers lack and that look the same. */
const ALIKE: Readonly<Record<string, string>> = {
  "\u2212": "\u2013",
  "\u202f": "\u00a0",
  "\u2009": "\u00a0",
};
/** Of Windows-1252, the encoding of those fonts. */
const DRAWABLE = /^[ -~\u00a0-\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/;

function drawText(page: Page, element: Element, style: Style): void {
  const text = element.text.replaceAll(/[\u2212\u202f\u2009]/g, (character) => ALIKE[character]!).trim();
  if (!DRAWABLE.test(text)) throw new FontError(`"${text}" has characters that Helvetica lacks`);
  page.fontSize(Number.parseFloat(style["font-size"] ?? style.font ?? "11"));
  const share = { start: 0, middle: 0.5, end: 1 }[element.attributes.get("text-anchor") ?? "start"] ?? 0;
  const left = number(element, "x") - share * page.widthOfString(text);
  page.fillColor(style.fill ?? "#000").fillOpacity(1);
  page.text(text, left, number(element, "y"), { lineBreak: false, baseline: "alphabetic" });
}
