import { existsSync } from "node:fs";
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

/** The first of the names that the folder holds, whole or as an index of shards; undefined where it holds none. */
export function weightsFileIn(folder: string): string | undefined {
  return WEIGHTS_NAMES.map((name) => join(folder, name)).find(
    (file) => existsSync(file) || existsSync(`${file}.index.json`),
  );
}

/**
 * Reads a file of weights, or the shards that an index beside it names: safetensors, or PyTorch's own format (`.bin`,
 * `.pt`, `.pth`), of which nothing is run.
 *
 * @returns the tensors by their names in the file; the caller owns them
 * @throws SafetensorsError, PickleError for a file that is damaged or holds more than data
 * @throws ModelError for one of PyTorch's that holds anything but tensors by name, and for a broken index
 */
export function readWeights(file: string): Record<string, Tensor> {
  if (file.endsWith(".safetensors")) return safetensors.read(file).tensors;
  if (existsSync(file)) return readPickled(file);
  const index = `${file}.index.json`;
  return scope(() => Object.assign({}, ...shardsOf(index).map((shard) => readPickled(shard))));
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

/** The files that an index of PyTorch's names; they lie beside it, since a path would let an index read any file. */
function shardsOf(index: string): string[] {
  const map = readJson(index).weight_map;
  const names = typeof map === "object" && map !== null ? [...new Set(Object.values(map))] : [];
  if (names.length === 0)
    throw new ModelError(`${index}: field "weight_map" names no file. Fetch the index again.`);
  return names.map((name: unknown) => {
    if (typeof name === "string" && name === basename(name) && name.endsWith(".bin"))
      return join(dirname(index), name);
    throw new ModelError(
      `${index}: field "weight_map" names ${JSON.stringify(name)}, which is no .bin file in the same folder. Fetch the index again.`,
    );
  });
}
