import { appendFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Manifest } from "../data/index.ts";
import { hashOf, type Json, readJsonLines } from "../files/index.ts";
import type { StudyConfig } from "./config/index.ts";

/** Where a run notes that it looked at its test. */
const OPENINGS_FILE = "openings.jsonl";

interface Opening {
  readonly at: string;
  /** Hash of the photos: what the test is drawn from. */
  readonly photos: string;
  /** Hash of the settings that the figures came from. */
  readonly settings: string;
}

/**
 * Notes that figures of these photos' test were looked at, and says how often they had been before, with other settings:
 * in this run and in those beside it. The more often a test is opened, the less its best figure means.
 */
export async function noteOpening(
  run: string,
  { photos }: Pick<Manifest, "photos">,
  config: StudyConfig,
): Promise<number> {
  const { name: _, threads: __, jobs: ___, device: ____, ...settings } = config;
  const opening = {
    photos: hashOf(photos.map(({ id, hash, role }) => [id, hash, role])),
    settings: hashOf(settings as unknown as Json),
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
  if (!own.some(({ photos, settings }) => photos === opening.photos && settings === opening.settings)) {
    const line: Opening = { at: new Date().toISOString(), ...opening };
    await appendFile(join(run, OPENINGS_FILE), `${JSON.stringify(line)}\n`);
  }
  return new Set(other.map(({ settings }) => settings)).size;
}

async function readOpenings(path: string): Promise<Opening[]> {
  try {
    return await readJsonLines<Opening>(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
