import { Command } from "commander";
import { parse } from "yaml";
import { settingProblems } from "./setting-problems.ts";

interface Flags {
  readonly model: string;
  readonly concept: readonly string[];
  readonly out: string;
  readonly work?: string;
  readonly half?: boolean;
  readonly set: readonly string[];
}

/** `penumbra erase --model M --concept TEXT --out FOLDER`: a model that no longer knows what a name means. */
export function eraseCommand(): Command {
  const repeated = (value: string, before: readonly string[]) => [...before, value];
  return new Command("erase")
    .description(
      "make a diffusion model forget concepts, the control for what it knew of classes before their words are learned; resumes where it was stopped",
    )
    .option("-m, --model <model>", "folder, checkpoint file, hf:owner/name or penumbra-mini", "penumbra-mini")
    .requiredOption(
      "--concept <text>",
      'what is forgotten, as it stands in "a photo of a …"; can be repeated',
      repeated,
      [] as readonly string[],
    )
    .requiredOption("--out <folder>", "where the model without it goes")
    .option("--work <folder>", "checkpoint, log and what the model drew (default: OUT.work)")
    .option("--half", "write weights as float16")
    .option(
      "--set <key=value>",
      "any setting, e.g. steps=500 or layers=all; can be repeated",
      repeated,
      [] as readonly string[],
    )
    .action(run);
}

async function run({ model, concept, out, work, half, set }: Flags): Promise<void> {
  const { EraseSettings, eraseConcepts } = await import("../generators/index.ts");
  const { findModel } = await import("../diffusion/index.ts");
  const onLine = (line: string) => void process.stdout.write(`${line}\n`);
  const given = Object.fromEntries(set.map(settingOf));
  const settings = EraseSettings.safeParse(given);
  if (!settings.success) {
    const problems = await settingProblems(settings.error, given, EraseSettings);
    throw new Error(`The settings of erase are not valid: ${problems}`);
  }
  const found = await findModel(model, { base: process.cwd(), onNote: onLine });
  const stop = new AbortController();
  const onSignal = () => {
    onLine("erase: stopping after this step; the same command goes on from here");
    stop.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    await eraseConcepts({
      ...{ model: found.path, name: found.name, concepts: concept, out, settings: settings.data },
      ...(work !== undefined && { work }),
      ...(half && { half }),
      ...{ signal: stop.signal, onLine },
    });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function settingOf(pair: string): [string, unknown] {
  const at = pair.indexOf("=");
  if (at < 1) throw new Error(`--set "${pair}" is not key=value. Write, for example, --set steps=500.`);
  return [pair.slice(0, at), parse(pair.slice(at + 1))];
}
