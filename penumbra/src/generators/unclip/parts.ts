import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromTyped, nn, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import {
  ClipTokenizer,
  parseSchedulerConfig,
  readSchedulerConfig,
  type SchedulerConfig,
} from "../../diffusion/index.ts";
import {
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  findNetwork,
  loadWeights,
  PriorTransformer,
  readJson,
  saveModel,
  UNet2DConditionModel,
  type UNet2DModel,
  UnCLIPTextProjModel,
} from "../../models/index.ts";
import { GeneratorError } from "../errors.ts";
import { headSize } from "../trainer/unet-settings.ts";
import type { UnclipSettings } from "./settings.ts";

/** The networks of unCLIP, by their names here; folders in `FOLDERS`. */
export interface UnclipNetworks {
  readonly text: CLIPTextModelWithProjection;
  readonly image: CLIPVisionModelWithProjection;
  readonly prior: PriorTransformer;
  readonly projection: UnCLIPTextProjModel;
  readonly decoder: UNet2DConditionModel;
}

/** unCLIP (Ramesh et al. 2022): all that draws. */
export interface UnclipParts extends UnclipNetworks {
  readonly tokenizer: ClipTokenizer;
  /** Of the pixels that the image encoder takes, of values in 0..1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly priorSchedule: SchedulerConfig;
  readonly decoderSchedule: SchedulerConfig;
}

/** The folders of diffusers' layout and the classes that model_index.json names. */
const FOLDERS = {
  text: { folder: "text_encoder", library: "transformers", type: "CLIPTextModelWithProjection" },
  image: { folder: "image_encoder", library: "transformers", type: "CLIPVisionModelWithProjection" },
  prior: { folder: "prior", library: "diffusers", type: "PriorTransformer" },
  projection: { folder: "text_proj", library: "unclip", type: "UnCLIPTextProjModel" },
  decoder: { folder: "decoder", library: "diffusers", type: "UNet2DConditionModel" },
} as const satisfies Readonly<Record<keyof UnclipNetworks, object>>;

const TOKENIZER = "tokenizer";
const FEATURES = "feature_extractor";
const PRIOR_SCHEDULE = "prior_scheduler";
const DECODER_SCHEDULE = "decoder_scheduler";
export const INDEX = "model_index.json";
const PIPELINES = ["UnCLIPPipeline", "UnCLIPImageVariationPipeline"];

/** What CLIP's image encoders take where no feature_extractor/ says otherwise. */
const CLIP_PIXELS = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

const Features = z.looseObject({
  image_mean: z.array(z.number()).length(3).default(CLIP_PIXELS.mean),
  image_std: z.array(z.number().positive()).length(3).default(CLIP_PIXELS.std),
});

/** Whether a folder holds unCLIP as diffusers publishes it, of which nobody here knows how it was trained. */
export function isPublished(folder: string): boolean {
  if (existsSync(join(folder, "generator.json")) || !existsSync(join(folder, INDEX))) return false;
  return PIPELINES.includes(String(readJson(join(folder, INDEX))._class_name));
}

/**
 * Reads unCLIP in diffusers' layout: tokenizer/, text_encoder/, image_encoder/, prior/, text_proj/, decoder/ and the two
 * schedules. Its super-resolution, where it has one, is read by `readSuperResolution`.
 *
 * @param options.tokenizer folder of another tokenizer
 * @throws GeneratorError naming what is missing or of another kind; ModelError or DiffusionError for a file that is wrong
 */
export function readUnclip(folder: string, { tokenizer = join(folder, TOKENIZER) } = {}): UnclipParts {
  checkIndex(folder);
  const missing = [
    ...Object.values(FOLDERS).map((part) => part.folder),
    PRIOR_SCHEDULE,
    DECODER_SCHEDULE,
  ].filter((part) => !existsSync(join(folder, part)));
  if (missing.length > 0)
    throw new GeneratorError(
      `"${folder}" lacks ${missing.join(", ")}. unCLIP is published as one folder that draws from texts (with the prior) and one that draws from images (with the image encoder): copy what is missing from the other one.`,
    );
  const at = (part: keyof UnclipNetworks) => join(folder, FOLDERS[part].folder);
  const features = join(folder, FEATURES, "preprocessor_config.json");
  const { image_mean: mean, image_std: std } = Features.parse(existsSync(features) ? readJson(features) : {});
  const parts = {
    tokenizer: ClipTokenizer.load(tokenizer),
    ...{ mean, std },
    text: CLIPTextModelWithProjection.load(at("text")),
    image: CLIPVisionModelWithProjection.load(at("image")),
    prior: PriorTransformer.load(at("prior")),
    projection: UnCLIPTextProjModel.load(at("projection")),
    decoder: readDecoder(at("decoder")),
    priorSchedule: readSchedulerConfig(folder, PRIOR_SCHEDULE),
    decoderSchedule: readSchedulerConfig(folder, DECODER_SCHEDULE),
  };
  checkSizes(folder, parts);
  return parts;
}

function readDecoder(folder: string): UNet2DConditionModel {
  const { config, configFile, weightsFile } = findNetwork(folder);
  const decoder = nn.init.skip(() => new UNet2DConditionModel(config, configFile));
  loadWeights(decoder, weightsFile);
  return decoder;
}

function checkIndex(folder: string): void {
  const file = join(folder, INDEX);
  if (!existsSync(file))
    throw new GeneratorError(
      `"${folder}" has no ${INDEX}: it is no unCLIP model in diffusers' layout. Pass the folder of one, or the folder that a finished training wrote.`,
    );
  const pipeline = String(readJson(file)._class_name);
  if (PIPELINES.includes(pipeline)) return;
  throw new GeneratorError(
    `"${folder}" is a model of diffusers' ${pipeline}, which is no unCLIP in pixels (${PIPELINES.join(", ")}). Use such a model, for example Karlo.`,
  );
}

/** @throws GeneratorError where parts are not of one model */
function checkSizes(folder: string, parts: UnclipParts): void {
  const size = parts.image.config.projection_dim;
  const sizes = {
    [FOLDERS.text.folder]: parts.text.config.projection_dim,
    [FOLDERS.prior.folder]: parts.prior.config.embedding_dim,
    [FOLDERS.projection.folder]: parts.projection.config.clip_embeddings_dim,
  };
  for (const [part, other] of Object.entries(sizes)) {
    if (other === size) continue;
    throw new GeneratorError(
      `"${folder}": ${part}/ works with embeddings of ${other} numbers, image_encoder/ gives ${size}. Take all parts from one model.`,
    );
  }
  if (parts.decoder.config.class_embed_type !== "identity" || parts.decoder.config.in_channels !== 3)
    throw new GeneratorError(
      `"${folder}": decoder/ is not told embeddings ("class_embed_type" is ${JSON.stringify(parts.decoder.config.class_embed_type)}) or does not draw pixels. Use the decoder of an unCLIP model.`,
    );
}

/** Edge of a network's images in pixels. @throws GeneratorError where its configuration does not say it */
export function edgeOf(
  { config }: UNet2DConditionModel | UNet2DModel,
  part: string = FOLDERS.decoder.folder,
): number {
  const edge = Array.isArray(config.sample_size) ? config.sample_size[0] : config.sample_size;
  if (edge) return edge;
  throw new GeneratorError(
    `${part}/config.json does not say "sample_size". Set it to the edge of its images in pixels.`,
  );
}

/** Writes the folder that `readUnclip` reads. */
export function writeUnclip(folder: string, parts: UnclipParts): void {
  const write = (path: string, content: object) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), `${JSON.stringify(content, null, 2)}\n`);
  };
  const index: Record<string, unknown> = { _class_name: PIPELINES[0] };
  for (const [part, { folder: name, library, type }] of Object.entries(FOLDERS)) {
    const network = parts[part as keyof UnclipNetworks];
    const isOfTransformers = library === "transformers";
    const config = isOfTransformers
      ? { ...network.config, architectures: [type] }
      : { _class_name: type, ...network.config };
    saveModel(
      join(folder, name),
      network,
      config,
      isOfTransformers ? { weightsName: "model.safetensors" } : {},
    );
    index[name] = [library, type];
  }
  parts.tokenizer.save(join(folder, TOKENIZER));
  index[TOKENIZER] = ["transformers", "CLIPTokenizer"];
  write(`${FEATURES}/preprocessor_config.json`, {
    image_processor_type: "CLIPImageProcessor",
    ...{
      image_mean: parts.mean,
      image_std: parts.std,
      size: { shortest_edge: parts.image.config.image_size },
    },
    crop_size: parts.image.config.image_size,
  });
  index[FEATURES] = ["transformers", "CLIPImageProcessor"];
  write(`${PRIOR_SCHEDULE}/scheduler_config.json`, parts.priorSchedule);
  write(`${DECODER_SCHEDULE}/scheduler_config.json`, parts.decoderSchedule);
  for (const schedule of [PRIOR_SCHEDULE, DECODER_SCHEDULE])
    index[schedule] = ["diffusers", "UnCLIPScheduler"];
  write(INDEX, index);
}

/** A small model of these settings with random weights, from the default generator; its tokenizer knows the texts' pieces. */
export function newUnclip(settings: UnclipSettings, texts: readonly string[]): UnclipParts {
  const { imageSize, embeddingSize: size, clipLayers, priorLayers, textLength, channels } = settings;
  const tokenizer = ClipTokenizer.learn(texts, { pairs: 256, maxLength: textLength });
  const layers = {
    ...{ hidden_size: size, intermediate_size: 4 * size, num_hidden_layers: clipLayers },
    ...{ num_attention_heads: 4, projection_dim: size },
  };
  const isAttending = (level: number) => level >= channels.length - settings.attentionLevels;
  const types = channels.map((_, level) =>
    isAttending(level) ? "SimpleCrossAttnDownBlock2D" : "ResnetDownsampleBlock2D",
  );
  const ups = {
    SimpleCrossAttnDownBlock2D: "SimpleCrossAttnUpBlock2D",
    ResnetDownsampleBlock2D: "ResnetUpsampleBlock2D",
  };
  return {
    tokenizer,
    ...{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    text: new CLIPTextModelWithProjection({
      ...layers,
      ...{ vocab_size: tokenizer.vocabSize, max_position_embeddings: textLength },
      ...{ bos_token_id: tokenizer.startId, eos_token_id: tokenizer.endId, pad_token_id: tokenizer.padId },
    }),
    image: new CLIPVisionModelWithProjection({ ...layers, image_size: imageSize, patch_size: imageSize / 8 }),
    prior: new PriorTransformer({
      ...{ embedding_dim: size, num_embeddings: textLength, num_layers: priorLayers },
      ...{ num_attention_heads: 4, attention_head_dim: size / 4 },
    }),
    projection: new UnCLIPTextProjModel({
      ...{ clip_embeddings_dim: size, cross_attention_dim: size, time_embed_dim: 4 * channels[0]! },
    }),
    decoder: new UNet2DConditionModel({
      ...{ sample_size: imageSize, in_channels: 3, out_channels: 6, block_out_channels: channels },
      down_block_types: types as [(typeof types)[number]],
      up_block_types: types.map((type) => ups[type]).reverse() as ["ResnetUpsampleBlock2D"],
      mid_block_type: "UNetMidBlock2DSimpleCrossAttn",
      ...{ layers_per_block: settings.layersPerBlock, norm_num_groups: 8 },
      attention_head_dim: headSize(channels),
      ...{ cross_attention_dim: size, class_embed_type: "identity", resnet_time_scale_shift: "scale_shift" },
    }),
    priorSchedule: schedule(settings, {
      prediction_type: "sample",
      variance_type: "fixed_small_log",
      clip_sample_range: 5,
    }),
    decoderSchedule: schedule(settings, {
      prediction_type: "epsilon",
      variance_type: "learned_range",
      clip_sample_range: 1,
    }),
  };
}

function schedule({ timesteps }: UnclipSettings, fields: object): SchedulerConfig {
  const common = { beta_schedule: "squaredcos_cap_v2", clip_sample: true, num_train_timesteps: timesteps };
  return parseSchedulerConfig({ _class_name: "UnCLIPScheduler", ...common, ...fields });
}

/** Texts as the encoder takes them. */
export interface Tokens {
  /** int64 [B, L] */
  readonly ids: Tensor;
  /** float32 [B, L]: 1 up to the end mark */
  readonly mask: Tensor;
}

export function tokensOf(tokenizer: ClipTokenizer, texts: readonly string[], device: string): Tokens {
  const rows = texts.map((text) => tokenizer.encode(text));
  const isInside = rows.flatMap((row) => row.map((_, i) => Number(i <= row.indexOf(tokenizer.endId))));
  const mask = fromTyped(Float32Array.from(isInside), [texts.length, tokenizer.maxLength]);
  return { ids: tokenizer.encodeBatch(texts).to(device), mask: mask.to(device) };
}
