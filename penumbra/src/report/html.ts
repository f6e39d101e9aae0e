import { localNumber, reportMissing, spokenDictionary, templateIn, translated } from "./words/index.ts";

/** Text that is already HTML. Everything else is escaped when it enters a template. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

type Part = Html | string | number | null | undefined | false | readonly Part[];

/**
 * Template tag for HTML and SVG: strings are escaped, `Html` is kept, lists are joined, null and false vanish. Within
 * `withLanguage` what people read is translated; names that users gave stand in elements of class "id" and are not.
 *
 * @example html`<p>${"a < b"}</p>`.text // "<p>a &lt; b</p>"
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const dictionary = spokenDictionary();
  if (!dictionary) {
    return new Html(strings.reduce((text, string, index) => text + render(parts[index - 1]) + string));
  }
  const { pieces, missing } = templateIn(strings, dictionary);
  for (const key of missing) reportMissing(key);
  return new Html(
    pieces
      .map((piece) =>
        typeof piece === "string" ? piece : (piece.kind === "text" ? say : render)(parts[piece.index]),
      )
      .join(""),
  );
}

/** A value among what people read, in the language that is spoken. */
function say(part: Part): string {
  if (typeof part === "string") return escapeHtml(translated(part));
  if (typeof part === "number") return localNumber(String(part));
  if (part === null || part === undefined || part === false || part instanceof Html) return render(part);
  return part.map(say).join("");
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return String(part);
  return part.map(render).join("");
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** The text that `escapeHtml` was given. */
export function unescapeHtml(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}
