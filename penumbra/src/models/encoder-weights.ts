import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { nn, scope, type Tensor, zeros } from "@penumbra/torch";
import { z } from "zod";
import { type HubFile, locate } from "../hub/index.ts";
import {
  type EncoderNetworkName,
  encoderNetworkNames,
  encoderNetworks,
  type NetworkSizes,
  type Normalisation,
} from "./encoder-networks.ts";
import { ModelError } from "./errors.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import { readJson } from "./json-file.ts";
import { readWeights, weightsFileIn, weightsParts, weightsPartsAmong } from "./weights-file.ts";

/** Published weights of an encoder, as they lie on the disk. */
export interface EncoderWeights {
  /** Safetensors, or PyTorch's own format (.pth, .pt, .bin), of which nothing is run; the index of shards. */
  readonly file: string;
  /** SHA-256, in hex, over the contents of the file, its shards and its config.json. */
  readonly hash: string;
  /** Timm's config.json beside the file, where there is one. */
  readonly configFile: string | null;
  /** What the config.json says that pixels become; null where it does not. */
  readonly normalisation: Normalisation | null;
  /** Side of the images that the weights were made with, in pixels; null where nothing says it. */
  readonly imageSize: number | null;
  /** How photos were brought to that size, in timm's words ("bicubic"); null where nothing says it. */
  readonly interpolation: string | null;
  /** Timm's name of the network; null where nothing says it. */
  readonly architecture: string | null;
}

/** An encoder with published weights, and what its pixels become. */
export interface PublishedEncoder {
  readonly network: ImageEncoder;
  readonly sizes: NetworkSizes;
  readonly normalisation: Normalisation;
}

const triple = z.tuple([z.number(), z.number(), z.number()]);

/** What of timm's config.json is used; it stands in "pretrained_cfg" or, in older files, at the top. */
const pretrainedSchema = z.object({
  mean: triple.optional(),
  std: triple.optional(),
  input_size: z.tuple([z.number(), z.number(), z.number()]).optional(),
  interpolation: z.string().optional(),
  crop_pct: z.number().positive().optional(),
});
const configSchema = pretrainedSchema.extend({
  architecture: z.string().optional(),
  pretrained_cfg: pretrainedSchema.optional(),
});

export interface FindWeightsOptions {
  /** What paths are relative to. Default: the working folder. */
  readonly base?: string;
  /** Told what is about to be downloaded, and what of config.json is not followed. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (doneMiB: number, totalMiB: number) => void;
}

const UNSAID = {
  ...{ configFile: null, normalisation: null, imageSize: null, interpolation: null, architecture: null },
} as const;

/**
 * Finds the weights in a file, or in a folder as timm publishes it: `model.safetensors` or `pytorch_model.bin`, whole
 * or in shards, with `config.json`. A name on the Hugging Face hub (`hf:timm/resnet18.a1_in1k`) is downloaded. Of
 * timm's evaluation `crop_pct` is not followed, and `onNote` is told so.
 *
 * @throws ModelError when there are none, or the config.json is damaged
 * @throws HubError where the hub refuses or cannot be reached
 */
export async function findEncoderWeights(
  name: string,
  { base = ".", onNote, onProgress = () => {} }: FindWeightsOptions = {},
): Promise<EncoderWeights> {
  const choose = (files: readonly HubFile[]) => publishedFiles(name, files);
  const file = weightsFileAt(await locate(name, { base, choose, onNote, onProgress }));
  const configFile = join(dirname(file), "config.json");
  const hasConfig = existsSync(configFile);
  const parts = weightsParts(file);
  const hash = await hashOf(hasConfig ? [...parts, configFile] : parts, onProgress);
  if (!hasConfig) return { ...UNSAID, file, hash };
  const parsed = configSchema.safeParse(readJson(configFile));
  if (!parsed.success) {
    throw new ModelError(
      `${configFile}: ${z.prettifyError(parsed.error)}. Fetch the file again, or move it away from the weights.`,
    );
  }
  const { architecture = null, pretrained_cfg: nested, ...top } = parsed.data;
  const { mean, std, input_size: size, interpolation = null, crop_pct: share = 1 } = nested ?? top;
  if (share < 1) onNote?.(wholePhotos(configFile, share));
  return {
    file,
    hash,
    configFile,
    normalisation: mean && std ? { mean, std } : null,
    imageSize: size ? size[1] : null,
    interpolation,
    architecture,
  };
}

/** Why timm's crop is not followed: it would cut edges off objects, which often fill their photos. */
function wholePhotos(configFile: string, share: number): string {
  return `${configFile} has crop_pct ${share}: timm shows such networks the middle ${Math.round(100 * share)} % of a photo. Here they see it whole, as "fit" says, so objects look smaller by as much. For timm's view crop the photos to their middle beforehand.`;
}

/**
 * Makes a network of the sizes that the file tells, and loads its weights; a classifier in the file is left out.
 *
 * @throws ModelError for weights of another network, with all names that are missing, too many or of another shape
 * @throws SafetensorsError, PickleError for a file that is damaged or holds more than data
 */
export function loadPublishedEncoder(name: EncoderNetworkName, weights: EncoderWeights): PublishedEncoder {
  const { ownWeights, make, sizesOf, sizes: schema, normalisationOf } = encoderNetworks[name];
  return scope(() => {
    const own = ownWeights(readWeights(weights.file));
    const refusal = encoderNetworks[name].refusalOf?.(own) ?? null;
    if (refusal !== null) throw new ModelError(`${weights.file} holds weights of ${refusal}.`);
    const sizes = schema.parse(sizesOf(own)) as NetworkSizes;
    const network = nn.init.skip(() => make(sizes));
    try {
      network.loadStateDict({ ...uncountedBatches(network), ...own });
    } catch (cause) {
      if (!(cause instanceof nn.StateDictError)) throw cause;
      throw new ModelError(`${weights.file} holds no ${name}${hintOf(name, weights)}. ${cause.message}`, {
        cause,
      });
    }
    return { network, sizes, normalisation: weights.normalisation ?? normalisationOf(sizes) };
  });
}

/**
 * Makes the network whose weights a file holds: the one that its config.json names, or the one that they fit.
 *
 * @throws ModelError when they fit none
 * @throws SafetensorsError, PickleError for a file that is damaged or holds more than data
 */
export function recogniseEncoder(
  weights: EncoderWeights,
): PublishedEncoder & { readonly name: EncoderNetworkName } {
  const { architecture, file } = weights;
  const named = encoderNetworkNames.find((name) => encoderNetworks[name].timmName.test(architecture ?? ""));
  for (const name of named ? [named] : encoderNetworkNames) {
    try {
      return { name, ...loadPublishedEncoder(name, weights) };
    } catch (error) {
      if (named || !(error instanceof ModelError)) throw error;
    }
  }
  throw new ModelError(
    `${file} holds weights of none of the networks here (${encoderNetworkNames.join(", ")}). Give published weights of one of them.`,
  );
}

/** Batch norms count their batches; files that were made for use only leave the numbers out. */
function uncountedBatches(network: ImageEncoder): Record<string, Tensor> {
  const counters = Object.keys(network.stateDict()).filter((key) => key.endsWith("num_batches_tracked"));
  return Object.fromEntries(counters.map((key) => [key, zeros([], { dtype: "int64" })]));
}

/** Which network the file is of, where its config.json says so. */
function hintOf(name: EncoderNetworkName, { architecture }: EncoderWeights): string {
  if (architecture === null || encoderNetworks[name].timmName.test(architecture)) return "";
  const meant = Object.entries(encoderNetworks).find(([, { timmName }]) => timmName.test(architecture));
  return meant
    ? `, its config.json says ${architecture}: set "encoder.network" to ${meant[0]}`
    : `, its config.json says ${architecture}, which is none of the networks here`;
}

/** SHA-256 over lengths and contents. */
async function hashOf(
  files: readonly string[],
  onProgress: (doneMiB: number, totalMiB: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  const total = files.reduce((sum, file) => sum + statSync(file).size, 0);
  let done = 0;
  for (const file of files) {
    hash.update(`${statSync(file).size}\0`);
    for await (const chunk of createReadStream(file)) {
      hash.update(chunk as Uint8Array);
      done += (chunk as Uint8Array).length;
      onProgress(Math.round(done / 2 ** 20), Math.round(total / 2 ** 20));
    }
  }
  return hash.digest("hex");
}

/** Of a repository on the hub: its weights, and what timm says about them. */
function publishedFiles(name: string, files: readonly HubFile[]): string[] {
  const names = files.map(({ path }) => path).filter((path) => !path.includes("/"));
  const parts = weightsPartsAmong(names);
  if (parts.length > 0) return [...parts, ...names.filter((file) => file === "config.json")];
  const others = names.filter((file) => /\.(safetensors|bin|pth|pt)$/.test(file));
  const there =
    others.length === 0 ? "" : ` It has ${others.join(", ")}: name one, as in ${name}/${others[0]}.`;
  throw new ModelError(
    `${name} holds no weights of the usual names (model.safetensors or pytorch_model.bin).${there}`,
  );
}

function weightsFileAt(path: string): string {
  if (!existsSync(path)) {
    throw new ModelError(
      `There are no weights at ${path}. Give a .safetensors, .pth, .pt or .bin file, or a folder with one.`,
    );
  }
  if (!statSync(path).isDirectory()) return path;
  const file = weightsFileIn(path);
  if (file) return file;
  throw new ModelError(
    `${path} holds no weights (model.safetensors or pytorch_model.bin). Give the file itself.`,
  );
}
