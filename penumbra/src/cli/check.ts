import { access, constants, mkdir } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import type { Health, Manifest, Problem, ScanOptions, SplitName } from "../data/index.ts";
import type { Language } from "../results/index.ts";
import type { Foresight, Study } from "../study/index.ts";
import type { WeightsPlace } from "./label-check.ts";
import { languageOption } from "./language.ts";
import { shortDuration, showingStage } from "./progress.ts";

interface CheckFlags {
  readonly json?: boolean;
  readonly html?: string;
  readonly fixList?: string;
  readonly labels?: boolean;
  readonly encoder?: string;
  readonly language?: Language;
}

/** `penumbra check`: what a folder of photos holds, or what a configuration would run, and what to look at before. */
export function checkCommand(): Command {
  return new Command("check")
    .description(
      "count the photos of a folder, of a list, or of a study.yaml with its roles, and say what is wrong with them",
    )
    .argument("<photos-or-config>", "folder or list (.csv, .jsonl) of photos, or a study.yaml")
    .option("--json", "print the findings as one JSON object")
    .option("--html <file>", "write a page with a picture of every finding")
    .option("--fix-list <file>", "write the setting ignore that leaves out what one would leave out")
    .option(
      "--labels",
      "also look for wrong labels: photos that resemble photos of another class (takes longer)",
    )
    .option(
      "--encoder <file>",
      "published weights whose features --labels compares (default: the study's, else small pictures)",
    )
    .addOption(languageOption("English, or the study's own"))
    .action(async (path: string, flags: CheckFlags) => {
      if (flags.encoder !== undefined && !flags.labels)
        throw new Error("--encoder is for --labels: give both, or leave it out.");
      if (/\.ya?ml$/.test(path)) await checkStudy(path, flags);
      else await checkPhotos(path, flags);
    });
}

async function checkPhotos(place: string, flags: CheckFlags): Promise<void> {
  const { checkHealth, describeHealth } = await import("../data/index.ts");
  const manifest = await scan(place, {});
  const health = await labelled(checkHealth, manifest, flags.labels, { weights: flags.encoder });
  print(flags.json ? JSON.stringify(health) : describeHealth(health));
  await writeFiles(place, manifest, health, flags);
}

/** What is odd about a set, with its labels where that is asked for. */
async function labelled(
  checkHealth: (manifest: Manifest, more?: readonly Problem[]) => Health,
  manifest: Manifest,
  labels: boolean | undefined,
  encoder: WeightsPlace,
): Promise<Health> {
  if (!labels) return checkHealth(manifest);
  const { checkLabels } = await import("./label-check.ts");
  const { problems, notes } = await checkLabels(manifest, encoder);
  const health = checkHealth(manifest, problems);
  return { ...health, notes: [...health.notes, ...notes] };
}

/** The photos as the study sees them, the split of its first seed, and how much there is to do. */
async function checkStudy(path: string, flags: CheckFlags): Promise<void> {
  const { checkHealth, describeHealth } = await import("../data/index.ts");
  const { checkModel } = await import("../diffusion/index.ts");
  const {
    describeEstimate,
    describeForesight,
    loadConfig,
    planStudy,
    scanOptionsOf,
    settle,
    settlePrecision,
    settleWork,
  } = await import("../study/index.ts");
  const study = planStudy(await loadConfig(path));
  const { config, folder, title, stageCount, run } = study;
  const place = resolve(folder, config.photos);
  const manifest = await scan(place, scanOptionsOf(config));
  const health = await labelled(checkHealth, manifest, flags.labels, {
    weights: flags.encoder ?? config.encoder.weights,
    ...(flags.encoder === undefined && { base: folder }),
  });
  const split = await splitOf(manifest, study);
  const model = study.needsModel
    ? await checkModel(config.model, {
        ...{ base: folder, vae: config.vae, loras: config.loras, imageSize: config.redraw.size },
        guidanceScale: config.redraw.guidanceScale,
        onNote: say,
      })
    : null;
  const device = [config.device].flat().find((name) => name.startsWith("cuda")) ?? "cpu";
  const estimate =
    split.parts && (model === null || model.model)
      ? settleWork(
          {
            ...study,
            config: await settle(study, say),
            knownClasses: manifest.classes.length,
            trainPhotos: split.parts.train,
            validationPhotos: split.parts.validation,
            photos: manifest.photos.length,
            model: model?.model,
            precision: settlePrecision(config.precision, device).precision,
          },
          { cores: availableParallelism(), memoryBytes: totalmem(), device },
        ).estimate
      : undefined;
  if (model && !model.ok) process.exitCode = 1; // the study would be refused
  if (flags.json) {
    const found = model && { ok: model.ok, finding: model.finding };
    print(JSON.stringify({ ...health, ...split, model: found, title, stageCount, run, estimate }));
  } else {
    print(describeHealth(health));
    if (split.parts) {
      const parts = Object.entries(split.parts).map(([name, count]) => `${name} ${count}`);
      print(`Photos at each seed: ${parts.join(", ")}`);
    }
    if (model) print(`Model: ${model.finding}`);
    print(`${title}: ${stageCount} stages`);
    if (estimate) print(describeEstimate(estimate, shortDuration));
    if (split.foresight) print(describeForesight(split.foresight));
  }
  await writeFiles(config.photos, manifest, health, { language: config.language, ...flags });
  if (split.refusal !== undefined) throw new Error(split.refusal);
}

/** Photos in each part at the first seed; or why the study would be refused, which is said after the table. */
async function splitOf(
  manifest: Manifest,
  { config, tables }: Pick<Study, "config" | "tables">,
): Promise<{ parts?: Record<SplitName, number>; foresight?: Foresight; refusal?: string }> {
  const { DataError, splitByObject } = await import("../data/index.ts");
  const { foresee, largestShots } = await import("../study/index.ts");
  try {
    const split = splitByObject(manifest, {
      ...config.split,
      shots: largestShots(config),
      seed: config.seeds[0]!, // the schema wants one
    });
    return {
      parts: Object.fromEntries(
        Object.entries(split).map(([name, photos]) => [name, photos.length]),
      ) as Record<SplitName, number>,
      foresight: foresee(split, { config, tables }),
    };
  } catch (error) {
    if (error instanceof DataError) return { refusal: error.message };
    throw error;
  }
}

/** Scans with progress on the terminal; what is learned of each file is kept in the user's cache. */
async function scan(place: string, options: ScanOptions): Promise<Manifest> {
  const { scanPhotos } = await import("../data/index.ts");
  const { cacheFolder } = await import("@penumbra/torch/library");
  const remembered = await writable(join(cacheFolder(), "scans"));
  return showingStage("scan", (onProgress) => scanPhotos(place, { ...options, ...remembered, onProgress }));
}

/** Where scans are remembered; nothing where that cannot be written to: the check then takes its full time. */
async function writable(folder: string): Promise<{ cacheFolder?: string }> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return { cacheFolder: folder };
  } catch {
    return {};
  }
}

async function writeFiles(
  place: string,
  manifest: Manifest,
  health: Health,
  { html, fixList, language = "en" }: CheckFlags,
): Promise<void> {
  if (html === undefined && fixList === undefined) return;
  const { fixListOf, photoCheckOf } = await import("../data/index.ts");
  const { writeFileAtomic } = await import("../files/index.ts");
  if (html !== undefined) {
    const { renderPhotoCheck, withLanguage } = await import("../report/index.ts");
    const check = await photoCheckOf(place, manifest, health);
    await writeFileAtomic(
      html,
      withLanguage(language, () => renderPhotoCheck(check)),
    );
    process.stderr.write(`Page: ${html}\n`);
  }
  if (fixList !== undefined) {
    await writeFileAtomic(fixList, fixListOf(health.problems));
    process.stderr.write(`List: ${fixList}\n`);
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
