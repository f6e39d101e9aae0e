import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isTensor, load, type Saved, safetensors, scope, type Tensor } from "@penumbra/torch";
import { ModelError } from "./errors.ts";
import { readJson } from "./json-file.ts";

/** Names under which diffusers and transformers publish weights, the usual ones first. */
export const WEIGHTS_NAMES = [
  "diffusion_pytorch_model.safetensors",
  "model.safetensors",
  "diffusion_pytorch_model.fp16.safetensors",
  "model.fp16.safetensors",
  "diffusion_pytorch_model.bin",
  "pytorch_model.bin",
  "diffusion_pytorch_model.fp16.bin",
  "pytorch_model.fp16.bin",
] as const;

/** The names that an index of shards may have for a file of weights: with its variant before the ending or after it. */
function indexNamesOf(name: string): string[] {
  const [, stem, variant, ending] = /^(.+?)(?:\.(fp16))?\.(safetensors|bin)$/.exec(name)!; // of WEIGHTS_NAMES
  return [`${name}.index.json`, ...(variant ? [`${stem}.${ending}.index.${variant}.json`] : [])];
}

const INDEX = /\.(safetensors|bin)\.index(\.[\w-]+)?\.json$/;

/** The first of the usual names that is among those of a folder, be it an index of shards; undefined for none. */
export function weightsNameAmong(names: readonly string[]): string | undefined {
  return WEIGHTS_NAMES.flatMap((name) => [name, ...indexNamesOf(name)]).find((name) => names.includes(name));
}

/** The weights that a folder holds: a file, or the index of its shards; undefined where it holds none. */
export function weightsFileIn(folder: string): string | undefined {
  const name = existsSync(folder) ? weightsNameAmong(readdirSync(folder)) : undefined;
  return name && join(folder, name);
}

/**
 * All files that weights lie in: the file itself, or an index and its shards.
 * @throws ModelError for a broken index, or one of which a shard is not there
 */
export function weightsParts(path: string): readonly string[] {
  if (!INDEX.test(path)) return [path];
  const shards = shardsOf(path);
  const missing = shards.find((shard) => !existsSync(shard));
  if (missing === undefined) return [path, ...shards];
  throw new ModelError(
    `${path} names ${basename(missing)}, which is not there. Fetch the shards that are missing.`,
  );
}

/**
 * Which of the files of a folder are its weights, by their names alone: as they stand in a listing, before an index can
 * be read. Empty where there are none.
 */
export function weightsPartsAmong(names: readonly string[]): readonly string[] {
  const name = weightsNameAmong(names);
  if (name === undefined) return [];
  const [, ending, variant = ""] = INDEX.exec(name) ?? [];
  if (ending === undefined) return [name];
  const isFp16 = variant === ".fp16" || name.includes(".fp16.");
  const shard = new RegExp(`-\\d{5}-of-\\d{5}(\\.fp16)?\\.${ending}$`);
  return [name, ...names.filter((each) => shard.test(each) && each.includes(".fp16") === isFp16)];
}

/**
 * Reads a file of weights, or the shards that an index names: safetensors, or PyTorch's own format (`.bin`, `.ckpt`,
 * `.pt`, `.pth`), of which nothing is run.
 *
 * @returns the tensors by their names in the file; the caller owns them
 * @throws SafetensorsError, PickleError for a file that is damaged or holds more than data
 * @throws ModelError for one of PyTorch's that holds anything but tensors by name, and for a broken index
 */
export function readWeights(path: string): Record<string, Tensor> {
  if (/\.safetensors(\.index(\.[\w-]+)?\.json)?$/.test(path)) return safetensors.read(path).tensors;
  if (!existsSync(path) && existsSync(`${path}.index.json`)) return readWeights(`${path}.index.json`);
  if (!INDEX.test(path)) return readPickled(path);
  return scope(() => Object.assign({}, ...shardsOf(path).map((shard) => readPickled(shard))));
}

function readPickled(file: string): Record<string, Tensor> {
  return scope(() => {
    const saved = unwrapped(load(file));
    const fail = (problem: string): never => {
      throw new ModelError(
        `${file}: ${problem} A state_dict is needed: tensors by name. Save model.state_dict().`,
      );
    };
    if (typeof saved !== "object" || saved === null || Object.getPrototypeOf(saved) !== Object.prototype)
      return fail("it holds no dictionary with keys of text.");
    for (const [key, value] of Object.entries(saved))
      if (!isTensor(value)) return fail(`field ${JSON.stringify(key)} is no tensor.`);
    return saved as Record<string, Tensor>;
  });
}

/** What training scripts save beside other things: the state dict alone. */
function unwrapped(saved: Saved): Saved {
  if (typeof saved !== "object" || saved === null || isTensor(saved)) return saved;
  for (const key of ["state_dict", "model"]) {
    const inner = (saved as Readonly<Record<string, Saved>>)[key];
    if (typeof inner === "object" && inner !== null && !isTensor(inner)) return inner;
  }
  return saved;
}

/** The files that an index names; they lie beside it, since a path would let an index read any file. */
function shardsOf(index: string): string[] {
  const map = readJson(index).weight_map;
  const names = typeof map === "object" && map !== null ? [...new Set(Object.values(map))] : [];
  if (names.length === 0)
    throw new ModelError(`${index}: field "weight_map" names no file. Fetch the index again.`);
  const ending = `.${INDEX.exec(index)?.[1] ?? "bin"}`;
  return names.map((name: unknown) => {
    if (typeof name === "string" && name === basename(name) && name.endsWith(ending))
      return join(dirname(index), name);
    throw new ModelError(
      `${index}: field "weight_map" names ${JSON.stringify(name)}, which is no ${ending} file in the same folder. Fetch the index again.`,
    );
  });
}
