import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readJsonLines, writeJsonLines } from "../files/index.ts";
import type { Child } from "./follow.ts";
import type { Role } from "./types.ts";

/**
 * What an image made from a photo is meant to be to training: "faithful" keeps its class (a positive), "near-ood" lies
 * beside it (negative only).
 */
export const IMAGE_KINDS = ["faithful", "near-ood"] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

/** A photo that images are drawn from. */
export interface ParentPhoto {
  readonly id: string;
  readonly object: string;
  readonly className: string;
  /** Hash of the file; what was drawn from a changed photo is drawn again. */
  readonly hash?: string;
  /** "known", where given: unknowns are for testing only. */
  readonly role?: Role;
}

/** What is known of one image that was made from a photo: a line of `manifest.jsonl`. Who made it may add more. */
export interface ImageLine extends Child {
  /** Path of the image in the folder. */
  readonly file: string;
  /** Hash of the parent's file, where the caller knew it. */
  readonly parentHash: string | null;
  /** Class of the parent. */
  readonly className: string;
  /** What drew it: "latent-diffusion", "autoencoder", "mixing", … */
  readonly generator: string;
  readonly recipe: string;
  readonly kind: ImageKind;
  /** Which of the parent's images by this recipe. */
  readonly variant: number;
  /** How often this variant was drawn before and turned away; 0 for the first. */
  readonly attempt: number;
  /** Class that it was drawn towards: the parent's own, unless the recipe crosses classes. */
  readonly wordClass: string;
  /** How far from the parent, 0..1, where the recipe has such a measure. */
  readonly strength: number | null;
  readonly seed: number;
  /** Id of another photo that it holds a part of, where it does. */
  readonly partner?: string | null;
}

const manifestIn = (folder: string) => join(folder, "manifest.jsonl");

/**
 * The lines of a folder's manifest whose image is there, by file. A last line that was cut off by an interruption
 * is left out; so is a line whose image is missing.
 */
export async function readManifest<Line extends ImageLine = ImageLine>(
  folder: string,
): Promise<Map<string, Line>> {
  const path = manifestIn(folder);
  if (!existsSync(path)) return new Map();
  const lines = new Map<string, Line>();
  for (const text of (await readFile(path, "utf8")).split("\n")) {
    const line = parseLine<Line>(text);
    if (line && existsSync(join(folder, line.file))) lines.set(line.file, line);
  }
  return lines;
}

/**
 * The lines of a folder's manifest in the order in which they stand there.
 * @throws where the folder has no manifest
 */
export function imageLines<Line extends ImageLine = ImageLine>(folder: string): Promise<Line[]> {
  return readJsonLines(manifestIn(folder));
}

/** Adds lines for images that are written already. */
export async function appendManifest(folder: string, lines: readonly ImageLine[]): Promise<void> {
  await appendFile(manifestIn(folder), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** Writes the manifest anew, ordered by parent, recipe, variant and attempt: independent of interruptions. */
export async function writeManifest(folder: string, lines: Iterable<ImageLine>): Promise<void> {
  const places = (count: number) => String(count).padStart(9, "0");
  const key = ({ parent, recipe, variant, attempt, file }: ImageLine) =>
    `${parent}\0${recipe}\0${places(variant)}\0${places(attempt)}\0${file}`;
  const sorted = [...lines].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  await writeJsonLines(manifestIn(folder), sorted);
}

function parseLine<Line extends ImageLine>(text: string): Line | null {
  try {
    const value = JSON.parse(text) as Partial<Line> | null;
    return typeof value?.file === "string" ? (value as Line) : null;
  } catch {
    return null;
  }
}
