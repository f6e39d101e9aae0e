import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type {
  DrawToFilesOptions,
  SamplerChoice,
  SamplerName,
  StableDiffusion,
  Words,
} from "../diffusion/index.ts";
import { shortDuration } from "./progress.ts";
import { wholeNumber } from "./whole-number.ts";

/** What `imagine` and `redraw` can both be told. */
export interface DrawingFlags {
  readonly model: string;
  readonly negative: string;
  readonly words?: string;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly sampler?: string;
  readonly out: string;
  readonly format: string;
  readonly preview?: number;
  readonly batch: number;
  readonly device: string;
  readonly precision: string;
}

export function addDrawingFlags(command: Command, out: string): Command {
  return command
    .option("-m, --model <model>", "folder in the diffusers layout, or penumbra-mini", "penumbra-mini")
    .option("--negative <prompt>", "what the images are to be unlike", "")
    .option("--words <file>", "learned words that the prompts hold, as a study leaves them")
    .option("--seed <seed>", "of the first image; each next one has the next", wholeNumber(0), 0)
    .option("--steps <steps>", "steps from pure noise to the image", wholeNumber(1), 20)
    .option(
      "--guidance <scale>",
      "how strongly the prompt pulls; 1 = not more than it does by itself",
      number(1),
      5,
    )
    .option("--sampler <name>", "algorithm that denoises (default: the one that the model's folder asks for)")
    .option("-o, --out <folder>", "where images, manifest.jsonl and sheet.png go", out)
    .option("--format <format>", "png or webp (lossless)", "png")
    .option("--preview <steps>", "write preview.png every so many steps", wholeNumber(1))
    .option("--batch <images>", "images drawn at once, at most", wholeNumber(1), 16)
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .option("--precision <name>", "auto, fp32, bf16 or fp16", "auto");
}

/** Reads an argument that must be a number of at least `least`, and at most `most`. */
export function number(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `It must be a number ${most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `in ${least} … ${most}`}.`,
    );
  };
}

/** The model, the words and all else that flags say about a drawing. */
export async function drawingOf(flags: DrawingFlags): Promise<{
  sd: StableDiffusion;
  words: Words | undefined;
  options: Omit<DrawToFilesOptions, "requests">;
}> {
  const { findModel, loadWords, checkWords, samplerNames, StableDiffusion } = await import(
    "../diffusion/index.ts"
  );
  const { format, precision, device, sampler } = flags;
  if (format !== "png" && format !== "webp") throw new Error(`--format is ${format}. Give png or webp.`);
  if (sampler !== undefined && !samplerNames.includes(sampler as SamplerName))
    throw new Error(`There is no sampler "${sampler}". Give one of: ${samplerNames.join(", ")}.`);
  if (!isPrecision(precision)) throw new Error(`--precision is ${precision}. Give auto, fp32, bf16 or fp16.`);
  const found = await findModel(flags.model, {
    base: process.cwd(),
    onNote: (text) => process.stderr.write(`${text}\n`),
  });
  const sd = StableDiffusion.load(found.path, { device });
  const words = flags.words === undefined ? undefined : loadWords(flags.words);
  if (words) checkWords(words, sd.hash);
  return {
    sd,
    words,
    options: {
      ...{ sd, modelName: found.name, words: words?.words, negativePrompt: flags.negative },
      ...{ steps: flags.steps, guidanceScale: flags.guidance, precision, batchSize: flags.batch },
      sampler: sampler === undefined ? undefined : ({ name: sampler } as SamplerChoice),
      ...{ folder: flags.out, format, previewEvery: flags.preview },
    },
  };
}

function isPrecision(name: string): name is "auto" | "fp32" | "bf16" | "fp16" {
  return ["auto", "fp32", "bf16", "fp16"].includes(name);
}

/** Draws, with progress on the error stream and an end at Ctrl-C between two steps. */
export async function drawWithProgress(options: DrawToFilesOptions): Promise<void> {
  const { drawToFiles } = await import("../diffusion/index.ts");
  const stop = new AbortController();
  const onSignal = () =>
    stop.abort(new Error("stopped; what was drawn is there, and the same command goes on from it"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const progress = new StepLine();
  try {
    const drawn = await drawToFiles({ ...options, signal: stop.signal, onProgress: progress.show });
    progress.close();
    for (const { file } of drawn) process.stdout.write(`${options.folder}/${file}\n`);
    process.stdout.write(`${options.folder}/sheet.png\n`);
  } finally {
    progress.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** One line that is rewritten on a terminal; elsewhere a line each half minute. */
class StepLine {
  readonly #startedAt = performance.now();
  #shownAt = performance.now();
  #taken = 0;
  #isOpen = false;

  readonly show: NonNullable<DrawToFilesOptions["onProgress"]> = ({ done, total, step, steps }) => {
    if (step > 0) this.#taken += 1;
    const now = performance.now();
    if (steps === 0 || now - this.#shownAt < (process.stderr.isTTY ? 100 : 30_000)) return;
    this.#shownAt = now;
    const rate = this.#taken / ((now - this.#startedAt) / 1000);
    const text = `${done}/${total} images, step ${step}/${steps}  ${rate.toPrecision(3)} steps/s  ${shortDuration((steps - step) / rate)} left of this batch`;
    process.stderr.write(process.stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
    this.#isOpen = process.stderr.isTTY === true;
  };

  close(): void {
    if (this.#isOpen) process.stderr.write("\r\u001b[K");
    this.#isOpen = false;
  }
}
