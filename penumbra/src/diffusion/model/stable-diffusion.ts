import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Device, type DType, nn, safetensors, scope, type Tensor } from "@penumbra/torch";
import { canonicalJson, type Json, writeFolder } from "../../files/index.ts";
import {
  AutoencoderKL,
  CLIPTextModel,
  ModelError,
  publishedTextKey,
  type RawConfig,
  saveModel,
  UNet2DConditionModel,
} from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { imageSizeOf } from "./image-size.ts";
import { type Lora, mergeLora } from "./lora.ts";
import { type HashedPart, hashModel } from "./model-hash.ts";
import { parseSchedulerConfig, type SchedulerConfig } from "./noise-schedule.ts";
import {
  configsMetadata,
  giveNetwork,
  type ModelConfigs,
  originalNames,
  type Prediction,
} from "./single-file.ts";
import { clipTokenizer, openModel, type StoredNetwork } from "./stored-model.ts";
import type { ClipTokenizer } from "./tokenizer.ts";

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
  /** Another autoencoder: a folder in the diffusers layout, or a single file in either layout. */
  vae?: string | undefined;
  /** Low-rank changes that are added to the weights. */
  loras?: readonly Lora[];
  /** What a single file of Stable Diffusion 2.x predicts, where it does not say it. */
  prediction?: Prediction | undefined;
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
  /** What was added to those files' weights. */
  #changes: readonly string[] = [];
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
   * Loads a folder in diffusers' layout (model_index.json, tokenizer/, text_encoder/, unet/, vae/, scheduler/), or a
   * single-file checkpoint in the original layout (.safetensors, .ckpt).
   *
   * @throws DiffusionError, ModelError, SafetensorsError or PickleError naming the file and what to do about it
   */
  static load(path: string, options: LoadStableDiffusionOptions = {}): StableDiffusion {
    const { device = "cpu", dtype = "float32", channelsLast = true, loras = [] } = options;
    const { tokenizer, scheduler: schedulerConfig, ...stored } = openModel(path, options);
    const networks = nn.init.skip(() => ({
      textEncoder: new CLIPTextModel(stored.text.config, stored.text.configFile),
      unet: new UNet2DConditionModel(stored.unet.config, stored.unet.configFile),
      vae: new AutoencoderKL(stored.vae.config, stored.vae.configFile),
    }));
    const imageSize = options.imageSize ?? imageSizeOf(stored.unet.config, networks.vae.factor);
    const sd = new StableDiffusion({ tokenizer, ...networks, schedulerConfig, imageSize });
    loadStored(sd.textEncoder, stored.text);
    loadStored(sd.unet, stored.unet);
    loadStored(sd.vae, stored.vae);
    const targets = { unet: sd.unet, text_encoder: sd.textEncoder };
    sd.#changes = loras.map((lora) => `LoRA ${mergeLora(targets, lora)} ${lora.weight}`);
    const memoryFormat = channelsLast ? "channelsLast" : undefined;
    sd.textEncoder.to({ device, dtype });
    sd.unet.to({ device, dtype, memoryFormat });
    sd.vae.to({ device, dtype: sd.vae.config.force_upcast ? "float32" : dtype, memoryFormat });
    sd.#stored = [
      hashedPart("text_encoder", stored.text, sd.textEncoder),
      hashedPart("unet", stored.unet, sd.unet),
      hashedPart("vae", stored.vae, sd.vae),
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
      [canonicalJson(this.schedulerConfig as Json), this.tokenizer.fingerprint, ...this.#changes],
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

  /**
   * Writes a single-file checkpoint in the original layout, as `load`, diffusers and the usual interfaces read it; its
   * metadata hold the configurations. Stable Diffusion 2.x is known by its linear projections.
   *
   * @throws DiffusionError for a UNet that the layout cannot express, and for a vocabulary of the model's own
   */
  saveSingleFile(path: string, { dtype }: SaveStableDiffusionOptions = {}): void {
    if (!this.tokenizer.sharesVocabulary(clipTokenizer()))
      throw new DiffusionError(
        `The model has a vocabulary of its own, for which ${path} has no place: single files are read with CLIP's. Keep the folder.`,
      );
    const configs = this.#configs;
    const names = originalNames(
      configs,
      this.unet.config.use_linear_projection ? "openclip" : "transformers",
    );
    scope(() => {
      const parts = { unet: this.unet, vae: this.vae, text_encoder: this.textEncoder };
      const tensors = Object.entries(parts).map(([part, network]) =>
        giveNetwork(network.stateDict(), names[part as keyof typeof names]),
      );
      const stored: Record<string, Tensor> = Object.assign({}, ...tensors);
      const plain = Object.entries(stored).map(([name, tensor]) => [name, dtype ? tensor.to(dtype) : tensor]);
      safetensors.write(path, Object.fromEntries(plain), { format: "pt", ...configsMetadata(configs) });
    });
  }

  /** As their JSON files have them. */
  get #configs(): ModelConfigs {
    const side = this.imageSize / this.vae.factor;
    const saysOther = imageSizeOf(this.unet.config, this.vae.factor) !== this.imageSize;
    return {
      text_encoder: {
        architectures: ["CLIPTextModel"],
        model_type: "clip_text_model",
        ...this.textEncoder.config,
      },
      unet: {
        _class_name: "UNet2DConditionModel",
        ...this.unet.config,
        ...(saysOther && { sample_size: side }),
      },
      vae: { _class_name: "AutoencoderKL", ...this.vae.config },
      scheduler: this.schedulerConfig,
      padToken: this.tokenizer.padToken,
    };
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
      const { text_encoder: text, unet, vae } = this.#configs;
      saveModel(join(aside, "text_encoder"), this.textEncoder, text, {
        dtype,
        weightsName: "model.safetensors",
        rename: publishedTextKey,
      });
      saveModel(join(aside, "unet"), this.unet, unet, { dtype });
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
        unet.config.class_embed_type === null,
        `the UNet is told embeddings of images ("class_embed_type" is "${unet.config.class_embed_type}"), as in Stable unCLIP`,
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

/** @throws ModelError naming the file and all keys that are missing, too many or of another shape */
function loadStored(network: nn.AnyModule, { weights, weightsFile }: StoredNetwork): void {
  scope(() => {
    try {
      network.loadStateDict(weights(Object.keys(network.stateDict())));
    } catch (cause) {
      if (!(cause instanceof nn.StateDictError)) throw cause;
      throw new ModelError(`${weightsFile}: ${cause.message}`, { cause });
    }
  });
}

function hashedPart(
  name: string,
  { weights }: StoredNetwork,
  network: nn.AnyModule & { readonly config: RawConfig },
): HashedPart {
  const names = Object.keys(network.stateDict());
  return { name, config: network.config, weights: () => weights(names) };
}

function writeJson(file: string, value: RawConfig): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
