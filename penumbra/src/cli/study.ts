import { join } from "node:path";
import { Command, Option } from "commander";
import type { Language } from "../results/index.ts";
import type { StudyConfig } from "../study/index.ts";
import { languageOption } from "./language.ts";
import { wholeNumber } from "./whole-number.ts";

interface StudyFlags {
  readonly out?: string;
  readonly seeds?: number;
  readonly preset?: string;
  readonly untilDecided?: boolean;
  readonly threads?: number;
  readonly jobs?: number;
  readonly device?: string;
  readonly precision?: string;
  readonly language?: Language;
  readonly tensorboard?: string;
  readonly json?: boolean;
}

/** How long the step at hand may take to end when a study is interrupted: images that are drawn are then written whole. */
const MOST_TO_END_MS = 3000;

/** `penumbra study CONFIG`: runs a study, or goes on with it, and ends with its report. */
export function studyCommand(): Command {
  return new Command("study")
    .description("run a study, or go on where it was interrupted; ends with results.jsonl and report.html")
    .argument("<config>", "study.yaml, as written by penumbra init")
    .option("-o, --out <folder>", "run folder (default: runs/NAME, by the configuration's name)")
    .addOption(
      new Option(
        "--preset <name>",
        "arms, seeds and length instead of the configuration's: quick (five arms, two seeds), thesis (with controls, five seeds), full (every use of the images, ten seeds)",
      ).choices(["quick", "thesis", "full"]),
    )
    .option("--seeds <count>", "run seeds 0 to count - 1 instead of the configuration's", wholeNumber(1))
    .option(
      "--until-decided",
      "look at the figures after three seeds and after each further one, and stop when the hypotheses are decided; the level is shared among the looks",
    )
    .option(
      "--threads <count>",
      "threads of every stage; 0 = two, or one per core for what is large",
      wholeNumber(0),
    )
    .option(
      "--jobs <count>",
      "stages made side by side, in processes of their own: it changes no bit (default: by cores, memory and length)",
      wholeNumber(1),
    )
    .option("--device <device>", "auto, cpu, cuda or cuda:N")
    .option("--precision <precision>", "auto, fp32, bf16 or fp16")
    .addOption(languageOption("the study's own"))
    .option(
      "--tensorboard <folder>",
      "write event files while it runs, and whole ones in the end: tensorboard --logdir FOLDER",
    )
    .option("--json", "one JSON object a line: every stage event, then the answer and where it lies")
    .action(async (path: string, flags: StudyFlags) => {
      const {
        describeEstimate,
        describeForesight,
        loadConfig,
        PRESETS,
        parseSettings,
        planStudy,
        runStudy,
        runUntilDecided,
        withSettings,
      } = await import("../study/index.ts");
      const { LiveTensorBoard, writeReport, writeTensorBoard } = await import("../report/index.ts");
      const { StageLines, shortDuration } = await import("./progress.ts");
      const loaded = await loadConfig(path);
      const preset = Object.entries(PRESETS).find(([name]) => name === flags.preset)?.[1].settings;
      const changes = { ...preset, ...overrides(flags) };
      const config = parseSettings(withSettings(loaded.config, changes), "command line", loaded.tables);
      const study = planStudy({ ...loaded, config, text: withChanges(loaded.text, changes) }, flags.out);

      const lines = new StageLines(process.stdout, study.stageCount);
      const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
      if (!flags.json) {
        process.stdout.write(`${study.title}\nInterrupt it whenever you like: the same command goes on.\n`);
      }
      const startedAt = performance.now();
      const stop = new AbortController();
      const end = () => {
        lines.close();
        process.stderr.write("Interrupted. The same command goes on from here.\n");
        process.exit(130); // 128 + SIGINT, as shells have it
      };
      process.once("SIGINT", () => {
        stop.abort();
        process.once("SIGINT", end);
        setTimeout(end, MOST_TO_END_MS).unref(); // stages may have no step to end between
      });
      const live = flags.tensorboard === undefined ? null : new LiveTensorBoard(study.run, flags.tensorboard);
      const tell = flags.json ? print : lines.onEvent;
      const run = flags.untilDecided ? runUntilDecided : runStudy;
      const outcome = await run(study, {
        onEvent(event) {
          if (event.event === "progress" && event.loss !== undefined)
            live?.step(event.label, event.done, event.loss);
          tell(event);
        },
        onForesight: (foresight) => {
          if (flags.json) print({ event: "foresight", ...foresight });
          else lines.say(describeForesight(foresight));
        },
        onEstimate: (estimate) => {
          if (flags.json) print({ event: "estimate", ...estimate });
          else lines.say(`${describeEstimate(estimate, shortDuration)}; what lies in the run folder is kept`);
        },
        signal: stop.signal,
      })
        .catch((error: unknown) => {
          if (stop.signal.aborted) end();
          throw error;
        })
        .finally(() => lines.close());
      const report = await writeReport(study.run);
      if (flags.tensorboard !== undefined) {
        const { pngOf } = await import("../images/index.ts");
        await writeTensorBoard(study.run, flags.tensorboard, (path) => pngOf(join(study.run, path)));
      }
      const seconds = (performance.now() - startedAt) / 1000;
      if (flags.json) {
        const { headline } = await import("../report/index.ts");
        print({
          event: "finished",
          seconds,
          peakMemoryBytes: outcome.peakMemoryBytes,
          run: study.run,
          report,
          results: join(study.run, "results.jsonl"),
          answer: headline(outcome),
          train: outcome.trainCommand,
          comparisons: outcome.comparisons,
        });
        return;
      }
      const { describeAnswer, withLanguage } = await import("../report/index.ts");
      process.stdout.write(
        [
          "",
          ...withLanguage(config.language, () => describeAnswer(outcome)),
          "",
          ...leftOut(outcome.photos.problems, path),
          `Time ${shortDuration(seconds)}, peak memory ${(outcome.peakMemoryBytes / 2 ** 30).toFixed(2)} GiB`,
          `Report: ${report}`,
          "",
        ].join("\n"),
      );
    });
}

/** That photos were not used, where some were not; the report lists them. */
function leftOut(problems: readonly string[], path: string): string[] {
  if (problems.length === 0) return [];
  const what = problems.length === 1 ? "1 file or folder was" : `${problems.length} files and folders were`;
  return [`${what} left out, such as: ${problems[0]} All: penumbra check ${path}`];
}

/** Flags that override settings of the file. */
function overrides({
  seeds,
  threads,
  jobs,
  device,
  precision,
  language,
}: StudyFlags): Partial<Record<keyof StudyConfig, unknown>> {
  return {
    ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, seed) => seed) }),
    ...(threads === undefined ? {} : { threads }),
    ...(jobs === undefined ? {} : { jobs }),
    ...(device === undefined ? {} : { device }),
    ...(language === undefined ? {} : { language }),
    ...(precision === undefined ? {} : { precision }),
  };
}

/** The configuration as it is run: the file, headed by what the command line set otherwise. */
function withChanges(text: string, changes: Readonly<Record<string, unknown>>): string {
  const set = Object.entries(changes).map(([key, value]) => `#   ${key}: ${JSON.stringify(value)}\n`);
  return set.length === 0
    ? text
    : `# Set on the command line, whatever stands below:\n${set.join("")}\n${text}`;
}
