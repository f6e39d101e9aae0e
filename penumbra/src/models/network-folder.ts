import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DType, nn, safetensors, scope, type Tensor } from "@penumbra/torch";
import { ModelError } from "./errors.ts";
import type { RawConfig } from "./model-config.ts";

/** Names under which diffusers and transformers publish weights, the usual one first. */
const WEIGHTS = [
  "diffusion_pytorch_model.safetensors",
  "model.safetensors",
  "diffusion_pytorch_model.fp16.safetensors",
  "model.fp16.safetensors",
] as const;

export interface StoredModel {
  readonly config: RawConfig;
  readonly configFile: string;
  readonly weightsFile: string;
}

/**
 * Finds what a model's folder (`unet/`, `vae/`, `text_encoder/`) holds, and reads its configuration.
 * @throws ModelError when the configuration or the weights are missing
 */
export function findNetwork(folder: string): StoredModel {
  const configFile = join(folder, "config.json");
  const weightsFile = WEIGHTS.map((name) => join(folder, name)).find(
    (file) => existsSync(file) || existsSync(`${file}.index.json`),
  );
  if (!weightsFile) {
    const pickled = ["diffusion_pytorch_model.bin", "pytorch_model.bin"].find((name) =>
      existsSync(join(folder, name)),
    );
    const remedy = pickled
      ? `${pickled} is a pickle, which may run code: convert it to safetensors`
      : "Fetch the model's safetensors files";
    throw new ModelError(`${folder} holds no weights (${WEIGHTS[0]} or ${WEIGHTS[1]}). ${remedy}.`);
  }
  return { config: readJson(configFile), configFile, weightsFile };
}

/**
 * Reads a JSON object.
 * @throws ModelError when the file is missing or holds anything else
 */
export function readJson(file: string): RawConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ModelError(`${file} cannot be read. Give a complete folder in diffusers' layout.`, { cause });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as RawConfig;
  } catch (cause) {
    throw new ModelError(`${file} is no JSON. Fetch the file again.`, { cause });
  }
  throw new ModelError(`${file} holds no JSON object. Fetch the file again.`);
}

/**
 * Copies stored weights into a model, converting dtypes.
 *
 * @param rename from the key in the file to the model's own; null leaves a tensor out
 * @throws ModelError naming the file and all keys that are missing, too many or of another shape
 * @throws SafetensorsError when the file is damaged
 */
export function loadWeights(
  model: nn.AnyModule,
  weightsFile: string,
  rename: (key: string) => string | null = (key) => key,
): void {
  scope(() => {
    const state: Record<string, Tensor> = {};
    for (const [key, tensor] of Object.entries(safetensors.read(weightsFile).tensors)) {
      const own = rename(key);
      if (own !== null) state[own] = tensor;
    }
    try {
      model.loadStateDict(state);
    } catch (cause) {
      if (!(cause instanceof nn.StateDictError)) throw cause;
      throw new ModelError(`${weightsFile}: ${cause.message}`, { cause });
    }
  });
}

export interface SaveModelOptions {
  /** Dtype of the stored weights; default: as they are. */
  dtype?: DType;
  /** Name of the weights' file. */
  weightsName?: (typeof WEIGHTS)[number];
  /** From the model's own key to the one in the file. */
  rename?: (key: string) => string;
}

/** Writes config.json and the weights of a model into a folder. */
export function saveModel(
  folder: string,
  model: nn.AnyModule,
  config: RawConfig,
  { dtype, weightsName = WEIGHTS[0], rename = (key) => key }: SaveModelOptions = {},
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  scope(() => {
    const state = Object.entries(model.stateDict()).map(([key, tensor]) => {
      const plain = tensor.detach();
      return [rename(key), dtype ? plain.to(dtype) : plain];
    });
    safetensors.write(join(folder, weightsName), Object.fromEntries(state), { format: "pt" });
  });
}
