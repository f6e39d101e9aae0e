import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ADDON_FILE, type BuildPlan } from "./key.ts";
import { packageRequire } from "./package.ts";
import { platformName } from "./platform.ts";

/** What is noted beside the addon when it has been built. */
export interface BuildRecord {
  readonly compiler: string;
  readonly bytes: number;
  readonly libtorch: string;
  readonly options: readonly string[];
}

export const RECORD_FILE = "build.json";

/** The note beside the addon in a folder, or undefined where there is none (yet). */
export function buildRecord(folder: string): BuildRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, RECORD_FILE), "utf8")) as BuildRecord;
  } catch {
    return undefined;
  }
}

/**
 * Whether a folder holds an addon that is whole. A full disk or a crash of the machine can leave a part of a file, and
 * loading that would not fail: the system ends the process where it reads past the end.
 */
export function isBuilt(folder: string): boolean {
  const bytes = buildRecord(folder)?.bytes;
  return bytes !== undefined && bytes === addonBytes(folder);
}

/** The addon's size, or undefined where there is none. */
export function addonBytes(folder: string): number | undefined {
  try {
    return statSync(join(folder, ADDON_FILE)).size;
  } catch {
    return undefined;
  }
}

/** The package of prebuilt addons for this platform, which npm installs as an optional dependency. */
export const prebuiltPackage = (): string => `@penumbra/torch-${platformName()}`;

/**
 * The folder with the addon for exactly this plan: the one that was compiled here, else the prebuilt one.
 * @returns undefined where neither is there and whole
 */
export function builtFolder(plan: BuildPlan): string | undefined {
  return [plan.folder, ...prebuiltFolder(plan)].find(isBuilt);
}

function prebuiltFolder({ key }: BuildPlan): string[] {
  try {
    return [join(dirname(packageRequire().resolve(`${prebuiltPackage()}/package.json`)), key)];
  } catch {
    return []; // not installed: there is none for this platform, or npm was told to omit it
  }
}
