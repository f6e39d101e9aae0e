import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Study } from "../study/index.ts";
import { StageLines } from "./progress.ts";
import { wholeNumber } from "./whole-number.ts";

interface TrainFlags {
  readonly out?: string;
  readonly arm?: string;
  readonly seed?: number;
  readonly calibration?: number;
  readonly level?: number;
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
    .option("--json", "one JSON object a line: every stage event, then what was made")
    .action(async (place: string, flags: TrainFlags) => {
      const { chooseArm, classifierStageCount, trainClassifier } = await import("../study/index.ts");
      const study = await studyOf(place);
      const out = flags.out ?? join("models", study.config.name);
      const { arm } = await chooseArm(study, flags.arm);
      const lines = new StageLines(process.stdout, classifierStageCount(study, arm));
      const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
      process.once("SIGINT", () => {
        lines.close();
        process.stderr.write("Interrupted. The same command goes on from here.\n");
        process.exit(130); // 128 + SIGINT, as shells have it
      });
      const { json, ...request } = flags;
      const made = await trainClassifier(study, {
        ...{ ...request, out, onEvent: json ? print : lines.onEvent },
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

/** The study of a configuration, or one with what `penumbra init` would propose for a folder. */
async function studyOf(place: string): Promise<Study> {
  const { loadConfig, parseConfig, planFor, planStudy, TABLES, writeScaffold } = await import(
    "../study/index.ts"
  );
  if (/\.ya?ml$/.test(place)) return planStudy(await loadConfig(place));
  const { scanPhotos } = await import("../data/index.ts");
  await stat(place);
  const plan = planFor(await scanPhotos(place), place, "study.yaml");
  const text = writeScaffold(plan.overrides, plan.head);
  for (const note of plan.notes) process.stderr.write(`${note}\n`);
  return planStudy({
    config: parseConfig(text, place),
    folder: process.cwd(),
    path: place,
    text,
    tables: TABLES,
  });
}

function level(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1))
    throw new InvalidArgumentError("It must be a number between 0 and 1, such as 0.05.");
  return value;
}
