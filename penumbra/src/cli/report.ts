import { Command } from "commander";

/** `penumbra report RUN`: builds the page of a finished study again. */
export function reportCommand(): Command {
  return new Command("report")
    .description("build report.html of a finished study again")
    .argument("<run>", "run folder of the study, such as runs/parts")
    .action(async (run: string) => {
      const { writeReport } = await import("../report/index.ts");
      process.stdout.write(`${await writeReport(run)}\n`);
    });
}
