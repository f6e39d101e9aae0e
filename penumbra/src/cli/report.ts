import { Command } from "commander";
import type { Language } from "../report/index.ts";
import { languageOption } from "./language.ts";

interface ReportFlags {
  readonly figures?: string;
  readonly language: Language;
}

/** `penumbra report RUN`: builds the page of a finished study again, and its figures as files. */
export function reportCommand(): Command {
  return new Command("report")
    .description("build report.html of a finished study again")
    .argument("<run>", "run folder of the study, such as runs/parts")
    .addOption(languageOption())
    .option("--figures <folder>", "also write every chart as SVG and every table as CSV into this folder")
    .action(async (run: string, { figures, language }: ReportFlags) => {
      const { writeFigures, writeReport } = await import("../report/index.ts");
      process.stdout.write(`${await writeReport(run, language)}\n`);
      if (figures === undefined) return;
      const paths = await writeFigures(run, figures, language);
      process.stdout.write(`${paths.map((path) => `${path}\n`).join("")}`);
    });
}
