import { Command, InvalidArgumentError } from "commander";
import type { StudyConfig } from "../study/index.ts";

interface StudyFlags {
  readonly out?: string;
  readonly seeds?: number;
  readonly threads?: number;
  readonly device?: string;
  readonly precision?: string;
  readonly json?: boolean;
}

/** `penumbra study CONFIG`: runs a study, or goes on with it, and ends with its report. */
export function studyCommand(): Command {
  return new Command("study")
    .description("run a study, or go on where it was interrupted; ends with results.jsonl and report.html")
    .argument("<config>", "study.yaml, as written by penumbra init")
    .option("-o, --out <folder>", "run folder (default: runs/NAME, by the configuration's name)")
    .option("--seeds <count>", "run seeds 0 to count - 1 instead of the configuration's", wholeNumber(1))
    .option("--threads <count>", "threads of libtorch; 0 = one per core", wholeNumber(0))
    .option("--device <device>", "auto, cpu, cuda or cuda:N")
    .option("--precision <precision>", "auto, fp32, bf16 or fp16")
    .option("--json", "one JSON object a line: every stage event, then the outcome")
    .action(async (path: string, flags: StudyFlags) => {
      const { loadConfig, parseSettings, planStudy, runStudy } = await import("../study/index.ts");
      const { writeReport } = await import("../report/index.ts");
      const { StageLines, shortDuration } = await import("./progress.ts");
      const loaded = await loadConfig(path);
      const config = parseSettings({ ...loaded.config, ...overrides(flags) }, "command line");
      const study = planStudy({ ...loaded, config }, flags.out);

      const lines = new StageLines(process.stdout, study.stageCount);
      const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
      if (!flags.json) {
        process.stdout.write(`${study.title}\nInterrupt it whenever you like: the same command goes on.\n`);
      }
      const startedAt = performance.now();
      process.once("SIGINT", () => {
        lines.close();
        process.stderr.write("Interrupted. The same command goes on from here.\n");
        process.exit(130); // 128 + SIGINT, as shells have it
      });
      const outcome = await runStudy(study, { onEvent: flags.json ? print : lines.onEvent }).finally(() =>
        lines.close(),
      );
      const report = await writeReport(study.run);
      const seconds = (performance.now() - startedAt) / 1000;
      if (flags.json) {
        print({
          event: "finished",
          seconds,
          peakMemoryBytes: outcome.peakMemoryBytes,
          run: study.run,
          report,
        });
        return;
      }
      const { describeAnswer } = await import("../report/index.ts");
      process.stdout.write(
        [
          "",
          ...describeAnswer(outcome),
          "",
          `Time ${shortDuration(seconds)}, peak memory ${(outcome.peakMemoryBytes / 2 ** 30).toFixed(2)} GiB`,
          `Report: ${report}`,
          "",
        ].join("\n"),
      );
    });
}

/** Flags that override settings of the file. */
function overrides({
  seeds,
  threads,
  device,
  precision,
}: StudyFlags): Partial<Record<keyof StudyConfig, unknown>> {
  return {
    ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, seed) => seed) }),
    ...(threads === undefined ? {} : { threads }),
    ...(device === undefined ? {} : { device }),
    ...(precision === undefined ? {} : { precision }),
  };
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    }
    return value;
  };
}
