import type { Dictionary } from "./dictionary.ts";

/**
 * Where a value stands in an `html` template: among what people read (`text`), or in markup, in names that users gave
 * (`class="id"`), code and configurations (`raw`).
 */
export type Place = { readonly index: number; readonly kind: "text" | "raw" };

/** A template in another language: HTML, and places of its values, perhaps in another order. */
export interface Template {
  readonly pieces: readonly (string | Place)[];
  /** Keys that the dictionary lacks. */
  readonly missing: readonly string[];
}

const cache = new WeakMap<Dictionary, WeakMap<TemplateStringsArray, Template>>();

/** The static parts of an `html` template in the words of `dictionary`. */
export function templateIn(strings: TemplateStringsArray, dictionary: Dictionary): Template {
  const known = cache.get(dictionary) ?? new WeakMap<TemplateStringsArray, Template>();
  cache.set(dictionary, known);
  const found = known.get(strings) ?? compile(strings, dictionary);
  known.set(strings, found);
  return found;
}

/** Values while the template is one text: their number between two characters of Unicode's private area. */
const [OPEN, CLOSE] = ["\uE000", "\uE001"];
const VALUE = /\uE000(\d+)\uE001/g;
/** Tags within a sentence. */
const INLINE = /^<(\/?)(b|i|em|code|br)>$/;
/** Attributes that people read or hear. */
const LABELS = /((?:^|\s)(?:aria-label|alt|title)=")([^"]*)(")/g;

function compile(strings: TemplateStringsArray, dictionary: Dictionary): Template {
  const missing: string[] = [];
  const pieces: (string | Place)[] = [];
  const write = (text: string, kind: Place["kind"]) => {
    for (const [place, piece] of text.split(VALUE).entries()) {
      if (place % 2 === 1) pieces.push({ index: Number(piece), kind });
      else if (piece !== "") pieces.push(piece);
    }
  };
  const say = (text: string) => write(words(text, dictionary, missing), "text");
  const whole = strings.reduce((text, string, index) => `${text}${OPEN}${index - 1}${CLOSE}${string}`);
  if (/^\s[\w-]+="[^"]*"$/.test(whole)) {
    write(whole, "raw"); // an attribute by itself
    return { pieces, missing };
  }
  let sentence = "";
  let isRaw = false;
  const flush = () => {
    if (isRaw) write(sentence, "raw");
    else say(sentence);
    sentence = "";
  };
  for (const token of whole.split(/(<[^>]*>)/)) {
    if (isRaw && token.startsWith("<")) {
      flush(); // what a user named ends with its element
      isRaw = false;
    }
    if (!token.startsWith("<") || INLINE.test(token)) {
      sentence += token;
      continue;
    }
    flush();
    isRaw = /^<(pre|style|script)\b|class="([^"]* )?id"/.test(token);
    let at = 0;
    for (const { 0: all, 1: head = "", 2: label = "", index } of token.matchAll(LABELS)) {
      write(token.slice(at, index) + head, "raw");
      say(label);
      at = index + all.length - 1;
    }
    write(token.slice(at), "raw");
  }
  flush();
  return { pieces, missing };
}

/** A text of a template in the dictionary's words, the spaces around it kept. */
function words(text: string, { templates }: Dictionary, missing: string[]): string {
  const { before, core, after } = trimmed(text);
  if (!/\p{L}/u.test(core.replaceAll(VALUE, "").replaceAll(/<[^>]*>/g, ""))) return text;
  const values: string[] = [];
  const key = core.replaceAll(VALUE, (value) => `{${values.push(value) - 1}}`).replaceAll(/\s+/g, " ");
  const said = templates[key];
  if (said === undefined) {
    missing.push(key);
    return text;
  }
  return before + said.replaceAll(/\{(\d+)\}/g, (_, place: string) => values[Number(place)] ?? "") + after;
}

/** A text without the spaces around it, and without tags that its other half does not stand in it. */
function trimmed(text: string): { before: string; core: string; after: string } {
  const tokens = text.split(/(<[^>]*>|\s+)/).filter((token) => token !== "");
  const isTag = (token: string | undefined) => token !== undefined && INLINE.test(token);
  const depth = (list: readonly string[]) =>
    list.reduce((sum, token) => {
      const [, slash, name] = INLINE.exec(token) ?? [];
      return name === undefined || name === "br" ? sum : sum + (slash ? -1 : 1);
    }, 0);
  let [from, to] = [0, tokens.length];
  const isSpare = (token: string | undefined, wanted: boolean) =>
    token !== undefined && (/^\s+$/.test(token) || token === "<br>" || (isTag(token) && wanted));
  for (;;) {
    const [first, last] = [tokens[from], tokens[to - 1]];
    const open = depth(tokens.slice(from, to));
    if (from < to && isSpare(first, Boolean(first?.startsWith("</")) || open > 0)) from++;
    else if (from < to && isSpare(last, open < 0)) to--;
    else break;
  }
  const join = (start: number, end: number) => tokens.slice(start, end).join("");
  return { before: join(0, from), core: join(from, to), after: join(to, tokens.length) };
}
