import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Device, type DType, nn } from "@penumbra/torch";
import { canonicalJson, type Json, writeFolder } from "../../files/index.ts";
import {
  AutoencoderKL,
  CLIPTextModel,
  findNetwork,
  loadWeights,
  ownAttentionKey,
  ownTextKey,
  publishedTextKey,
  type RawConfig,
  readJson,
  readWeights,
  type StoredModel,
  saveModel,
  UNet2DConditionModel,
} from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { imageSizeOf } from "./image-size.ts";
import { otherKind, otherKindOf } from "./model-files.ts";
import { type HashedPart, hashModel } from "./model-hash.ts";
import { parseSchedulerConfig, readSchedulerConfig, type SchedulerConfig } from "./noise-schedule.ts";
import { ClipTokenizer } from "./tokenizer.ts";

/** What a Stable Diffusion model consists of. */
export interface StableDiffusionParts {
  readonly tokenizer: ClipTokenizer;
  readonly textEncoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: AutoencoderKL;
  /** As in scheduler_config.json; missing fields get the values of Stable Diffusion 1.x. */
  readonly schedulerConfig?: RawConfig;
  /** Side of the images in pixels. Default: what the UNet's configuration says. */
  readonly imageSize?: number | undefined;
}

export interface LoadStableDiffusionOptions {
  /** Default "cpu". */
  device?: Device;
  /** Dtype of the weights in memory; default "float32". The autoencoder stays in float32 where its file asks for it. */
  dtype?: DType;
  /** Folder of the tokenizer; default `tokenizer` in the model's folder. */
  tokenizer?: string;
  /** Side of the images in pixels, instead of the one that the model was made for. */
  imageSize?: number | undefined;
  /** Keeps convolutions channels-last, which is faster on every device. Default true. */
  channelsLast?: boolean;
}

export interface SaveStableDiffusionOptions {
  /** Dtype of the stored weights, for example "float16"; default: as they are. */
  dtype?: DType;
}

/**
 * A Stable Diffusion model: tokenizer, text encoder, denoiser, autoencoder and noise schedule, in evaluation mode.
 *
 * @example
 * const sd = StableDiffusion.load("path/to/stable-diffusion-v1-5");
 * const images = textToImage(sd, { prompts: ["a photo of a relay"], seeds: [0] });
 */
export class StableDiffusion {
  readonly tokenizer: ClipTokenizer;
  readonly textEncoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: AutoencoderKL;
  readonly schedulerConfig: SchedulerConfig;
  /** Side of the images that the model was made for, or that it was told to draw, in pixels. */
  readonly imageSize: number;
  /** The files that the model was loaded from, for its hash. */
  #stored: readonly HashedPart[] | undefined;
  #hash: string | undefined;

  /** @throws DiffusionError when the parts do not fit together */
  constructor({ tokenizer, textEncoder, unet, vae, schedulerConfig = {}, imageSize }: StableDiffusionParts) {
    this.tokenizer = tokenizer;
    this.textEncoder = textEncoder.eval();
    this.unet = unet.eval();
    this.vae = vae.eval();
    this.schedulerConfig = parseSchedulerConfig(schedulerConfig);
    this.imageSize = imageSize ?? imageSizeOf(unet.config, vae.factor);
    this.#checkFit();
  }

  /**
   * Loads a folder in diffusers' layout: model_index.json, tokenizer/, text_encoder/, unet/, vae/, scheduler/.
   *
   * @throws DiffusionError, ModelError, SafetensorsError or PickleError naming the file and what to do about it
   */
  static load(folder: string, options: LoadStableDiffusionOptions = {}): StableDiffusion {
    const { device = "cpu", dtype = "float32", channelsLast = true } = options;
    checkIndex(folder);
    const stored = {
      text: findNetwork(join(folder, "text_encoder")),
      unet: findNetwork(join(folder, "unet")),
      vae: findNetwork(join(folder, "vae")),
    };
    const tokenizer = ClipTokenizer.load(options.tokenizer ?? join(folder, "tokenizer"));
    const schedulerConfig = readSchedulerConfig(folder);
    const networks = nn.init.skip(() => ({
      textEncoder: new CLIPTextModel(stored.text.config, stored.text.configFile),
      unet: new UNet2DConditionModel(stored.unet.config, stored.unet.configFile),
      vae: new AutoencoderKL(stored.vae.config, stored.vae.configFile),
    }));
    const imageSize = options.imageSize ?? imageSizeOf(stored.unet.config, networks.vae.factor);
    const sd = new StableDiffusion({ tokenizer, ...networks, schedulerConfig, imageSize });
    loadWeights(sd.textEncoder, stored.text.weightsFile, ownTextKey);
    loadWeights(sd.unet, stored.unet.weightsFile);
    loadWeights(sd.vae, stored.vae.weightsFile, ownAttentionKey);
    const memoryFormat = channelsLast ? "channelsLast" : undefined;
    sd.textEncoder.to({ device, dtype });
    sd.unet.to({ device, dtype, memoryFormat });
    sd.vae.to({ device, dtype: sd.vae.config.force_upcast ? "float32" : dtype, memoryFormat });
    sd.#stored = [
      storedPart("text_encoder", stored.text, sd.textEncoder.config, ownTextKey),
      storedPart("unet", stored.unet, sd.unet.config),
      storedPart("vae", stored.vae, sd.vae.config, ownAttentionKey),
    ];
    return sd;
  }

  get device(): Device {
    return this.unet.convIn.weight.device;
  }

  /**
   * SHA-256 of configurations, weights and tokenizer: of the files where the model was loaded, whatever was trained
   * since; of its state at the first call where it was built in memory.
   */
  get hash(): string {
    this.#hash ??= hashModel(
      this.#stored ?? [
        {
          name: "text_encoder",
          config: this.textEncoder.config,
          weights: () => this.textEncoder.stateDict(),
        },
        { name: "unet", config: this.unet.config, weights: () => this.unet.stateDict() },
        { name: "vae", config: this.vae.config, weights: () => this.vae.stateDict() },
      ],
      [canonicalJson(this.schedulerConfig as Json), this.tokenizer.fingerprint],
    );
    return this.#hash;
  }

  /** Moves the three networks to a device. */
  to(device: Device): this {
    for (const network of [this.textEncoder, this.unet, this.vae]) network.to({ device });
    return this;
  }

  /** Freezes all weights, or with `true` makes them trainable. */
  requiresGrad_(flag: boolean): this {
    for (const network of [this.textEncoder, this.unet, this.vae]) network.requiresGrad_(flag);
    return this;
  }

  /** Writes the folder that `load` and diffusers read, as a whole or not at all; an old one is replaced. */
  save(folder: string, { dtype }: SaveStableDiffusionOptions = {}): void {
    writeFolder(folder, (aside) => {
      writeJson(join(aside, "model_index.json"), {
        _class_name: "StableDiffusionPipeline",
        feature_extractor: [null, null],
        requires_safety_checker: false,
        safety_checker: [null, null],
        scheduler: ["diffusers", this.schedulerConfig._class_name],
        text_encoder: ["transformers", "CLIPTextModel"],
        tokenizer: ["transformers", "CLIPTokenizer"],
        unet: ["diffusers", "UNet2DConditionModel"],
        vae: ["diffusers", "AutoencoderKL"],
      });
      mkdirSync(join(aside, "scheduler"));
      writeJson(join(aside, "scheduler", "scheduler_config.json"), this.schedulerConfig);
      this.tokenizer.save(join(aside, "tokenizer"));
      const text = {
        architectures: ["CLIPTextModel"],
        model_type: "clip_text_model",
        ...this.textEncoder.config,
      };
      saveModel(join(aside, "text_encoder"), this.textEncoder, text, {
        dtype,
        weightsName: "model.safetensors",
        rename: publishedTextKey,
      });
      const unet = { _class_name: "UNet2DConditionModel", ...this.unet.config };
      saveModel(join(aside, "unet"), this.unet, unet, { dtype });
      const vae = { _class_name: "AutoencoderKL", ...this.vae.config };
      saveModel(join(aside, "vae"), this.vae, vae, { dtype });
    });
  }

  #checkFit(): void {
    const { tokenizer, textEncoder, unet, vae } = this;
    const checks: [boolean, string][] = [
      [
        tokenizer.vocabSize <= textEncoder.config.vocab_size,
        `the tokenizer has ${tokenizer.vocabSize} ids, the text encoder only ${textEncoder.config.vocab_size} ("vocab_size")`,
      ],
      [
        tokenizer.maxLength <= textEncoder.config.max_position_embeddings,
        `the tokenizer writes ${tokenizer.maxLength} ids, the text encoder reads only ${textEncoder.config.max_position_embeddings} ("max_position_embeddings")`,
      ],
      [
        [unet.config.cross_attention_dim].flat().every((size) => size === textEncoder.config.hidden_size),
        `the UNet expects context of ${unet.config.cross_attention_dim} ("cross_attention_dim"), the text encoder gives ${textEncoder.config.hidden_size} ("hidden_size")`,
      ],
      [
        this.imageSize % vae.factor === 0,
        `images of ${this.imageSize} px are no multiple of ${vae.factor}, the autoencoder's down-sampling`,
      ],
      [
        unet.config.in_channels === vae.config.latent_channels &&
          unet.config.out_channels === unet.config.in_channels,
        `the UNet maps ${unet.config.in_channels} to ${unet.config.out_channels} channels, the autoencoder has ${vae.config.latent_channels} ("latent_channels")`,
      ],
    ];
    const problems = checks.filter(([fits]) => !fits).map(([, problem]) => problem);
    if (problems.length === 0) return;
    throw new DiffusionError(
      `These parts are no Stable Diffusion model: ${problems.join("; ")}. Use parts of one model (SD 1.x or 2.x, not an inpainting or upscaling one).`,
    );
  }
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
      `${folder} is no Stable Diffusion model: model_index.json is missing. Give a folder in diffusers' layout (model_index.json, tokenizer/, text_encoder/, unet/, vae/, scheduler/).`,
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

function storedPart(
  name: string,
  { weightsFile }: StoredModel,
  config: RawConfig,
  rename: (key: string) => string | null = (key) => key,
): HashedPart {
  const weights = () => {
    const renamed = Object.entries(readWeights(weightsFile)).map(([key, tensor]) => [rename(key), tensor]);
    return Object.fromEntries(renamed.filter(([key]) => key !== null));
  };
  return { name, config, weights };
}

function writeJson(file: string, value: RawConfig): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
