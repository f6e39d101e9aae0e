import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readJsonLines, writeJsonLines } from "../../files/index.ts";
import type { SamplerChoice } from "../samplers/index.ts";
import type { RecipeName, RedrawKind } from "./recipes/index.ts";

/** What is known of one redrawn image: a line of `manifest.jsonl`. */
export interface RedrawLine {
  /** Path of the image in the folder. */
  readonly file: string;
  /** Id of the photo that was redrawn; the image goes wherever this photo goes. */
  readonly parent: string;
  /** Hash of the parent's file, where the caller knew it. */
  readonly parentHash: string | null;
  /** Physical object of the parent. */
  readonly object: string;
  /** Class of the parent. */
  readonly className: string;
  readonly recipe: RecipeName;
  readonly kind: RedrawKind;
  readonly variant: number;
  readonly prompt: string;
  readonly word: string;
  /** Class whose word it is: the parent's own, unless the recipe crosses classes. */
  readonly wordClass: string;
  readonly strength: number;
  /** The algorithm that denoised, with all its settings. */
  readonly sampler: SamplerChoice;
  /** Timestep that the strength means for these steps; null where none is taken. */
  readonly timestep: number | null;
  /** Amplitudes of image and noise at that timestep. */
  readonly signal: number;
  readonly noise: number;
  /** Calls of the UNet (with guidance each counts twice the work). */
  readonly calls: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly seed: number;
  /** What the networks were computed in. */
  readonly dtype: string;
  readonly modelHash: string;
}

const manifestIn = (folder: string) => join(folder, "manifest.jsonl");

/**
 * The lines of a folder's manifest whose image is there, by file. A last line that was cut off by an interruption
 * is left out; so is a line whose image is missing.
 */
export async function readManifest(folder: string): Promise<Map<string, RedrawLine>> {
  const path = manifestIn(folder);
  if (!existsSync(path)) return new Map();
  const lines = new Map<string, RedrawLine>();
  for (const text of (await readFile(path, "utf8")).split("\n")) {
    const line = parseLine(text);
    if (line && existsSync(join(folder, line.file))) lines.set(line.file, line);
  }
  return lines;
}

/**
 * The lines of a folder's manifest in the order in which they stand there.
 * @throws where the folder has no manifest
 */
export function redrawLines(folder: string): Promise<RedrawLine[]> {
  return readJsonLines(manifestIn(folder));
}

/** Adds lines for images that are written already. */
export async function appendManifest(folder: string, lines: readonly RedrawLine[]): Promise<void> {
  await appendFile(manifestIn(folder), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** Writes the manifest anew, ordered by parent, recipe and variant: independent of interruptions. */
export async function writeManifest(folder: string, lines: Iterable<RedrawLine>): Promise<void> {
  const key = ({ parent, recipe, variant, file }: RedrawLine) =>
    `${parent}\0${recipe}\0${String(variant).padStart(9, "0")}\0${file}`;
  const sorted = [...lines].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  await writeJsonLines(manifestIn(folder), sorted);
}

function parseLine(text: string): RedrawLine | null {
  try {
    const value = JSON.parse(text) as Partial<RedrawLine> | null;
    return typeof value?.file === "string" ? (value as RedrawLine) : null;
  } catch {
    return null;
  }
}
