import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { EmbeddingFormat, Words } from "../diffusion/index.ts";
import { wholeNumber } from "./whole-number.ts";

const FORMATS = [
  "diffusers",
  "diffusers-bin",
  "a1111",
  "a1111-pt",
] as const satisfies readonly EmbeddingFormat[];

/** `penumbra words`: what a study has learned to call its classes, and the words of other programs. */
export function wordsCommand(): Command {
  return new Command("words")
    .description("list, export, import and draw the words of textual inversion")
    .addCommand(listCommand())
    .addCommand(exportCommand())
    .addCommand(importCommand())
    .addCommand(drawCommand());
}

const PLACE = "words.safetensors of a study, or its run folder";

function listCommand(): Command {
  return new Command("list")
    .description(
      "say which words a file holds: of a study, of diffusers (.safetensors, .bin) or of AUTOMATIC1111",
    )
    .argument("<file>", `${PLACE}, or an embedding`)
    .option("--json", "print one JSON object a word")
    .action(async (place: string, { json }: { json?: boolean }) => {
      const { vectorsOf } = await import("../diffusion/index.ts");
      const { words, modelHash } = await readAny(place);
      for (const word of words) {
        const length = word.vector.to("float32").square().sum().sqrt().item() as number;
        const line = {
          ...{ word: word.token, class: word.className, vectors: vectorsOf(word) },
          ...{ dimensions: word.vector.shape.at(-1), length: Number(length.toPrecision(3)) },
          model: modelHash,
        };
        print(
          json
            ? JSON.stringify(line)
            : `${line.word}  ${line.vectors} x ${line.dimensions}, length ${line.length}${line.class === "" ? "" : `  (class ${line.class})`}`,
        );
      }
      if (!json && modelHash !== "") print(`Learned with the model ${modelHash.slice(0, 12)}…`);
    });
}

function exportCommand(): Command {
  return new Command("export")
    .description("write words as other programs read them")
    .argument("<words>", PLACE)
    .argument("<folder>", "where to write")
    .addOption(
      new Option(
        "--format <format>",
        "diffusers (one .safetensors), diffusers-bin, a1111 (a .safetensors a word), a1111-pt",
      )
        .choices(FORMATS)
        .default("diffusers"),
    )
    .action(async (place: string, folder: string, { format }: { format: EmbeddingFormat }) => {
      const { loadWords, writeEmbeddings } = await import("../diffusion/index.ts");
      await mkdir(folder, { recursive: true });
      for (const file of writeEmbeddings(loadWords(wordsFileAt(place)).words, folder, format))
        print(`Wrote ${file}`);
    });
}

function importCommand(): Command {
  return new Command("import")
    .description("make words of other programs into a words file for a model")
    .argument(
      "<files...>",
      "embeddings of diffusers or AUTOMATIC1111; the class is the word without its brackets",
    )
    .requiredOption(
      "--model <model>",
      "model that they belong to: folder, file, hf:owner/name or penumbra-mini",
    )
    .option("-o, --out <file>", "file to write", "words.safetensors")
    .action(async (files: string[], { model, out }: { model: string; out: string }) => {
      const { asWord, checkDimensions, readEmbeddings, saveWords } = await import("../diffusion/index.ts");
      const sd = await loadModel(model);
      const words = files.flatMap(readEmbeddings).map(asWord);
      checkDimensions(words, sd.textEncoder.config.hidden_size);
      saveWords({ words, modelHash: sd.hash }, out);
      print(`Wrote ${out}: ${words.map(({ token }) => token).join(", ")}`);
    });
}

interface DrawFlags {
  readonly model: string;
  readonly out: string;
  readonly prompt: string;
  readonly images: number;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: string;
}

function drawCommand(): Command {
  return new Command("draw")
    .description("draw each word: a sheet with a row for each")
    .argument("<words>", PLACE)
    .requiredOption("--model <model>", "the model that they were learned with")
    .option("-o, --out <file>", "PNG file to write", "words.png")
    .option("--prompt <text>", "prompt; {} is where the word goes", "a photo of a {}")
    .option("--images <count>", "images of each word", wholeNumber(1), 4)
    .option("--seed <seed>", "seed of the first image", wholeNumber(0), 0)
    .option("--steps <count>", "denoising steps", wholeNumber(1), 20)
    .option("--guidance <scale>", "how strongly the word pulls; 1 = off", "5")
    .action(async (place: string, flags: DrawFlags) => {
      const { checkWords, fillTemplate, loadWords, textToImage } = await import("../diffusion/index.ts");
      const { contactSheet, encodePng } = await import("../images/index.ts");
      const torch = await import("@penumbra/torch");
      const words = loadWords(wordsFileAt(place));
      const sd = await loadModel(flags.model);
      checkWords(words, sd.hash);
      const rows = words.words.map(({ token }, row) => {
        process.stderr.write(`${token} (${row + 1} of ${words.words.length})\n`);
        return textToImage(sd, {
          prompts: Array<string>(flags.images).fill(fillTemplate(flags.prompt, token)),
          seeds: Array.from({ length: flags.images }, (_, i) => flags.seed + i),
          steps: flags.steps,
          guidanceScale: Number(flags.guidance),
          words: words.words,
        });
      });
      await encodePng(contactSheet(torch.cat(rows), { columns: flags.images }), flags.out);
      print(`Wrote ${flags.out}: ${words.words.map(({ token }) => token).join(", ")}, a row each`);
    });
}

async function loadModel(name: string) {
  const { findModel, StableDiffusion } = await import("../diffusion/index.ts");
  const onNote = (text: string) => void process.stderr.write(`${text}\n`);
  const { path } = await findModel(name, { base: process.cwd(), onNote });
  return StableDiffusion.load(path);
}

/** Words of a study, or of another program: those have no class and no model. */
async function readAny(place: string): Promise<Words> {
  const { isWordsFile, loadWords, readEmbeddings } = await import("../diffusion/index.ts");
  const isFile = existsSync(place) && statSync(place).isFile();
  if (isFile && !isWordsFile(place))
    return { words: readEmbeddings(place).map((word) => ({ ...word, className: "" })), modelHash: "" };
  return loadWords(wordsFileAt(place));
}

/** The file itself, or the one of a study's run: of its only seed. */
function wordsFileAt(place: string): string {
  if (!existsSync(place)) throw new Error(`There is nothing at ${place}. Name ${PLACE}.`);
  if (statSync(place).isFile()) return place;
  const found = readdirSync(place, { recursive: true, encoding: "utf8" }).filter((path) =>
    /(^|[/\\])words\.safetensors$/.test(path),
  );
  if (found.length === 1) return join(place, found[0]!);
  throw new Error(
    found.length === 0
      ? `${place} holds no words.safetensors. Run the study first, or name the file.`
      : `${place} holds the words of ${found.length} seeds. Name one: ${found.map((path) => join(place, path)).join(", ")}`,
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
