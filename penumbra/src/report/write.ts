import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import { OUTCOME_FORMAT, type Outcome } from "../results/index.ts";
import { renderReport } from "./page.ts";

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
 * @throws ReportError when the folder has no report.json or an image that it names is gone.
 */
export async function writeReport(run: string): Promise<string> {
  const outcome = await readOutcome(run);
  const page = renderReport(outcome, (path) => {
    const type = IMAGE_TYPES[extname(path)] ?? "application/octet-stream";
    try {
      return `data:${type};base64,${readFileSync(join(run, path)).toString("base64")}`;
    } catch {
      throw new ReportError(
        `The report of ${run} shows ${path}, which is gone. Run the study again: it makes only what is missing.`,
      );
    }
  });
  const path = join(run, "report.html");
  await writeFileAtomic(path, page);
  return path;
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
