import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DType, nn, safetensors, scope, type Tensor } from "@penumbra/torch";
import { ModelError } from "./errors.ts";
import { readJson } from "./json-file.ts";
import type { RawConfig } from "./model-config.ts";
import { readWeights, WEIGHTS_NAMES, weightsFileIn } from "./weights-file.ts";

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
  const weightsFile = weightsFileIn(folder);
  if (!weightsFile) {
    throw new ModelError(
      `${folder} holds no weights (${WEIGHTS_NAMES[0]}, pytorch_model.bin or another of the usual names). Fetch the model's weights.`,
    );
  }
  return { config: readJson(configFile), configFile, weightsFile };
}

/**
 * Copies stored weights into a model, converting dtypes.
 *
 * @param rename from the key in the file to the model's own; null leaves a tensor out
 * @throws ModelError naming the file and all keys that are missing, too many or of another shape
 * @throws SafetensorsError or PickleError when the file is damaged
 */
export function loadWeights(
  model: nn.AnyModule,
  weightsFile: string,
  rename: (key: string) => string | null = (key) => key,
): void {
  scope(() => {
    const state: Record<string, Tensor> = {};
    for (const [key, tensor] of Object.entries(readWeights(weightsFile))) {
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
  /** Name of the weights' safetensors file. */
  weightsName?: `${string}.safetensors`;
  /** From the model's own key to the one in the file. */
  rename?: (key: string) => string;
}

/** Writes config.json and the weights of a model into a folder. */
export function saveModel(
  folder: string,
  model: nn.AnyModule,
  config: RawConfig,
  { dtype, weightsName = WEIGHTS_NAMES[0], rename = (key) => key }: SaveModelOptions = {},
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
