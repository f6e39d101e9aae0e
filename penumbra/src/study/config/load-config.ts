import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { type StudyConfig, studySchema } from "./config.ts";
import { renamedSetting, renamedValue } from "./renamed.ts";
import { descriptionAt, settingsAt } from "./schema.ts";
import { suggest } from "./suggest.ts";

/** Thrown for a configuration that cannot be used; the message names file, line, setting and remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** A configuration as read, and the folder that its relative paths start from. */
export interface LoadedConfig {
  readonly config: StudyConfig;
  readonly folder: string;
  readonly path: string;
  /** The file as written, comments and all. */
  readonly text: string;
}

/**
 * Reads a study.yaml and fills in the defaults.
 *
 * Throws ConfigError when the file cannot be read or parsed, and for every unknown setting or impossible value,
 * all of them in one message.
 */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "does not exist" : `cannot be read (${error.code})`;
    throw new ConfigError(
      `The configuration ${path} ${why}. Check the path, or write one with: penumbra init FOLDER_OF_PHOTOS`,
    );
  });
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new ConfigError(`The configuration ${path} is written in UTF-16. Save it as UTF-8.`);
  }
  const text = bytes.toString("utf8");
  return { config: parseConfig(text, path), folder: resolve(dirname(path)), path, text };
}

/** The settings in a YAML text; `file` names it in messages. Throws ConfigError. */
export function parseConfig(text: string, file: string): StudyConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const syntax = document.errors[0];
  if (syntax) {
    throw new ConfigError(`${file} is not valid YAML: ${syntax.message.trim()}\nCorrect the file there.`);
  }
  return validate(plainValues(document, file, lines) ?? {}, (path) => {
    const offset = offsetOf(document, path);
    return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
  });
}

/** The values of a document; an alias that names no anchor is refused with its line. */
function plainValues(document: Document, file: string, lines: LineCounter): unknown {
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, { anchor }: { anchor?: string }) => {
      if (anchor !== undefined) anchors.add(anchor);
    },
  });
  visit(document, {
    Alias: (_, { source, range }) => {
      if (anchors.has(source)) return;
      const line = range ? `:${lines.linePos(range[0]).line}` : "";
      throw new ConfigError(
        `${file}${line}: "*${source}" refers to something that is not there. Put a pattern that begins with * in quotes: "*${source}".`,
      );
    },
  });
  return document.toJS();
}

/** The settings in a plain object; `source` names where they come from in messages. Throws ConfigError. */
export function parseSettings(values: unknown, source: string): StudyConfig {
  return validate(values, () => source);
}

function validate(values: unknown, where: (path: readonly PropertyKey[]) => string): StudyConfig {
  const result = studySchema.safeParse(values);
  if (result.success) return checkMeaning(result.data, where([]));
  const problems = result.error.issues.flatMap((issue) => explain(issue, values));
  throw new ConfigError(problems.map(({ at, message }) => `${where(at)}: ${message}`).join("\n"));
}

/** Rules that concern more than one setting. */
function checkMeaning(config: StudyConfig, source: string): StudyConfig {
  const repeated = (values: readonly unknown[]) => new Set(values).size !== values.length;
  for (const key of ["seeds", "arms", "detectors"] as const) {
    if (repeated(config[key])) {
      throw new ConfigError(
        `${source}: ${key} names something twice: [${config[key].join(", ")}]. List each once.`,
      );
    }
  }
  return config;
}

interface Problem {
  readonly at: readonly PropertyKey[];
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue, values: unknown): Problem[] {
  const name = settingName(issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = settingsAt(issue.path);
    return issue.keys.map((key) => {
      const at = [...issue.path, key];
      const renamed = renamedSetting(at);
      if (renamed) return { at, message: `"${settingName(at)}" is now called ${renamed}. Rename it.` };
      const meant = suggest(key, known);
      const remedy = meant ? `Did you mean "${meant}"?` : `Settings here: ${known.join(", ")}.`;
      return { at, message: `"${settingName(at)}" is not a setting. ${remedy}` };
    });
  }
  const value = valueAt(values, issue.path);
  if (value === undefined) {
    return [{ at: issue.path, message: `"${name}" is missing. Add it: ${name}: …${describe(issue.path)}` }];
  }
  if (issue.code === "invalid_value") {
    const renamed = renamedValue(issue.path, value);
    if (renamed) {
      return [
        { at: issue.path, message: `"${name}": ${show(value)} is now called "${renamed}". Rename it.` },
      ];
    }
    const choices = issue.values.map(String);
    const meant = typeof value === "string" ? suggest(value, choices) : undefined;
    const remedy = meant ? `Did you mean "${meant}"?` : `Choose one of: ${choices.join(", ")}.`;
    return [{ at: issue.path, message: `"${name}" cannot be ${show(value)}. ${remedy}` }];
  }
  if (name === "")
    return [{ at: [], message: `A configuration is a list of "setting: value" lines, not ${show(value)}.` }];
  return [
    {
      at: issue.path,
      message: `"${name}" cannot be ${show(value)}. ${rule(issue, value)}${describe(issue.path)}`,
    },
  ];
}

/** What a value must be, in words. */
function rule(issue: z.core.$ZodIssue, value?: unknown): string {
  if (issue.code === "invalid_type" && issue.expected === "string" && typeof value === "number") {
    return "It must be a text. Put it in quotes, so that it stays as it is written.";
  }
  if (issue.code === "invalid_type") return `It must be ${KINDS[issue.expected] ?? issue.expected}.`;
  if (issue.code === "too_small") {
    const bound = issue.inclusive ? "at least" : "more than";
    if (issue.origin === "array")
      return `It needs at least ${issue.minimum} ${issue.minimum === 1 ? "entry" : "entries"}.`;
    if (issue.origin === "string") return "It must not be empty.";
    return `It must be ${bound} ${issue.minimum}.`;
  }
  if (issue.code === "too_big")
    return `It must be ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}.`;
  if (issue.code === "invalid_union") {
    return `It must be ${issue.errors.flatMap(([first]) => (first ? alternative(first) : [])).join(" or ")}.`;
  }
  return issue.message;
}

/** One thing that a value of several kinds may be. */
function alternative(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value") return issue.values.map(show).join(" or ");
  return issue.code === "invalid_type" ? (KINDS[issue.expected] ?? issue.expected) : rule(issue);
}

const KINDS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  array: "a list, such as [1, 2]",
  tuple: "a pair, such as [1, 2]",
  object: "a section of settings",
};

function show(value: unknown): string {
  return JSON.stringify(value);
}

function settingName(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${String(part)}`,
    )
    .join("");
}

function valueAt(values: unknown, path: readonly PropertyKey[]): unknown {
  let value = values;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function describe(path: readonly PropertyKey[]): string {
  const description = descriptionAt(path);
  return description ? ` (${description})` : "";
}

/** Where a setting stands in the file: its key if it has one, else the section that it is missing from. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === last);
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}
