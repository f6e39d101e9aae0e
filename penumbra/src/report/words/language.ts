import type { Language } from "../../results/index.ts";
import { de } from "./de.ts";
import type { Dictionary } from "./dictionary.ts";

const DICTIONARIES: Readonly<Record<Exclude<Language, "en">, Dictionary>> = { de };

/** What is being said in another language than English. */
interface Speech {
  readonly language: Exclude<Language, "en">;
  readonly dictionary: Dictionary;
  readonly patterns: readonly Pattern[];
  /** What was said already: English and German texts, with what to write. */
  readonly said: Map<string, string>;
  readonly onMissing: OnMissing;
}

/** Told every key that the dictionary lacks, and in which of its lists it would stand. */
export type OnMissing = (key: string, list: "templates" | "texts") => void;

/** A key of the dictionary with places in it. */
interface Pattern {
  readonly matches: RegExp;
  /** Its places, in the order of the key; what users named is kept as it is. */
  readonly places: readonly { readonly number: number; readonly isKept: boolean }[];
  readonly words: string;
}

let speech: Speech | null = null;

/**
 * Everything that `render` writes, in `language`. It must not wait: the language is that of this call alone.
 *
 * @param onMissing what the dictionary lacks stays English, and is told here
 */
export function withLanguage<Value>(
  language: Language,
  render: () => Value,
  onMissing: OnMissing = () => {},
): Value {
  const before = speech;
  speech = language === "en" ? null : speechOf(language, onMissing);
  try {
    return render();
  } finally {
    speech = before;
  }
}

/** The language that is spoken, as HTML names it. */
export function spokenLanguage(): Language {
  return speech?.language ?? "en";
}

/** The dictionary in use; null for English. */
export function spokenDictionary(): Dictionary | null {
  return speech?.dictionary ?? null;
}

/**
 * A text that people read, in the language that is spoken: the dictionary's words for it, or for the key with places
 * that it fits, whose fillings are translated too. What the dictionary lacks stays as it is.
 */
export function translated(text: string): string {
  if (!speech || !/\p{L}{2}|n\/a/u.test(text)) return text;
  const known = speech.said.get(text);
  if (known !== undefined) return known;
  const words = speech.dictionary.texts[text] ?? fitted(text, speech.patterns);
  if (words === undefined) speech.onMissing(text, "texts");
  const result = words ?? text;
  speech.said.set(text, result);
  speech.said.set(result, result); // German is not looked up again
  return result;
}

/** Texts one after the other, each translated by itself. */
export function joined(texts: readonly string[], separator: string): string {
  return asSaid(texts.map(translated).join(separator));
}

/** A text that is in the language that is spoken already: what numbers.ts writes. */
export function asSaid(text: string): string {
  speech?.said.set(text, text);
  return text;
}

/** That the dictionary lacks a piece of a template. */
export function reportMissing(key: string): void {
  speech?.onMissing(key, "templates");
}

function fitted(text: string, patterns: readonly Pattern[]): string | undefined {
  for (const { matches, places, words } of patterns) {
    const found = matches.exec(text);
    if (!found) continue;
    const fillings = new Map(
      places.map(({ number, isKept }, index) => {
        const text = found[index + 1] ?? "";
        return [number, isKept ? text : filling(text)];
      }),
    );
    return words.replaceAll(/\{(\d+)\}/g, (_, place: string) => fillings.get(Number(place)) ?? "");
  }
  return undefined;
}

/** What stands in a place: words, or a number that was written without numbers.ts. */
function filling(text: string): string {
  return /^[−+-]?\d+\.\d+$/.test(text) ? localNumber(text) : translated(text);
}

/** A number as it is written where German is spoken: 71.3 -> 71,3. */
export function localNumber(digits: string): string {
  return speech ? digits.replace(".", speech.dictionary.decimal) : digits;
}

function speechOf(language: Exclude<Language, "en">, onMissing: OnMissing): Speech {
  const dictionary = DICTIONARIES[language];
  return { language, dictionary, patterns: patternsOf(dictionary), said: new Map(), onMissing };
}

/** The keys with places, those with the most words of their own first. */
function patternsOf({ texts }: Dictionary): Pattern[] {
  return Object.entries(texts)
    .filter(([key]) => PLACE.test(key))
    .sort(([a], [b]) => ownLength(b) - ownLength(a))
    .map(([key, words]) => {
      const places: Pattern["places"][number][] = [];
      const pieces = key.split(/(\{\d+[#!]?\})/).map((piece) => {
        const place = /^\{(\d+)([#!]?)\}$/.exec(piece);
        if (!place) return piece.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
        places.push({ number: Number(place[1]), isKept: place[2] === "!" });
        return place[2] === "#" ? "([−+-]?[\\d.,]+)" : "(.+?)";
      });
      return { matches: new RegExp(`^${pieces.join("")}$`, "s"), places, words };
    });
}

const PLACE = /\{\d+[#!]?\}/;

function ownLength(key: string): number {
  return key.replaceAll(/\{\d+[#!]?\}/g, "").length;
}
