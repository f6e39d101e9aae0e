import { cat, scope, type Tensor, zerosLike } from "@penumbra/torch";
import type { PublishedWeights } from "./published-weights.ts";

/**
 * Names of vision transformers' weights, from those of facebookresearch's DINOv2 and DINOv3 files, of transformers'
 * Dinov2Model and DINOv3ViTModel and of timm's Eva to those of timm's VisionTransformer.
 */
const RENAMES: readonly (readonly [RegExp, string])[] = [
  [/^embeddings\./, ""],
  [/^patch_embeddings\.(projection\.)?/, "patch_embed.proj."],
  [/^position_embeddings$/, "pos_embed"],
  [/^(register|storage)_tokens$/, "reg_token"],
  [/^layernorm\./, "norm."],
  [/^(encoder\.|model\.)?layer\./, "blocks."],
  [/\.attention\.(attention\.)?(query|q_proj)\./, ".attn.q."],
  [/\.attention\.(attention\.)?(key|k_proj)\./, ".attn.k."],
  [/\.attention\.(attention\.)?(value|v_proj)\./, ".attn.v."],
  [/\.attention\.(output\.dense|o_proj)\./, ".attn.proj."],
  [/\.attn\.([qv])_bias$/, ".attn.$1.bias"],
  [/\.layer_scale([12])\.lambda1$/, ".ls$1.gamma"],
  [/\.gamma_([12])$/, ".ls$1.gamma"],
  [/\.mlp\.up_proj\./, ".mlp.fc1."],
  [/\.mlp\.down_proj\./, ".mlp.fc2."],
];

/** The classifier, and what only pre-training needs; frequencies of rotary positions follow from the sizes. */
const LEFT_OUT = /^head\.|(^|\.)mask_token$|^rope|\.bias_mask$|^local_cls_norm\./;

/**
 * A vision transformer's weights by its own names: queries, keys and values in one matrix, and where registers came
 * into a model that had position embeddings already (DINOv2), the class token's is added to the token itself.
 */
export function ownTransformerWeights(published: PublishedWeights): PublishedWeights {
  const own: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(published)) {
    if (LEFT_OUT.test(name)) continue;
    own[RENAMES.reduce((text, [from, to]) => text.replace(from, to), name)] = tensor;
  }
  scope(() => {
    for (const name of Object.keys(own)) joinProjections(own, name);
    for (const name of Object.keys(published)) {
      const [, path] = /^(.+)\.attn\.qkv\.bias_mask$/.exec(name) ?? [];
      const bias = own[`${path}.attn.qkv.bias`];
      if (path === undefined || !bias) continue;
      const [q, k, v] = bias.chunk(3) as [Tensor, Tensor, Tensor];
      own[`${path}.attn.qkv.bias`] = cat([q, zerosLike(k), v]); // the mask takes the keys' away
    }
    foldClassPosition(own, published);
    return Object.values(own);
  });
  return own;
}

/** One matrix of queries, keys and values, and one bias; a part without a bias has zeros beside the others. */
function joinProjections(own: Record<string, Tensor>, name: string): void {
  const [, path, kind] = /^(.+\.attn\.)q\.(weight|bias)$/.exec(name) ?? [];
  if (path === undefined) return;
  const given = own[name]!; // of its keys
  const parts = ["q", "k", "v"].map((part) => own[`${path}${part}.${kind}`] ?? zerosLike(given));
  for (const part of ["q", "k", "v"]) delete own[`${path}${part}.${kind}`];
  own[`${path}qkv.${kind}`] = cat(parts);
}

function foldClassPosition(own: Record<string, Tensor>, published: PublishedWeights): void {
  const { cls_token: token, pos_embed: positions } = own;
  const hasLateRegisters = "register_tokens" in published || "embeddings.register_tokens" in published;
  if (!hasLateRegisters || !token || !positions) return;
  own.cls_token = token.add(positions.narrow(1, 0, 1));
  own.pos_embed = positions.narrow(1, 1, (positions.shape[1] as number) - 1).clone();
}
