import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import { type Language, OUTCOME_FORMAT, type Outcome } from "../results/index.ts";
import { renderReport } from "./page.ts";
import { withLanguage } from "./words/index.ts";

const IMAGE_TYPES: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".webp": "image/webp",
  ".jpg": "image/jpeg",
};

/** Thrown when a run folder holds no finished study. */
export class ReportError extends Error {
  override readonly name = "ReportError";
}

/**
 * Builds report.html of a run folder from its report.json and images; returns the page's path.
 *
 * @param language of the page; default that of the study
 * @throws ReportError when the folder has no report.json or an image that it names is gone.
 */
export async function writeReport(run: string, language?: Language): Promise<string> {
  const outcome = await readOutcome(run);
  const source = (path: string) => {
    const type = IMAGE_TYPES[extname(path)] ?? "application/octet-stream";
    return `data:${type};base64,${readImage(run, path).toString("base64")}`;
  };
  const page = withLanguage(language ?? outcome.language, () => renderReport(outcome, source));
  const path = join(run, "report.html");
  await writeFileAtomic(path, page);
  return path;
}

/** An image that a report shows, by its path in the run folder. @throws ReportError where it is gone */
export function readImage(run: string, path: string): Buffer {
  try {
    return readFileSync(join(run, path));
  } catch {
    throw new ReportError(
      `The report of ${run} shows ${path}, which is gone. Run the study again: it makes only what is missing.`,
    );
  }
}

/** What a finished study found. @throws ReportError where there is none in the folder */
export async function readOutcome(run: string): Promise<Outcome> {
  const outcome = await readFile(join(run, "report.json"), "utf8")
    .then((text) => JSON.parse(text) as Partial<Outcome> | null)
    .catch((error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "has no report.json" : "has a report.json that cannot be read";
      throw new ReportError(
        `The folder ${run} ${why}. Name the run folder of a study that has finished, such as runs/parts.`,
      );
    });
  if (outcome?.format === OUTCOME_FORMAT) return outcome as Outcome;
  throw new ReportError(
    `The report.json in ${run} is of another version of Penumbra. Run the study again: what it made is kept, and the page is made anew.`,
  );
}
