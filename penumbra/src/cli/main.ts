import { Command } from "commander";
import { checkCommand } from "./check.ts";
import { compareCommand } from "./compare.ts";
import { convertCommand } from "./convert.ts";
import { doctorCommand } from "./doctor.ts";
import { eraseCommand } from "./erase.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { generateCommand } from "./generate.ts";
import { imagineCommand } from "./imagine.ts";
import { initCommand } from "./init.ts";
import { labelCommand } from "./label.ts";
import { predictCommand } from "./predict.ts";
import { pretrainCommand } from "./pretrain.ts";
import { previewCommand } from "./preview.ts";
import { redrawCommand } from "./redraw.ts";
import { reportCommand } from "./report.ts";
import { schemaCommand } from "./schema.ts";
import { serveCommand } from "./serve.ts";
import { studyCommand } from "./study.ts";
import { trainCommand } from "./train.ts";
import { version } from "./version.ts";
import { wordsCommand } from "./words.ts";

/** What to do about what the system refuses; its own message says what, and where. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space, or choose another folder. The same command goes on.",
  EDQUOT: "The disk quota is used up: free some space, or choose another folder. The same command goes on.",
  EACCES: "Change the permissions there, or choose another folder.",
  EPERM: "Change the permissions there, or choose another folder.",
  EROFS: "The disk is read-only: choose another folder.",
  EISDIR: "A folder stands where a file is needed: choose another name.",
  ENOTDIR: "A file stands where a folder is needed: choose another folder.",
  EEXIST: "A file stands where a folder is needed: choose another folder.",
};

/** The command line: one file per command. Each loads what it needs only when it is called. */
const program = new Command("penumbra")
  .description(
    "Few-shot image classifiers that say unknown, trained with synthetic images as positives and as negatives",
  )
  .version(version)
  .showHelpAfterError("(penumbra --help shows all commands)")
  .addCommand(initCommand())
  .addCommand(checkCommand())
  .addCommand(previewCommand())
  .addCommand(studyCommand())
  .addCommand(reportCommand())
  .addCommand(compareCommand())
  .addCommand(trainCommand())
  .addCommand(predictCommand())
  .addCommand(evaluateCommand())
  .addCommand(exportCommand())
  .addCommand(serveCommand())
  .addCommand(labelCommand())
  .addCommand(imagineCommand())
  .addCommand(redrawCommand())
  .addCommand(schemaCommand())
  .addCommand(generateCommand())
  .addCommand(pretrainCommand())
  .addCommand(wordsCommand())
  .addCommand(convertCommand())
  .addCommand(eraseCommand())
  .addCommand(doctorCommand());

// A reader that has seen enough (penumbra study … | head) must not end the work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${message(error)}\n`);
  process.exitCode = 1;
}

function message(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (process.env.PENUMBRA_DEBUG) return error.stack ?? error.message;
  const remedy = remedies[(error as NodeJS.ErrnoException).code ?? ""];
  if (!remedy) return `Error: ${error.message}`;
  // A file is written aside, under a name that says nothing to whoever asked for it.
  return `Error: ${error.message.replaceAll(/\.[0-9a-f]{8}-\d+-[0-9a-f]{8}\.partial/g, "")}. ${remedy}`;
}
