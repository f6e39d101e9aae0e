import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { cat, safetensors, scope, type Tensor } from "@penumbra/torch";
import { type RawConfig, readWeights } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { otherKind } from "./model-files.ts";
import {
  isPixelConvolution,
  originalTextName,
  originalUNetName,
  originalVaeName,
  TEXT_PREFIXES,
  type TextLayout,
  UNET_PREFIX,
  type UNetNumbering,
  VAE_PREFIX,
} from "./original-names.ts";

/** The four configurations of a model, as their JSON files have them. */
export interface ModelConfigs {
  readonly text_encoder: RawConfig;
  readonly unet: RawConfig;
  readonly vae: RawConfig;
  readonly scheduler: RawConfig;
  /** What fills up prompts: "!" in 2.x, as OpenCLIP was trained. */
  readonly padToken: string;
}

/** What a network learned to predict, in diffusers' words. */
export type Prediction = "epsilon" | "v_prediction";

/** Shapes of weights by their names in the file: what tells kind and sizes. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/** Where penumbra's own single files keep the configurations: nothing is guessed for them. */
const CONFIGS_KEY = "penumbra_configs";

/** Weights that tell a model of another kind, by a name that only it has. */
const OTHER_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^conditioner\.embedders\./, "Stable Diffusion XL"],
  [/(^|\.)joint_blocks\.0\./, "Stable Diffusion 3"],
  [/(^|\.)double_blocks\.0\./, "Flux"],
  [/^control_model\./, "ControlNet"],
];

/**
 * The configurations that a single file's weights were made with: those in its metadata where penumbra wrote it, else
 * Stable Diffusion's own, with the sizes that the shapes tell. What shapes do not tell is as published: heads (8 in
 * 1.x, 64 channels each in 2.x), 32 groups, the noise schedule.
 *
 * @param prediction what a 2.x model predicts, where the file does not say it
 * @throws DiffusionError for a file of another kind, and for a 2.x model of which nothing says what it predicts
 */
export function configsOf(
  path: string,
  shapes: Shapes,
  metadata: Readonly<Record<string, string>>,
  prediction?: Prediction,
): ModelConfigs {
  const written = metadata[CONFIGS_KEY];
  if (written !== undefined) return JSON.parse(written) as ModelConfigs;
  checkKind(path, shapes);
  const layout = layoutOf(path, shapes);
  const predicts =
    layout === "transformers" ? (prediction ?? "epsilon") : (prediction ?? predictionOf(path, metadata));
  const sizes = unetSizes(shapes);
  const isSecond = layout === "openclip";
  const channelsOfHead = 64;
  return {
    padToken: isSecond ? "!" : "<|endoftext|>",
    text_encoder: textConfig(shapes, layout),
    unet: {
      sample_size: predicts === "v_prediction" && isSecond ? 96 : 64,
      block_out_channels: sizes.channels,
      layers_per_block: sizes.layers,
      down_block_types: sizes.hasAttention.map((has) => (has ? "CrossAttnDownBlock2D" : "DownBlock2D")),
      up_block_types: [...sizes.hasAttention]
        .reverse()
        .map((has) => (has ? "CrossAttnUpBlock2D" : "UpBlock2D")),
      cross_attention_dim: sizes.contextSize,
      attention_head_dim: isSecond ? sizes.channels.map((channels) => channels / channelsOfHead) : 8,
      use_linear_projection: sizes.isLinear,
    },
    vae: vaeConfigOf(path, shapes),
    scheduler: {
      _class_name: isSecond ? "DDIMScheduler" : "PNDMScheduler",
      ...{ beta_start: 0.00085, beta_end: 0.012, beta_schedule: "scaled_linear", num_train_timesteps: 1000 },
      ...{ clip_sample: false, set_alpha_to_one: false, steps_offset: 1, skip_prk_steps: true },
      prediction_type: predicts,
    },
  };
}

function checkKind(path: string, shapes: Shapes): void {
  const names = Object.keys(shapes);
  const kind = OTHER_KINDS.find(([name]) => names.some((each) => name.test(each)))?.[1];
  if (kind) throw otherKind(path, kind);
  const input = shapes[`${UNET_PREFIX}input_blocks.0.0.weight`]?.[1];
  if (input === 9) throw otherKind(path, "Stable Diffusion for inpainting");
  if (input === 8) throw otherKind(path, "InstructPix2Pix");
  if (input === 5) throw otherKind(path, "Stable Diffusion with depth");
  if (input === 4 && names.some((name) => name.startsWith(VAE_PREFIX))) return;
  const [first = "nothing"] = names;
  throw new DiffusionError(
    `${path} is no checkpoint of Stable Diffusion: it has no weights called ${input === undefined ? UNET_PREFIX : VAE_PREFIX}… (it has ${first}, …). Give a file in the original key layout with UNet, autoencoder and text encoder; a LoRA, an embedding or an autoencoder alone belongs to its own setting.`,
  );
}

/**
 * Which of the two text encoders a single file has.
 * @throws DiffusionError for a file without one
 */
export function layoutOf(path: string, shapes: Shapes): TextLayout {
  for (const layout of ["transformers", "openclip"] as const)
    if (`${TEXT_PREFIXES[layout]}${originalTextName("embeddings.token_embedding.weight", layout)}` in shapes)
      return layout;
  throw new DiffusionError(
    `${path} has no text encoder (${TEXT_PREFIXES.transformers}… or ${TEXT_PREFIXES.openclip}…). Use the full checkpoint.`,
  );
}

/** 2.0-base and 2.1-base predict noise, 2.0 and 2.1 velocity; their weights have the same names and shapes. */
function predictionOf(path: string, metadata: Readonly<Record<string, string>>): Prediction {
  const said = metadata["modelspec.prediction_type"] ?? metadata["modelspec.predict_type"];
  if (said === "epsilon") return "epsilon";
  if (said === "v" || said === "v_prediction") return "v_prediction";
  const yaml = path.replace(/\.\w+$/, ".yaml");
  if (existsSync(yaml))
    return /parameterization:\s*["']?v["']?\s*$/m.test(readFileSync(yaml, "utf8"))
      ? "v_prediction"
      : "epsilon";
  throw new DiffusionError(
    `${path} is of Stable Diffusion 2.x, and nothing says whether it predicts noise (512 px, "base") or velocity (768 px). Put the ${basename(yaml)} that it was published with beside it, or convert it with the answer: penumbra convert ${basename(path)} FOLDER --prediction epsilon (or v_prediction).`,
  );
}

function unetSizes(shapes: Shapes) {
  const blocks = (list: string) =>
    1 +
    Math.max(
      ...Object.keys(shapes).map((name) =>
        Number(new RegExp(`^${UNET_PREFIX}${list}\\.(\\d+)\\.`).exec(name)?.[1] ?? -1),
      ),
    );
  const count = blocks("input_blocks");
  const isHalving = (index: number) => `${UNET_PREFIX}input_blocks.${index}.0.op.weight` in shapes;
  const levels = 1 + Array.from({ length: count }, (_, i) => i).filter(isHalving).length;
  const layers = count / levels - 1;
  const firsts = Array.from({ length: levels }, (_, level) => (layers + 1) * level + 1);
  const context = Object.entries(shapes).find(
    ([name]) => name.startsWith(UNET_PREFIX) && name.endsWith("attn2.to_k.weight"),
  );
  const projection = shapes[`${UNET_PREFIX}middle_block.1.proj_in.weight`];
  return {
    layers,
    channels: firsts.map(
      (index) => shapes[`${UNET_PREFIX}input_blocks.${index}.0.in_layers.2.weight`]?.[0] ?? 0,
    ),
    hasAttention: firsts.map((index) => `${UNET_PREFIX}input_blocks.${index}.1.norm.weight` in shapes),
    contextSize: context?.[1][1] ?? 0,
    isLinear: projection?.length === 2,
  };
}

/**
 * The configuration of an autoencoder in a single file, its weights named with the prefix.
 * @throws DiffusionError for a file without one
 */
export function vaeConfigOf(path: string, shapes: Shapes): RawConfig {
  const channels: number[] = [];
  for (let level = 0; ; level++) {
    const shape = shapes[`${VAE_PREFIX}encoder.down.${level}.block.0.conv1.weight`];
    if (!shape) break;
    channels.push(shape[0]!);
  }
  if (channels.length === 0)
    throw new DiffusionError(
      `${path} holds no autoencoder: ${VAE_PREFIX}encoder.down.0.block.0.conv1.weight is missing. Give a folder or a file of one.`,
    );
  let layers = 0;
  while (`${VAE_PREFIX}encoder.down.0.block.${layers}.conv1.weight` in shapes) layers++;
  return {
    block_out_channels: channels,
    layers_per_block: layers,
    latent_channels: shapes[`${VAE_PREFIX}post_quant_conv.weight`]?.[0] ?? 4,
    scaling_factor: 0.18215,
  };
}

function textConfig(shapes: Shapes, layout: TextLayout): RawConfig {
  const shapeOf = (name: string) => shapes[TEXT_PREFIXES[layout] + originalTextName(name, layout)];
  let layers = 0;
  while (shapeOf(`encoder.layers.${layers}.layer_norm1.weight`)) layers++;
  const [vocabulary = 0, size = 0] = shapeOf("embeddings.token_embedding.weight") ?? [];
  return {
    vocab_size: vocabulary,
    hidden_size: size,
    intermediate_size: shapeOf("encoder.layers.0.mlp.fc1.weight")?.[0],
    // 2.x reads the last layer but one: diffusers leaves the last out
    num_hidden_layers: layout === "openclip" ? Math.min(layers, OPENCLIP_LAYERS) : layers,
    num_attention_heads: layout === "openclip" ? size / 64 : 12,
    max_position_embeddings: shapeOf("embeddings.position_embedding.weight")?.[0],
    hidden_act: layout === "openclip" ? "gelu" : "quick_gelu",
  };
}

const OPENCLIP_LAYERS = 23;

/** Names of every weight of the networks in a single file, by network and by own name. */
export interface OriginalNames {
  readonly unet: (own: string) => string;
  readonly vae: (own: string) => string;
  readonly text_encoder: (own: string) => string;
}

/** @throws DiffusionError for a UNet whose levels have different numbers of layers */
export function originalNames(
  { unet, vae }: Pick<ModelConfigs, "unet" | "vae">,
  layout: TextLayout,
): OriginalNames {
  const numbering = numberingOf(unet);
  const levels = (vae.block_out_channels as readonly number[]).length;
  return {
    unet: (own) => UNET_PREFIX + originalUNetName(own, numbering),
    vae: (own) => VAE_PREFIX + originalVaeName(own, levels),
    text_encoder: (own) => TEXT_PREFIXES[layout] + originalTextName(own, layout),
  };
}

function numberingOf({ layers_per_block: layers = 2, up_block_types: up }: RawConfig): UNetNumbering {
  if (typeof layers !== "number")
    throw new DiffusionError(
      `The UNet has ${layers} layers a level; the original key layout has the same number in all. Keep the folder.`,
    );
  return { layers, hasAttentionUp: (up as readonly string[]).map((type) => type === "CrossAttnUpBlock2D") };
}

/** The weights of one network out of a single file's, by its own names. The caller owns them. */
export function takeNetwork(
  tensors: Readonly<Record<string, Tensor>>,
  names: readonly string[],
  originalOf: (own: string) => string,
): Record<string, Tensor> {
  return scope(() =>
    Object.fromEntries(
      names.flatMap((own) => {
        const original = originalOf(own);
        const tensor = tensors[original];
        if (!tensor) return [];
        if (isPixelConvolution(original)) return [[own, tensor.flatten({ startDim: 1 })]];
        const part = joinedPart(own, original);
        return [[own, part === null ? tensor : (tensor.chunk(3)[part] as Tensor).contiguous()]];
      }),
    ),
  );
}

/** Which third of a joined matrix a weight is; null where it stands alone. */
function joinedPart(own: string, original: string): number | null {
  if (!/\.attn\.in_proj_(weight|bias)$/.test(original)) return null;
  return ["q", "k", "v"].indexOf(/\.([qkv])_proj\./.exec(own)?.[1] ?? "q");
}

/** The weights of a network as a single file has them. The caller owns them. */
export function giveNetwork(
  weights: Readonly<Record<string, Tensor>>,
  originalOf: (own: string) => string,
): Record<string, Tensor> {
  return scope(() => {
    const parts = new Map<string, Tensor[]>();
    for (const [own, tensor] of Object.entries(weights)) {
      const original = originalOf(own);
      const part = joinedPart(own, original);
      const plain = tensor.detach();
      if (part === null)
        parts.set(original, [isPixelConvolution(original) ? plain.unsqueeze(-1).unsqueeze(-1) : plain]);
      else {
        const list = parts.get(original) ?? [];
        list[part] = plain;
        parts.set(original, list);
      }
    }
    return Object.fromEntries(
      [...parts].map(([name, list]) => [name, list.length === 1 ? list[0]!.contiguous() : cat(list)]),
    );
  });
}

/** Weights of a single file, their shapes and its metadata. The caller owns the tensors. */
export function readSingleFile(path: string): {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly shapes: Shapes;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const isSafe = path.toLowerCase().endsWith(".safetensors");
  // Mapped for the moment of loading: of gigabytes nothing is copied twice.
  const { tensors, metadata } = isSafe
    ? safetensors.read(path, { mapped: true })
    : { tensors: readWeights(path), metadata: {} };
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  return { tensors, shapes, metadata };
}

/** What a single file's metadata says about its configurations: nothing has to be guessed when it is read again. */
export function configsMetadata(configs: ModelConfigs): Record<string, string> {
  return { [CONFIGS_KEY]: JSON.stringify(configs) };
}
