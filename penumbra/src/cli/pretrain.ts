import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { parse } from "yaml";
import type { ImageGenerator } from "../generators/index.ts";
import { settingProblems } from "./setting-problems.ts";

/** CLIP's vocabulary as it lies in penumbra-mini. */
const TOKENIZER = fileURLToPath(new URL("../../mini/tokenizer", import.meta.url));

interface Flags {
  generator: string;
  out: string;
  work?: string;
  from?: string;
  tokenizer: string;
  config?: string;
  dataNote?: string;
  preset?: string;
  device?: string;
  precision?: string;
  seed?: string;
  autoencoderMinutes?: string;
  denoiserMinutes?: string;
  set: string[];
}

/** `penumbra pretrain CORPUS --out FOLDER`: trains a generator from scratch, or on from a finished one. */
export function pretrainCommand(): Command {
  return new Command("pretrain")
    .description(
      "train a generator, such as a small Stable Diffusion, on captioned images, from scratch or --from a finished one; resumes where it was stopped",
    )
    .argument("<corpus>", "folder of images or view strips with captions.jsonl")
    .requiredOption("--out <folder>", "where the finished model goes")
    .option(
      "--generator <name>",
      "what is trained; a name that does not exist lists those that do",
      "latent-diffusion",
    )
    .option("--work <folder>", "checkpoints, log, sample sheets, snapshot (default: OUT.work)")
    .option("--from <model>", "go on from the weights of a finished model of the same preset")
    .option("--tokenizer <folder>", "CLIP vocab.json and merges.txt", TOKENIZER)
    .option("--config <file>", "YAML with settings; flags go before it")
    .option("--data-note <file>", "Markdown for the model card: what the corpus is, and its licence")
    .option("--preset <name>", "size of the networks")
    .option("--device <device>", "cpu or cuda")
    .option("--precision <name>", "auto, fp32, bf16 or fp16")
    .option("--seed <number>", "seed of everything random")
    .option("--autoencoder-minutes <minutes>", "time for the first stage")
    .option("--denoiser-minutes <minutes>", "time for text encoder and UNet")
    .option(
      "--set <key=value>",
      "any setting, e.g. denoiser.batchSize=128; may be repeated",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .action(run);
}

async function run(corpus: string, flags: Flags): Promise<void> {
  const { generatorNamed } = await import("../generators/index.ts");
  const generator = generatorNamed(flags.generator);
  const stop = new AbortController();
  const onSignal = () => {
    console.log("pretrain: stopping after this step; the same command goes on from here");
    stop.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const settings = await settingsOf(flags, generator);
    const { out, work, tokenizer, from } = flags;
    const dataNote = flags.dataNote === undefined ? undefined : await readFile(flags.dataNote, "utf8");
    await generator.train({
      corpus,
      out,
      work,
      tokenizer,
      from,
      settings,
      dataNote,
      signal: stop.signal,
      onLine: (line) => console.log(line),
    });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function settingsOf(flags: Flags, generator: ImageGenerator): Promise<object> {
  const given: unknown =
    flags.config === undefined ? {} : (parse(await readFile(flags.config, "utf8")) ?? {});
  const settings = (typeof given === "object" && given !== null ? given : { config: given }) as Record<
    string,
    unknown
  >;
  const assign = (path: string, value: unknown) => {
    const keys = path.split(".");
    let target = settings;
    for (const key of keys.slice(0, -1)) {
      target[key] ??= {};
      target = target[key] as Record<string, unknown>;
    }
    target[keys.at(-1)!] = value;
  };
  if (flags.preset !== undefined) assign("preset", flags.preset);
  if (flags.device !== undefined) assign("device", flags.device);
  if (flags.precision !== undefined) assign("precision", flags.precision);
  if (flags.seed !== undefined) assign("seed", Number(flags.seed));
  if (flags.autoencoderMinutes !== undefined) assign("autoencoder.minutes", Number(flags.autoencoderMinutes));
  if (flags.denoiserMinutes !== undefined) assign("denoiser.minutes", Number(flags.denoiserMinutes));
  for (const pair of flags.set) {
    const at = pair.indexOf("=");
    if (at < 1)
      throw new Error(`--set "${pair}" is not key=value. Write, for example, --set denoiser.batchSize=128.`);
    assign(pair.slice(0, at), parse(pair.slice(at + 1)));
  }
  const result = generator.settings.safeParse(settings);
  if (result.success) return result.data;
  const problems = await settingProblems(result.error, settings, generator.settings);
  const where = flags.config === undefined ? "" : ` (on the command line or in "${flags.config}")`;
  throw new Error(`The settings of pretrain are not valid${where}: ${problems}`);
}
