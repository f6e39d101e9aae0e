import { copyFile, mkdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { writeFileAtomic } from "../../files/index.ts";
import type { Outcome } from "../../results/index.ts";
import { ReportError, readOutcome } from "../write.ts";
import { partsOf, runId, type TrackedRun, trackedRuns } from "./tracked.ts";

/** Files of a run folder that are its artifacts, beside the images of the sheet. */
const ARTIFACTS = ["report.html", "report.json", "results.jsonl"];

/**
 * Writes a finished study into a folder as mlflow keeps runs in files (`mlflow ui --backend-store-uri FOLDER`): an
 * experiment named as `run` is, in it a run with the report as artifacts, and below it a run for every arm and seed
 * with parameters, curves and final figures; returns the folder of the experiment. Written again, it takes the place of
 * what was there of this study.
 *
 * @param folder what mlflow calls `mlruns`
 * @throws ReportError when `run` holds no finished study, or lacks its report
 */
export async function writeMlflow(run: string, folder: string): Promise<string> {
  const outcome = await readOutcome(run);
  const study = basename(resolve(run));
  const experiment = experimentId(study);
  const place = resolve(folder, experiment);
  const time = Date.parse(outcome.createdAt);
  await rm(place, { recursive: true, force: true });
  const parent = runId(study);
  const write = (id: string, path: string, content: string) =>
    writeFileAtomic(join(place, id, path), content, { flush: false });
  const writeRun = async (id: string, name: string, tags: Readonly<Record<string, string>>) => {
    await write(id, "meta.yaml", runMeta({ place, experiment, id, name, time }));
    // mlflow takes a folder for a run only with all of these.
    for (const part of ["artifacts", "metrics", "params"]) {
      await mkdir(join(place, id, part), { recursive: true });
    }
    for (const [key, value] of Object.entries({ "mlflow.runName": name, ...tags })) {
      await write(id, join("tags", key), value);
    }
  };
  await writeRun(parent, study, { "mlflow.source.name": `penumbra ${outcome.machine.penumbra}` });
  await copyArtifacts(run, join(place, parent, "artifacts"), outcome);
  await write(parent, join("artifacts", "study.yaml"), outcome.configuration);
  for (const { arm, parameters, figures, ...own } of trackedRuns(outcome)) {
    const parts = partsOf(own);
    const id = runId(study, arm, ...parts);
    await writeRun(id, `${arm}, ${parts.join(", ").replaceAll("-", " ")}`, { "mlflow.parentRunId": parent });
    for (const [name, value] of Object.entries(parameters)) await write(id, join("params", name), value);
    for (const { name, points } of figures) await write(id, join("metrics", name), metricLines(points, time));
  }
  // Last: a folder without it is none of mlflow's experiments.
  await writeFileAtomic(join(place, "meta.yaml"), experimentMeta(place, experiment, study, time));
  return place;
}

/** A whole number that stays the same for a name, with as many digits as mlflow's own. */
function experimentId(name: string): string {
  return String(BigInt(`0x${runId(name, "experiment").slice(0, 14)}`) + 10n ** 17n);
}

/** A line a point: milliseconds, value, step. */
function metricLines(points: TrackedRun["figures"][number]["points"], time: number): string {
  return points.map(({ step, value }) => `${time} ${value} ${step}\n`).join("");
}

function experimentMeta(place: string, id: string, name: string, time: number): string {
  return yaml({
    artifact_location: pathToFileURL(place).href,
    creation_time: time,
    experiment_id: id,
    last_update_time: time,
    lifecycle_stage: "active",
    name,
  });
}

interface RunFacts {
  readonly place: string;
  readonly experiment: string;
  readonly id: string;
  readonly name: string;
  readonly time: number;
}

function runMeta({ place, experiment, id, name, time }: RunFacts): string {
  return yaml({
    artifact_uri: pathToFileURL(join(place, id, "artifacts")).href,
    end_time: time,
    entry_point_name: "",
    experiment_id: experiment,
    lifecycle_stage: "active",
    run_id: id,
    run_name: name,
    run_uuid: id,
    source_name: "",
    source_type: 4, // a local one
    source_version: "",
    start_time: time,
    status: 3, // finished
    tags: [],
    user_id: "penumbra",
  });
}

/** JSON's texts and numbers are YAML's. */
function yaml(fields: Readonly<Record<string, string | number | readonly never[]>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join("");
}

async function copyArtifacts(run: string, folder: string, { sheet }: Outcome): Promise<void> {
  const images = sheet.flatMap(({ photo, redraws }) => [photo, ...redraws.map(({ image }) => image)]);
  for (const path of new Set([...ARTIFACTS, ...images])) {
    const to = join(folder, dirname(path), basename(path));
    await mkdir(dirname(to), { recursive: true });
    await copyFile(join(run, path), to).catch((cause) => {
      throw new ReportError(
        `${join(run, path)} cannot be copied for mlflow (${(cause as Error).message}). Run the study again: it makes only what is missing.`,
        { cause },
      );
    });
  }
}
