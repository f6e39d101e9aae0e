import { Command } from "commander";

/** `penumbra report RUN`: builds the page of a finished study again, and its figures as files. */
export function reportCommand(): Command {
  return new Command("report")
    .description("build report.html of a finished study again")
    .argument("<run>", "run folder of the study, such as runs/parts")
    .option("--figures <folder>", "also write every chart as SVG and every table as CSV into this folder")
    .action(async (run: string, { figures }: { readonly figures?: string }) => {
      const { writeFigures, writeReport } = await import("../report/index.ts");
      process.stdout.write(`${await writeReport(run)}\n`);
      if (figures === undefined) return;
      const paths = await writeFigures(run, figures);
      process.stdout.write(`${paths.map((path) => `${path}\n`).join("")}`);
    });
}
