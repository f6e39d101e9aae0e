import { readFileSync } from "node:fs";
import { ModelError } from "./errors.ts";
import type { RawConfig } from "./model-config.ts";

/**
 * Reads a JSON object.
 * @throws ModelError when the file is missing or holds anything else
 */
export function readJson(file: string): RawConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ModelError(`${file} cannot be read. Give a complete folder in diffusers' layout.`, { cause });
  }
  try {
    const value = parsePythonJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as RawConfig;
  } catch (cause) {
    throw new ModelError(`${file} is no JSON. Fetch the file again.`, { cause });
  }
  throw new ModelError(`${file} holds no JSON object. Fetch the file again.`);
}

/** Reads JSON as Python writes it: `Infinity` and `NaN` (as null), which JSON does not have, stand for themselves. */
export function parsePythonJson(text: string): unknown {
  const numbers: Readonly<Record<string, string>> = { Infinity: "1e999", "-Infinity": "-1e999", NaN: "null" };
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (match) => numbers[match] ?? match));
}
