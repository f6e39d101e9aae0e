import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DiffusionError } from "./errors.ts";

/** What the files of a tokenizer's folder say. */
export interface TokenizerFiles {
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The piece of every id. */
  readonly pieces: ReadonlyMap<number, string>;
  /** Pairs "left right" in the order in which they were learned. */
  readonly merges: readonly string[];
  readonly padToken: string;
  readonly maxLength: number;
  /** Tokens that were added to the vocabulary, with their ids. */
  readonly addedTokens: ReadonlyMap<string, number>;
}

const END = "<|endoftext|>";

/**
 * Reads vocab.json and merges.txt, or where these are missing tokenizer.json; besides tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json where they are there.
 *
 * @throws DiffusionError naming the file that is missing or wrong
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const { vocab, merges } = readPairs(folder);
  const vocabulary = new Map(Object.entries(vocab));
  const config = readOptional(folder, "tokenizer_config.json");
  const special = readOptional(folder, "special_tokens_map.json");
  const length = config.model_max_length;
  return {
    vocabulary,
    pieces: new Map(Array.from(vocabulary, ([piece, id]) => [id, piece])),
    merges,
    // transformers applies the map last: Stable Diffusion 2.1-base says "!" there, and the end mark in the other
    padToken: contentOf(special.pad_token) ?? contentOf(config.pad_token) ?? END,
    // transformers writes a huge number where none was set
    maxLength: typeof length === "number" && length < 1e6 ? length : 77,
    addedTokens: new Map(Object.entries(readOptional(folder, "added_tokens.json") as Record<string, number>)),
  };
}

/** Which of the files of a tokenizer's folder are read. */
export function tokenizerFilesAmong(names: readonly string[]): readonly string[] {
  const pairs = names.includes("vocab.json") ? ["vocab.json", "merges.txt"] : ["tokenizer.json"];
  const settings = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];
  return [...pairs, ...settings].filter((name) => names.includes(name));
}

/** Writes the files that {@link readTokenizerFiles} reads. */
export function writeTokenizerFiles(folder: string, files: TokenizerFiles): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const marks = { bos_token: "<|startoftext|>", eos_token: END, unk_token: END, pad_token: files.padToken };
  write("vocab.json", JSON.stringify(Object.fromEntries(files.vocabulary)));
  write("merges.txt", `${["#version: 0.2", ...files.merges].join("\n")}\n`);
  write("special_tokens_map.json", `${JSON.stringify(marks, null, 2)}\n`);
  const config = { ...marks, add_prefix_space: false, do_lower_case: true, errors: "replace" };
  const settings = { ...config, model_max_length: files.maxLength, tokenizer_class: "CLIPTokenizer" };
  write("tokenizer_config.json", `${JSON.stringify(settings, null, 2)}\n`);
  if (files.addedTokens.size > 0) {
    write("added_tokens.json", `${JSON.stringify(Object.fromEntries(files.addedTokens), null, 2)}\n`);
  }
}

function readPairs(folder: string): { vocab: Record<string, number>; merges: string[] } {
  if (existsSync(join(folder, "vocab.json"))) {
    const lines = readText(folder, "merges.txt").split(/\r?\n/);
    const merges = lines.filter((line) => line !== "" && !line.startsWith("#version"));
    return { vocab: parse(folder, "vocab.json") as Record<string, number>, merges };
  }
  if (!existsSync(join(folder, "tokenizer.json"))) {
    throw new DiffusionError(
      `${folder} holds neither vocab.json nor tokenizer.json. Give the tokenizer folder of a Stable Diffusion model.`,
    );
  }
  const { model } = parse(folder, "tokenizer.json") as { model?: { vocab?: unknown; merges?: unknown } };
  const { vocab, merges } = model ?? {};
  if (typeof vocab !== "object" || vocab === null || !Array.isArray(merges)) {
    throw new DiffusionError(
      `${join(folder, "tokenizer.json")}: "model" has no "vocab" and "merges". Give the tokenizer of a CLIP model.`,
    );
  }
  const pairs = merges.map((pair: string | string[]) => (typeof pair === "string" ? pair : pair.join(" ")));
  return { vocab: vocab as Record<string, number>, merges: pairs };
}

function readOptional(folder: string, name: string): Record<string, unknown> {
  return existsSync(join(folder, name)) ? (parse(folder, name) as Record<string, unknown>) : {};
}

function parse(folder: string, name: string): unknown {
  try {
    return JSON.parse(readText(folder, name));
  } catch (cause) {
    if (cause instanceof DiffusionError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DiffusionError(`${join(folder, name)} is no JSON (${reason}). Fetch the file again.`, {
      cause,
    });
  }
}

function readText(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), "utf8");
  } catch (cause) {
    throw new DiffusionError(
      `${join(folder, name)} cannot be read. Give the complete tokenizer folder of a Stable Diffusion model.`,
      { cause },
    );
  }
}

/** A token in a settings file: its text, or an object that has it as `content`. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
