import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Manifest } from "../data/index.ts";
import type { Study } from "../study/index.ts";
import { StageLines, showingStage } from "./progress.ts";
import { wholeNumber } from "./whole-number.ts";

interface TrainFlags {
  readonly out?: string;
  readonly arm?: string;
  readonly seed?: number;
  readonly calibration?: number;
  readonly level?: number;
  readonly run?: string;
  readonly json?: boolean;
}

/** `penumbra train`: a classifier to be used, from a folder of photos or from what a study found. */
export function trainCommand(): Command {
  return new Command("train")
    .description("make a classifier that can be used, models/NAME, from a folder of photos or after a study")
    .argument("<photos-or-config>", "folder or list of photos, or the study.yaml of a study")
    .option("-o, --out <folder>", "the folder that the classifier becomes (default: models/NAME)")
    .option("--arm <arm>", "how its encoder is trained (default: as the finished study recommends)")
    .option("--seed <seed>", "seed of the training (default: the first of the configuration)", wholeNumber(0))
    .option(
      "--calibration <objects>",
      "objects of each class that are set aside to calibrate it",
      wholeNumber(1),
    )
    .option("--level <share>", "share of known objects that may be called unknown (default: 0.05)", level)
    .option("--run <folder>", "run folder of the study (default: runs/NAME)")
    .option("--json", "one JSON object a line: every stage event, then what was made")
    .action(async (place: string, flags: TrainFlags) => {
      const { chooseArm, classifierStageCount, trainClassifier } = await import("../study/index.ts");
      const { study, manifest } = await studyOf(place, flags.run);
      const out = flags.out ?? join("models", study.config.name);
      const arm = await chooseArm(study, flags.arm);
      const lines = new StageLines(process.stdout, classifierStageCount(study, { arm, manifest }));
      const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
      process.once("SIGINT", () => {
        lines.close();
        process.stderr.write("Interrupted. The same command goes on from here.\n");
        process.exit(130); // 128 + SIGINT, as shells have it
      });
      const { json, run: _, ...request } = flags;
      const made = await trainClassifier(study, {
        ...{ ...request, arm, manifest, out, onEvent: json ? print : lines.onEvent },
      }).finally(() => lines.close());
      if (json) print({ event: "finished", ...made });
      else {
        process.stdout.write(
          [
            "",
            `Arm: ${made.arm.arm}. ${made.arm.reason}`,
            `Detector: ${made.detector.name}. ${made.detector.reason}`,
            `Classifier: ${made.folder} (README.md in it tells what it can do)`,
            `Next: penumbra predict ${made.folder} PHOTO...`,
            "",
          ].join("\n"),
        );
      }
    });
}

/** The study of a configuration, or one with what `penumbra init` would propose for a folder; and its photos. */
async function studyOf(
  place: string,
  run: string | undefined,
): Promise<{ study: Study; manifest: Manifest }> {
  const { loadConfig, parseConfig, planFor, planStudy, scanForUse, TABLES, writeScaffold } = await import(
    "../study/index.ts"
  );
  const scan = (study: Study) => showingStage("scan", (onProgress) => scanForUse(study, onProgress));
  if (/\.ya?ml$/.test(place)) {
    const study = planStudy(await loadConfig(place), run);
    return { study, manifest: await scan(study) };
  }
  const { scanPhotos } = await import("../data/index.ts");
  await stat(place);
  const found = await showingStage("scan", (onProgress) => scanPhotos(place, { onProgress }));
  const { overrides, head, notes } = planFor(found, place, "study.yaml");
  const text = writeScaffold(overrides, head);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const config = parseConfig(text, place);
  const study = planStudy({ config, folder: process.cwd(), path: place, text, tables: TABLES }, run);
  // What mends the photos reads them otherwise: then they are not what was found.
  const isOther = overrides.objects !== undefined || overrides.ignore !== undefined;
  return { study, manifest: isOther ? await scan(study) : found };
}

function level(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1))
    throw new InvalidArgumentError("It must be a number between 0 and 1, such as 0.05.");
  return value;
}
