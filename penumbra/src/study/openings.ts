import { appendFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Manifest } from "../data/index.ts";
import { hashOf, type Json, readJsonLines } from "../files/index.ts";
import type { Looks } from "../results/index.ts";
import type { StudyConfig } from "./config/index.ts";

/** Where a run notes that it looked at its test. */
const OPENINGS_FILE = "openings.jsonl";

interface Opening {
  readonly at: string;
  /** Hash of the photos: what the test is drawn from. */
  readonly photos: string;
  /** Hash of the settings that the figures came from. */
  readonly settings: string;
  /** Of a study that is decided seed by seed: which of its looks this was. */
  readonly look?: number;
}

/** What had looked at a test before. */
export interface EarlierOpenings {
  /** Studies with other settings. A study that is decided seed by seed is one, however often it looks. */
  readonly studies: number;
  /** How often they looked at their figures, all together. */
  readonly looks: number;
}

/**
 * Notes that figures of these photos' test were looked at, and says how often they had been before, with other settings:
 * in this run and in those beside it. The more often a test is opened, the less its best figure means.
 *
 * @param config of the whole study, also where this is a look at some of its seeds
 */
export async function noteOpening(
  run: string,
  { photos }: Pick<Manifest, "photos">,
  config: StudyConfig,
  looks: Looks | null = null,
): Promise<EarlierOpenings> {
  const { name: _, threads: __, jobs: ___, device: ____, language: _____, ...settings } = config;
  const opening = {
    photos: hashOf(photos.map(({ id, hash, role }) => [id, hash, role])),
    settings: hashOf((looks ? { ...settings, looks: looks.planned } : settings) as unknown as Json),
    ...(looks && { look: looks.taken }),
  };
  const beside = await readdir(dirname(run), { withFileTypes: true });
  const files = beside
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(dirname(run), name, OPENINGS_FILE));
  const earlier = (await Promise.all(files.map(readOpenings))).flat();
  const other = earlier.filter(
    ({ photos, settings }) => photos === opening.photos && settings !== opening.settings,
  );
  const own = await readOpenings(join(run, OPENINGS_FILE));
  const isSame = ({ photos, settings, look }: Opening) =>
    photos === opening.photos && settings === opening.settings && look === opening.look;
  if (!own.some(isSame)) {
    const line: Opening = { at: new Date().toISOString(), ...opening };
    await appendFile(join(run, OPENINGS_FILE), `${JSON.stringify(line)}\n`);
  }
  const distinct = (keyOf: (opening: Opening) => unknown) =>
    new Set(other.map((each) => JSON.stringify(keyOf(each)))).size;
  return {
    studies: distinct((each) => each.settings),
    looks: distinct(({ settings, look }) => [settings, look]),
  };
}

async function readOpenings(path: string): Promise<Opening[]> {
  try {
    return await readJsonLines<Opening>(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
