import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { scope, type Tensor } from "@penumbra/torch";
import {
  findNetwork,
  ownAttentionKey,
  ownTextKey,
  type RawConfig,
  readJson,
  readWeights,
} from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { otherKind, otherKindOf } from "./model-files.ts";
import { readSchedulerConfig } from "./noise-schedule.ts";
import { VAE_PREFIX } from "./original-names.ts";
import {
  configsOf,
  layoutOf,
  originalNames,
  type Prediction,
  readSingleFile,
  takeNetwork,
  vaeConfigOf,
} from "./single-file.ts";
import { ClipTokenizer } from "./tokenizer.ts";

/** A network as it is stored. */
export interface StoredNetwork {
  readonly config: RawConfig;
  /** Where the configuration stands, and where the weights: for errors. */
  readonly configFile: string;
  readonly weightsFile: string;
  /** The weights that have these names here, and whatever else a file of this network alone holds. */
  readonly weights: (names: readonly string[]) => Readonly<Record<string, Tensor>>;
}

/** A model as it is stored, in whatever form. */
export interface StoredModel {
  readonly tokenizer: ClipTokenizer;
  readonly scheduler: RawConfig;
  readonly text: StoredNetwork;
  readonly unet: StoredNetwork;
  readonly vae: StoredNetwork;
}

export interface StoredModelOptions {
  /** Folder of the tokenizer; default: the model's own, and CLIP's for a single file, which has none. */
  readonly tokenizer?: string | undefined;
  /** Another autoencoder: a folder in the diffusers layout, or a single file in either layout. */
  readonly vae?: string | undefined;
  /** What a single file of Stable Diffusion 2.x predicts, where it does not say it. */
  readonly prediction?: Prediction | undefined;
}

/** CLIP's vocabulary, beside the package's sources. */
const CLIP_TOKENIZER = fileURLToPath(new URL("../../../clip", import.meta.url));

/** What a single file is read with: it has no place for a tokenizer. */
export function clipTokenizer(): ClipTokenizer {
  return ClipTokenizer.load(CLIP_TOKENIZER);
}

/**
 * Opens a model: a folder in the diffusers layout, or a single-file checkpoint in the original layout.
 * @throws DiffusionError, ModelError for what is missing, damaged or of another kind
 */
export function openModel(path: string, options: StoredModelOptions = {}): StoredModel {
  const isFile = existsSync(path) && statSync(path).isFile();
  const model = isFile ? openSingleFile(path, options) : openFolder(path, options);
  return options.vae === undefined ? model : { ...model, vae: openVae(options.vae) };
}

function openFolder(folder: string, { tokenizer }: StoredModelOptions): StoredModel {
  checkIndex(folder);
  return {
    tokenizer: ClipTokenizer.load(tokenizer ?? join(folder, "tokenizer")),
    scheduler: readSchedulerConfig(folder),
    text: openNetwork(join(folder, "text_encoder"), ownTextKey),
    unet: openNetwork(join(folder, "unet")),
    vae: openNetwork(join(folder, "vae"), ownAttentionKey),
  };
}

/** A network's own folder. */
function openNetwork(folder: string, rename: (key: string) => string | null = (key) => key): StoredNetwork {
  const network = findNetwork(folder);
  const weights = () => renamed(readWeights(network.weightsFile), rename);
  return { ...network, weights };
}

function renamed(
  tensors: Readonly<Record<string, Tensor>>,
  rename: (key: string) => string | null,
): Record<string, Tensor> {
  const entries = Object.entries(tensors).map(([key, tensor]) => [rename(key), tensor] as const);
  return Object.fromEntries(entries.filter(([key]) => key !== null));
}

function openSingleFile(path: string, { tokenizer, prediction }: StoredModelOptions): StoredModel {
  return scope(() => {
    const { shapes, metadata } = readSingleFile(path);
    const configs = configsOf(path, shapes, metadata, prediction);
    const layout = layoutOf(path, shapes);
    const names = originalNames(configs, layout);
    const network = (part: "text_encoder" | "unet" | "vae"): StoredNetwork => ({
      ...{ config: configs[part], configFile: path, weightsFile: path },
      weights: (own) => takeNetwork(readSingleFile(path).tensors, own, names[part]),
    });
    const clip = tokenizer === undefined ? clipTokenizer() : ClipTokenizer.load(tokenizer);
    return {
      tokenizer: clip.withPadding(configs.padToken, configs.text_encoder.max_position_embeddings as number),
      scheduler: configs.scheduler,
      text: network("text_encoder"),
      unet: network("unet"),
      vae: network("vae"),
    };
  });
}

/** @throws DiffusionError, ModelError where there is no autoencoder */
function openVae(path: string): StoredNetwork {
  if (!existsSync(path))
    throw new DiffusionError(`There is no autoencoder at ${path}. Set "vae" to a folder or a file of one.`);
  if (!statSync(path).isFile()) return openNetwork(path, ownAttentionKey);
  return scope(() => {
    const { shapes } = readSingleFile(path);
    const isAlone = !Object.keys(shapes).some((name) => name.startsWith(VAE_PREFIX));
    const prefix = isAlone ? VAE_PREFIX : "";
    const full = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
    const config = vaeConfigOf(path, full);
    const { vae } = originalNames({ unet: { up_block_types: [] }, vae: config }, "transformers");
    const weights = (own: readonly string[]) =>
      takeNetwork(readSingleFile(path).tensors, own, (name) =>
        vae(name).slice(isAlone ? VAE_PREFIX.length : 0),
      );
    return { config, configFile: path, weightsFile: path, weights };
  });
}

/** The networks that are read, by the class that they must be of. */
const CLASSES: Readonly<Record<string, string>> = {
  text_encoder: "CLIPTextModel",
  tokenizer: "CLIPTokenizer",
  unet: "UNet2DConditionModel",
  vae: "AutoencoderKL",
};

function checkIndex(folder: string): void {
  const file = join(folder, "model_index.json");
  if (!existsSync(file)) {
    throw new DiffusionError(
      `${folder} is no Stable Diffusion model: model_index.json is missing. Give a folder in diffusers' layout (model_index.json, tokenizer/, text_encoder/, unet/, vae/, scheduler/), or a single checkpoint file.`,
    );
  }
  const index = readJson(file);
  const kind = otherKindOf(index._class_name);
  if (kind) throw otherKind(folder, kind);
  for (const [part, expected] of Object.entries(CLASSES)) {
    const entry = index[part];
    const named = Array.isArray(entry) ? (entry[1] as unknown) : undefined;
    if (named === expected || (part === "tokenizer" && named === "CLIPTokenizerFast")) continue;
    throw new DiffusionError(
      `${file}: field "${part}" is ${JSON.stringify(entry ?? null)}, but ${expected} is needed. Use a model of Stable Diffusion 1.x or 2.x.`,
    );
  }
}
