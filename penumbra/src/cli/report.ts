import { join } from "node:path";
import { Command } from "commander";
import type { Language } from "../results/index.ts";
import { languageOption } from "./language.ts";

interface ReportFlags {
  readonly figures?: string;
  readonly tensorboard?: string;
  readonly mlflow?: string;
  readonly language?: Language;
}

/** `penumbra report RUN`: builds the page of a finished study again, its figures as files, and what trackers read. */
export function reportCommand(): Command {
  return new Command("report")
    .description("build report.html of a finished study again")
    .argument("<run>", "run folder of the study, such as runs/parts")
    .addOption(languageOption("the study's own"))
    .option(
      "--figures <folder>",
      "also write every chart as SVG and PDF and every table as CSV into this folder",
    )
    .option("--tensorboard <folder>", "also write event files: tensorboard --logdir FOLDER")
    .option("--mlflow <folder>", "also write runs as mlflow keeps them: mlflow ui --backend-store-uri FOLDER")
    .action(async (run: string, { figures, tensorboard, mlflow, language }: ReportFlags) => {
      const { writeFigures, writeMlflow, writeReport, writeTensorBoard } = await import("../report/index.ts");
      const say = (paths: readonly string[]) =>
        process.stdout.write(paths.map((path) => `${path}\n`).join(""));
      say([await writeReport(run, language)]);
      if (figures !== undefined) say(await writeFigures(run, figures, language));
      if (tensorboard !== undefined) {
        const { pngOf } = await import("../images/index.ts");
        say(await writeTensorBoard(run, tensorboard, (path) => pngOf(join(run, path))));
      }
      if (mlflow !== undefined) say([await writeMlflow(run, mlflow)]);
    });
}
