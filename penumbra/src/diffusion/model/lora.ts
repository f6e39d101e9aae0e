import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { noGrad, safetensors, scope, type Tensor } from "@penumbra/torch";
import { type CLIPTextModel, readWeights, type UNet2DConditionModel } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { originalUNetName } from "./original-names.ts";

/** A low-rank change of a model's weights, and how much of it is added: 1 = as it was trained. */
export interface Lora {
  /** Path of a .safetensors (or .bin, .pt) file. */
  readonly file: string;
  readonly weight: number;
}

/** The networks that a LoRA can change, by their prefixes in files. */
export interface LoraTargets {
  readonly unet: UNet2DConditionModel;
  readonly text_encoder: CLIPTextModel;
}

/** One changed layer: W + scale * up down. */
interface Change {
  down?: Tensor;
  up?: Tensor;
  alpha?: number;
}

/** Relatives of LoRA that multiply differently, by a piece of their names. */
const OTHER_METHODS: readonly (readonly [RegExp, string])[] = [
  [/\.hada_w/, "LoHa"],
  [/\.lokr_/, "LoKr"],
  [/\.lora_mid\./, "LoCon with Tucker decomposition"],
  [/\.dora_scale$|\.lora_magnitude_vector/, "DoRA"],
  [/\.(oft_|diff$|diff_b$)/, "another method than low-rank matrices"],
];

/** What stands between a layer's name and the kind of matrix: kohya's, peft's (diffusers today) and diffusers' older. */
const MATRIX =
  /^(.+?)\.(?:processor\.)?(?:lora_(down|up)|lora_(A|B)(?:\.default)?|lora_linear_layer\.(down|up)|lora\.(down|up))\.weight$/;
const OLD_MATRIX = /^(.+?)\.(?:processor\.)?(to_[qkv]|to_out)_lora\.(down|up)\.weight$/;
const ALPHA = /^(.+?)(?:\.lora)?\.alpha$/;

/**
 * Adds a LoRA (Hu et al. 2022, eq. 3) to the weights of a model: W + weight * alpha / rank * up * down for each layer
 * that it changes, linear or convolution. Files by kohya's scripts (`lora_unet_…`, `lora_te_…`, of diffusers' or of the
 * original names) and by diffusers (`unet.….lora_A.weight`, and its older forms).
 *
 * @returns SHA-256 of the file
 * @throws DiffusionError naming layers that the model lacks or that have another shape, and relatives of LoRA
 */
export function mergeLora(targets: LoraTargets, { file, weight }: Lora): string {
  scope(() => {
    const isSafe = file.toLowerCase().endsWith(".safetensors");
    const { tensors, metadata } = isSafe
      ? safetensors.read(file)
      : { tensors: readWeights(file), metadata: {} };
    const changes = changesIn(file, tensors);
    const layers = layersOf(targets);
    const problems: string[] = [];
    for (const [name, change] of changes) {
      const parameter = layers.get(flat(name));
      const problem = parameter
        ? merge(parameter, change, weight, alphaOf(change, name, metadata))
        : "is not in the model";
      if (problem) problems.push(`${name} ${problem}`);
    }
    if (problems.length > 0) throw misfit(file, problems, changes.size);
  });
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function misfit(file: string, problems: readonly string[], total: number): DiffusionError {
  const shown = problems.slice(0, 5).join("; ");
  const isXl = problems.some((name) => /^lora_te2_|^text_encoder_2\./.test(name));
  return new DiffusionError(
    `The LoRA ${file} does not fit the model: ${problems.length} of ${total} layers (${shown}${problems.length > 5 ? "; …" : ""}). ${isXl ? "It was made for Stable Diffusion XL. " : ""}Use one that was trained on this kind of model.`,
  );
}

function changesIn(file: string, tensors: Readonly<Record<string, Tensor>>): Map<string, Change> {
  const changes = new Map<string, Change>();
  const of = (name: string) => {
    const known = changes.get(name) ?? {};
    changes.set(name, known);
    return known;
  };
  const unknown: string[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const other = OTHER_METHODS.find(([pattern]) => pattern.test(name))?.[1];
    if (other)
      throw new DiffusionError(`${file} is of ${other} (${name}), which is not supported. Use a plain LoRA.`);
    const [, layer, ...kinds] = MATRIX.exec(name) ?? [];
    const [, owner, projection, oldKind] = OLD_MATRIX.exec(name) ?? [];
    const [, scaled] = ALPHA.exec(name) ?? [];
    const kind = kinds.find((each) => each !== undefined) ?? oldKind;
    if (kind === "down" || kind === "A") of(layer ?? `${owner}.${projection}`).down = tensor;
    else if (kind === "up" || kind === "B") of(layer ?? `${owner}.${projection}`).up = tensor;
    else if (scaled !== undefined) of(scaled).alpha = tensor.item() as number;
    else unknown.push(name);
  }
  if (unknown.length > 0 || changes.size === 0)
    throw new DiffusionError(
      `${file} is no LoRA that is known here: ${unknown[0] ? `"${unknown[0]}" is no matrix of one` : "it is empty"}. Give a file by kohya's scripts or by diffusers.`,
    );
  return changes;
}

/** Names as kohya flattens them, so that one map serves all forms. */
function flat(name: string): string {
  return name
    .replace(/^lora_(unet|te1?)_/, (_, part: string) => `${part === "unet" ? "unet" : "text_encoder"}_`)
    .replace(/^base_model\.model\./, "")
    .replace(/(^|\.)processor\./g, "$1")
    .replaceAll(".", "_")
    .replace(/^(?!unet_|text_encoder_)/, "unet_")
    .replace(/^text_encoder_(?!text_model_|encoder_)/, "text_encoder_encoder_")
    .replace(/^text_encoder_text_model_/, "text_encoder_")
    .replace(/_to_out$/, "_to_out_0");
}

/** The weight of every layer by its flattened names, diffusers' and the original ones. */
function layersOf({ unet, text_encoder: text }: LoraTargets): Map<string, Tensor> {
  const { layers_per_block: perBlock, up_block_types: up } = unet.config;
  const hasAttentionUp = up.map((type) => type === "CrossAttnUpBlock2D");
  const originalOf = (own: string) =>
    typeof perBlock === "number" ? originalUNetName(own, { layers: perBlock, hasAttentionUp }) : own;
  const layers = new Map<string, Tensor>();
  for (const [own, parameter] of unet.namedParameters()) {
    if (!own.endsWith(".weight")) continue;
    layers.set(flat(`unet.${own.slice(0, -".weight".length)}`), parameter);
    layers.set(flat(`unet.${originalOf(own).slice(0, -".weight".length)}`), parameter);
  }
  for (const [own, parameter] of text.namedParameters())
    if (own.endsWith(".weight"))
      layers.set(flat(`text_encoder.${own.slice(0, -".weight".length)}`), parameter);
  return layers;
}

/** kohya's alpha, or that of the adapter's configuration; undefined = the rank, so that nothing is scaled. */
function alphaOf(
  { alpha, down }: Change,
  name: string,
  metadata: Readonly<Record<string, string>>,
): number | undefined {
  if (alpha !== undefined || metadata.lora_adapter_metadata === undefined) return alpha;
  const adapter = JSON.parse(metadata.lora_adapter_metadata) as Record<string, unknown>;
  const part = flat(name).startsWith("text_encoder_") ? "text_encoder" : "unet";
  const [given, rank] = [adapter[`${part}.lora_alpha`], adapter[`${part}.r`]];
  return typeof given === "number" && typeof rank === "number"
    ? (given / rank) * (down?.shape[0] ?? 0)
    : undefined;
}

/** Adds the product; returns what does not fit. */
function merge(
  parameter: Tensor,
  { down, up }: Change,
  weight: number,
  alpha: number | undefined,
): string | null {
  if (!down || !up) return `lacks its ${down ? "up" : "down"} matrix`;
  const rank = down.shape[0] as number;
  const [a, b] = [down, up].map((matrix) => matrix.to("float32").flatten({ startDim: 1 })) as [
    Tensor,
    Tensor,
  ];
  const delta = b.matmul(a); // [out, in * kernel]
  if (delta.numel !== parameter.numel || b.shape[0] !== parameter.shape[0])
    return `changes [${b.shape[0]}, ${a.shape[1]}], the model has [${parameter.shape}]`;
  const scale = (weight * (alpha ?? rank)) / rank;
  noGrad(() =>
    parameter.add_(delta.reshape(parameter.shape).to({ dtype: parameter.dtype, device: parameter.device }), {
      alpha: scale,
    }),
  );
  return null;
}
