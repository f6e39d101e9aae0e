import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BuildPlan } from "./key.ts";

/** What is noted beside the addon when it has been built. */
interface BuildRecord {
  readonly compiler: string;
  readonly bytes: number;
}

export const recordFile = (plan: BuildPlan): string => join(dirname(plan.addon), "build.json");

/** The note beside the addon, or undefined where there is none (yet). */
export function buildRecord(plan: BuildPlan): BuildRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordFile(plan), "utf8")) as BuildRecord;
  } catch {
    return undefined;
  }
}

/**
 * Whether the addon is there and whole. A full disk or a crash of the machine can leave a part of a file, and loading
 * that would not fail: the system ends the process where it reads past the end.
 */
export function isBuilt(plan: BuildPlan): boolean {
  const bytes = buildRecord(plan)?.bytes;
  return bytes !== undefined && bytes === addonBytes(plan);
}

/** The addon's size, or undefined where there is none. */
export function addonBytes(plan: BuildPlan): number | undefined {
  try {
    return statSync(plan.addon).size;
  } catch {
    return undefined;
  }
}
