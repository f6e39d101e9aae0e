/**
 * Names of weights in single-file checkpoints, the layout of Stable Diffusion's first code (CompVis, later Stability AI)
 * that model sites distribute, from those of diffusers. Ours are diffusers' (the text encoder's without `text_model.`).
 */

export const UNET_PREFIX = "model.diffusion_model.";
export const VAE_PREFIX = "first_stage_model.";
/** Stable Diffusion 1.x has transformers' text encoder, 2.x OpenCLIP's. */
export const TEXT_PREFIXES = {
  transformers: "cond_stage_model.transformer.text_model.",
  openclip: "cond_stage_model.model.",
} as const;
export type TextLayout = keyof typeof TEXT_PREFIXES;

type Renames = readonly (readonly [RegExp, string])[];

function renamed(name: string, renames: Renames): string {
  return renames.reduce((text, [from, to]) => text.replace(from, to), name);
}

const UNET_OUTER: Renames = [
  [/^time_embedding\.linear_1\./, "time_embed.0."],
  [/^time_embedding\.linear_2\./, "time_embed.2."],
  [/^conv_in\./, "input_blocks.0.0."],
  [/^conv_norm_out\./, "out.0."],
  [/^conv_out\./, "out.2."],
];

const RESNET: Renames = [
  [/^norm1\./, "in_layers.0."],
  [/^conv1\./, "in_layers.2."],
  [/^time_emb_proj\./, "emb_layers.1."],
  [/^norm2\./, "out_layers.0."],
  [/^conv2\./, "out_layers.3."],
  [/^conv_shortcut\./, "skip_connection."],
];

/** What the numbering of a UNet's blocks depends on. */
export interface UNetNumbering {
  /** Residual blocks a level on the way down; one more on the way up. */
  readonly layers: number;
  /** Whether each level on the way up has attention. */
  readonly hasAttentionUp: readonly boolean[];
}

/** A UNet weight's name in a single file, without the prefix: all blocks of the way down, and up, are in one list. */
export function originalUNetName(name: string, { layers, hasAttentionUp }: UNetNumbering): string {
  const period = layers + 1;
  const [, way, level, part, index, rest] =
    /^(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (way === "down") {
    const first = period * Number(level) + 1;
    if (part === "downsamplers") return `input_blocks.${first + layers}.0.${rest!.replace(/^conv\./, "op.")}`;
    return `input_blocks.${first + Number(index)}.${inBlock(part!, rest!)}`;
  }
  if (way === "up") {
    const first = period * Number(level);
    if (part === "upsamplers") {
      const place = hasAttentionUp[Number(level)] ? 2 : 1;
      return `output_blocks.${first + layers}.${place}.${rest}`;
    }
    return `output_blocks.${first + Number(index)}.${inBlock(part!, rest!)}`;
  }
  const [, kind, number, inside] = /^mid_block\.(resnets|attentions)\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (kind === "resnets") return `middle_block.${2 * Number(number)}.${renamed(inside!, RESNET)}`;
  if (kind === "attentions") return `middle_block.1.${inside}`;
  return renamed(name, UNET_OUTER);
}

function inBlock(part: string, rest: string): string {
  return part === "resnets" ? `0.${renamed(rest, RESNET)}` : `1.${rest}`;
}

const VAE_INNER: Renames = [
  [/\.conv_norm_out\./, ".norm_out."],
  [/\.conv_shortcut\./, ".nin_shortcut."],
  [/\.mid_block\.attentions\.0\.group_norm\./, ".mid.attn_1.norm."],
  [/\.mid_block\.attentions\.0\.to_([qkv])\./, ".mid.attn_1.$1."],
  [/\.mid_block\.attentions\.0\.to_out\.0\./, ".mid.attn_1.proj_out."],
  [/\.mid_block\.resnets\.0\./, ".mid.block_1."],
  [/\.mid_block\.resnets\.1\./, ".mid.block_2."],
  [/\.down_blocks\.(\d+)\.resnets\./, ".down.$1.block."],
  [/\.down_blocks\.(\d+)\.downsamplers\.0\./, ".down.$1.downsample."],
];

/** An autoencoder weight's name in a single file, without the prefix: the way up is numbered from its end. */
export function originalVaeName(name: string, levels: number): string {
  return renamed(name, VAE_INNER).replace(
    /\.up_blocks\.(\d+)\.(resnets|upsamplers\.0)\./,
    (_, level: string, part: string) =>
      `.up.${levels - 1 - Number(level)}.${part === "resnets" ? "block" : "upsample"}.`,
  );
}

/** Linear layers of the autoencoder's attention are convolutions of one pixel there. */
export function isPixelConvolution(originalName: string): boolean {
  return /\.mid\.attn_1\.(q|k|v|proj_out)\.weight$/.test(originalName);
}

const OPENCLIP: Renames = [
  [/^embeddings\.token_embedding\.weight$/, "token_embedding.weight"],
  [/^embeddings\.position_embedding\.weight$/, "positional_embedding"],
  [/^final_layer_norm\./, "ln_final."],
  [/^encoder\.layers\./, "transformer.resblocks."],
  [/\.layer_norm([12])\./, ".ln_$1."],
  [/\.mlp\.fc1\./, ".mlp.c_fc."],
  [/\.mlp\.fc2\./, ".mlp.c_proj."],
  [/\.self_attn\.out_proj\./, ".attn.out_proj."],
  // Three weights have one name: they are one matrix there, queries above keys above values.
  [/\.self_attn\.[qkv]_proj\.(weight|bias)$/, ".attn.in_proj_$1"],
];

/** A text encoder weight's name in a single file, without the prefix. */
export function originalTextName(name: string, layout: TextLayout): string {
  return layout === "transformers" ? name : renamed(name, OPENCLIP);
}
