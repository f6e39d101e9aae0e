import type { z } from "zod";
import { renamedSetting, renamedValue } from "./renamed.ts";
import { descriptionAt, settingsAt } from "./schema.ts";
import { suggest } from "./suggest.ts";

/** What is wrong with a setting. */
export interface SettingProblem {
  /** Path of the setting. */
  readonly at: readonly PropertyKey[];
  readonly message: string;
}

/** What an issue of the schema means, in words that name the setting and what to do. */
export function explainIssue(issue: z.core.$ZodIssue, values: unknown, schema: z.ZodType): SettingProblem[] {
  const describe = (path: readonly PropertyKey[]) => {
    const description = descriptionAt(path, schema);
    return description ? ` (${description})` : "";
  };
  const name = settingName(issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = settingsAt(issue.path, schema);
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
  // A rule about several settings, of which this one was left out.
  if (value === undefined && issue.code === "custom")
    return [{ at: issue.path, message: `"${name}": ${issue.message}${describe(issue.path)}` }];
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
