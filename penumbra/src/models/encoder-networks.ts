import { z } from "zod";
import { CHANNEL_BLOCK, CHANNEL_RULE } from "./channels.ts";
import { EfficientNetLite } from "./efficientnet-lite.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { PublishedWeights } from "./published-weights.ts";
import { ResNet } from "./resnet.ts";
import { ownTransformerWeights } from "./transformer-names.ts";
import { POSITIONS, VisionTransformer } from "./vision-transformer.ts";

/** Mean and standard deviation of red, green and blue, of pixels 0..1. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const HALF: Normalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const IMAGENET: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** What networks of one name differ in. */
export type NetworkSizes = Readonly<Record<string, string | number | boolean>>;

/** A network that photos can be classified with. To add one: an entry in the table. */
export interface EncoderNetwork<Sizes extends NetworkSizes = NetworkSizes> {
  /** What the configuration can set, with the defaults of a network that starts from random weights. */
  readonly sizes: z.ZodObject<{ [Key in keyof Sizes]: z.ZodDefault<z.ZodType<Sizes[Key]>> }>;
  /** Draws its weights from the default generator. */
  readonly make: (sizes: Sizes) => ImageEncoder;
  /** The sizes that weights were made with, as far as their shapes tell; empty where there is nothing to tell. */
  readonly sizesOf: (weights: PublishedWeights) => Partial<Sizes>;
  /** What the weights are of, and what to do, where it is a known network that is not this one; null where nothing says so. */
  readonly refusalOf?: (weights: PublishedWeights) => string | null;
  /** Published tensors by the network's own names, without the published classifier. */
  readonly ownWeights: (published: PublishedWeights) => PublishedWeights;
  /** What pixels become for published weights whose file does not say it. */
  readonly normalisationOf: (sizes: Sizes) => Normalisation;
  /** What timm calls it in config.json ("architecture"). */
  readonly timmName: RegExp;
}

export const STEMS = ["cifar", "imagenet"] as const;

/** Other sizes than the published ones are Penumbra's own, for small images. */
function resnet(depth: 10 | 18 | 34 | 50 | 101, timmName: RegExp) {
  return define({
    sizes: z.strictObject({
      stem: z.enum(STEMS).default("imagenet"),
      width: z.int().positive().multipleOf(CHANNEL_BLOCK, CHANNEL_RULE).default(32),
    }),
    make: ({ stem, width }) => new ResNet({ depth, stem, width }),
    sizesOf: (weights) => {
      const [width, , kernel] = weights["conv1.weight"]?.shape ?? [];
      return width === undefined ? {} : { width, stem: kernel === 3 ? "cifar" : "imagenet" };
    },
    ownWeights: byName(withoutHead("fc.")),
    normalisationOf: () => IMAGENET,
    timmName,
  });
}

function visionTransformer(size: { readonly dimensions: number; readonly depth: number }, timmName: RegExp) {
  return define({
    sizes: z.strictObject({
      patchSize: z.int().positive().default(16),
      imageSize: z.int().positive().default(224),
      registers: z.int().nonnegative().default(0),
      hasLayerScale: z.boolean().default(false),
      embedsPrefix: z.boolean().default(true),
      positions: z.enum(POSITIONS).default("learned"),
      qkvBias: z.boolean().default(true),
    }),
    make: ({ hasLayerScale, ...sizes }) =>
      new VisionTransformer({ ...sizes, ...size, layerScale: hasLayerScale ? LAYER_SCALE : null }),
    sizesOf: transformerSizes,
    refusalOf: (weights) => transformerRefusal(weights, size.dimensions),
    ownWeights: ownTransformerWeights,
    // LayerScale came with DeiT and DINOv2, which take ImageNet's; timm's own weights of plain transformers take 0.5.
    normalisationOf: ({ hasLayerScale }) => (hasLayerScale ? IMAGENET : HALF),
    timmName,
  });
}

/** First value of LayerScale in DINOv2. */
const LAYER_SCALE = 1e-5;

/** The networks by the name that the configuration gives them. */
export const encoderNetworks = {
  resnet10: resnet(10, /^resnet10/),
  resnet18: resnet(18, /^resnet18$/),
  resnet34: resnet(34, /^resnet34$/),
  resnet50: resnet(50, /^resnet50$/),
  resnet101: resnet(101, /^resnet101$/),
  "vit-small": visionTransformer({ dimensions: 384, depth: 12 }, /^vit_small_patch\d+_/),
  "vit-base": visionTransformer({ dimensions: 768, depth: 12 }, /^vit_base_patch\d+_/),
  "vit-large": visionTransformer({ dimensions: 1024, depth: 24 }, /^vit_large_patch\d+_/),
  "efficientnet-lite0": define({
    sizes: z.strictObject({}),
    make: () => new EfficientNetLite(),
    sizesOf: () => ({}),
    ownWeights: byName(efficientNetKey),
    normalisationOf: () => HALF,
    timmName: /^tf_efficientnet_lite0$/,
  }),
} as const;

export type EncoderNetworkName = keyof typeof encoderNetworks;

/** Their names, in the order of the table. */
export const encoderNetworkNames = Object.keys(encoderNetworks) as [
  EncoderNetworkName,
  ...EncoderNetworkName[],
];

/** The sizes that each entry knows stay inside it: a file or a configuration is parsed by its own schema. */
function define<Sizes extends NetworkSizes>(network: EncoderNetwork<Sizes>): EncoderNetwork {
  return network as unknown as EncoderNetwork;
}

/** Weights that differ from the network's own in their names alone; null leaves one out. */
function byName(ownKey: (published: string) => string | null) {
  return (published: PublishedWeights): PublishedWeights =>
    Object.fromEntries(
      Object.entries(published).flatMap(([name, tensor]) => {
        const own = ownKey(name);
        return own === null ? [] : [[own, tensor] as const];
      }),
    );
}

function withoutHead(prefix: string): (published: string) => string | null {
  return (published) => (published.startsWith(prefix) ? null : published);
}

/** Gated MLPs: of facebookresearch (w12, w1 and w2), of transformers and of timm's Eva. */
const GATED = /\.mlp\.(w12|w1|w3|weights_in|gate_proj|fc1_g)\./;

/** What transformers are that are not here, with gated MLPs or of another width; null for others. */
function transformerRefusal(weights: PublishedWeights, dimensions: number): string | null {
  const [hidden] = weights["blocks.0.mlp.fc1.weight"]?.shape ?? [];
  const [, taken] = weights["blocks.0.mlp.fc2.weight"]?.shape ?? [];
  const isPacked = hidden !== undefined && taken !== undefined && hidden === 2 * taken; // timm's SwiGLUPacked
  if (isPacked || Object.keys(weights).some((name) => GATED.test(name))) {
    return "a vision transformer with gated MLPs (SwiGLU), as DINOv2's giant and DINOv3's plus, huge and 7B have; the networks here have plain ones. Take ViT-S, ViT-B or ViT-L of the same family, such as hf:timm/vit_small_patch14_dinov2.lvd142m or hf:timm/vit_base_patch16_dinov3.lvd1689m";
  }
  const width = weights.cls_token?.shape[2];
  if (width === undefined || width === dimensions) return null;
  const { title, network } = WIDTHS[width] ?? {};
  return network
    ? `${title}. Set "encoder.network" to ${network}`
    : `a vision transformer of ${width} dimensions${title ? ` (${title})` : ""}; the networks here have 384 (vit-small), 768 (vit-base) and 1024 (vit-large). Take weights of one of them`;
}

/** What transformers of a width are called, and which of them are here. */
const WIDTHS: Readonly<Record<number, { readonly title: string; readonly network?: string }>> = {
  192: { title: "ViT-Ti" },
  384: { title: "ViT-S", network: "vit-small" },
  768: { title: "ViT-B", network: "vit-base" },
  1024: { title: "ViT-L", network: "vit-large" },
  1280: { title: "ViT-H" },
  1408: { title: "ViT-g" },
  1536: { title: "ViT-g of DINOv2" },
};

function transformerSizes(weights: PublishedWeights) {
  const [, , patchSize] = weights["patch_embed.proj.weight"]?.shape ?? [];
  if (patchSize === undefined) return {};
  const registers = weights.reg_token?.shape[1] ?? 0; // no token, no registers
  const hasLayerScale = "blocks.0.ls1.gamma" in weights;
  const qkvBias = "blocks.0.attn.qkv.bias" in weights;
  const sizes = { patchSize, registers, hasLayerScale, qkvBias };
  const positions = weights.pos_embed?.shape[1];
  if (positions === undefined) return { ...sizes, positions: "rotary" as const };
  const embedsPrefix = Number.isInteger(Math.sqrt(positions - 1 - registers));
  const side = Math.sqrt(embedsPrefix ? positions - 1 - registers : positions);
  return { ...sizes, imageSize: side * patchSize, embedsPrefix };
}

/** Places of Lite0's blocks in the flat numbering of the EfficientNet-PyTorch family. */
const FLAT_BLOCKS = [1, 2, 2, 3, 3, 4, 1].flatMap((count, stage) =>
  Array.from({ length: count }, (_, block) => `blocks.${stage}.${block}`),
);

/** Names of a block's parts in EfficientNet-PyTorch: the first block, which does not expand, and the others. */
const FIRST_PARTS: Readonly<Record<string, string>> = {
  ...{ _depthwise_conv: "conv_dw", _bn1: "bn1", _project_conv: "conv_pw", _bn2: "bn2" },
};
const OTHER_PARTS: Readonly<Record<string, string>> = {
  ...{ _expand_conv: "conv_pw", _bn0: "bn1", _depthwise_conv: "conv_dw", _bn1: "bn2" },
  ...{ _project_conv: "conv_pwl", _bn2: "bn3" },
};
const OUTER_PARTS: Readonly<Record<string, string>> = {
  ...{ _conv_stem: "conv_stem", _bn0: "bn1", _conv_head: "conv_head", _bn1: "bn2" },
};

/** timm's names are the network's own; those of EfficientNet-PyTorch begin with "_". */
function efficientNetKey(published: string): string | null {
  if (published.startsWith("classifier.") || published.startsWith("_fc.")) return null;
  const [, index, part, rest] = /^_blocks\.(\d+)\.(\w+)\.(.+)$/.exec(published) ?? [];
  if (index !== undefined && part !== undefined) {
    const own = (index === "0" ? FIRST_PARTS : OTHER_PARTS)[part];
    const block = FLAT_BLOCKS[Number(index)];
    return own && block ? `${block}.${own}.${rest}` : published;
  }
  return published.replace(/^_\w+/, (outer) => OUTER_PARTS[outer] ?? outer);
}
