import { cat, nn, ones, scaledDotProductAttention, scope, type Tensor, zeros } from "@penumbra/torch";
import { ModelError } from "./errors.ts";
import { ImageEncoder, type Layer } from "./image-encoder.ts";
import { type Grid, interpolatePositions, rotaryPositions, turned } from "./position-embedding.ts";

/** Stages that are read: the class token after so many evenly spaced blocks. */
const STAGES = 4;

/** Width of the frequencies of DINOv3's rotary positions: the base of their periods. */
const ROPE_BASE = 100;

export interface VisionTransformerOptions {
  /** Side of the square images that the position embeddings are for; others are interpolated. Default 224. */
  readonly imageSize?: number;
  /** Side of a patch. Default 16. */
  readonly patchSize?: number;
  /** D. Default 384, as ViT-S; 768 is ViT-B, 1024 ViT-L. */
  readonly dimensions?: number;
  /** Blocks. Default 12; ViT-L has 24. */
  readonly depth?: number;
  /** Heads of attention. Default D / 64. */
  readonly heads?: number;
  /** Hidden units of a block's MLP for each dimension. Default 4. */
  readonly mlpRatio?: number;
  /** Register tokens (Darcet et al. 2024), between class token and patches. Default 0. */
  readonly registers?: number;
  /** First value of LayerScale (Touvron et al. 2021); null = the blocks have none. Default null. */
  readonly layerScale?: number | null;
  /** Whether class and register tokens have a position embedding (timm: no_embed_class=False). Default true. */
  readonly embedsPrefix?: boolean;
  /**
   * What tells patches their places: "learned" embeddings, or "rotary": queries and keys are turned by their patch's
   * place (Su et al. 2021; on the axes of an image as in DINOv3, Simeoni et al. 2025). Default "learned".
   */
  readonly positions?: Positions;
  /** Whether queries, keys and values have biases. Default true. */
  readonly qkvBias?: boolean;
  /** Adds the linear layer `head` to this many classes. Default: none, `forward` gives features. */
  readonly classes?: number;
}

export const POSITIONS = ["learned", "rotary"] as const;
export type Positions = (typeof POSITIONS)[number];

/**
 * Vision transformer (Dosovitskiy et al. 2021) with the parameter names of timm's `VisionTransformer`; with registers
 * and LayerScale it is DINOv2's (Oquab et al. 2024), with rotary positions too DINOv3's. An image's features are its
 * class token after the last norm.
 *
 * Images of any size that is a multiple of the patch's: learned position embeddings are interpolated, rotary ones go
 * from -1 to 1 over the image whatever its size.
 *
 * @example
 * const encoder = new VisionTransformer({ patchSize: 14, imageSize: 518, layerScale: 1e-5 });
 * const features = encoder.features(images); // [B, 3, 224, 224] -> [B, 384]
 */
export class VisionTransformer extends ImageEncoder {
  readonly dimensions: number;
  readonly stageDimensions: readonly number[];
  readonly clsToken: Tensor;
  readonly regToken: Tensor | null;
  /** Null where positions are rotary. */
  readonly posEmbed: Tensor | null;
  readonly patchEmbed: PatchEmbedding;
  readonly blocks: readonly TransformerBlock[];
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear | null;
  /** The block after which each stage is read, from 1. */
  readonly stageEnds: readonly number[];
  /** Tokens before the patches that have embeddings of positions: all of them or none. */
  readonly embeddedPrefix: number;
  readonly #headSize: number;

  /** @throws ModelError for an image that patches do not divide, and for heads that do not divide D */
  constructor({
    imageSize = 224,
    patchSize = 16,
    dimensions = 384,
    depth = 12,
    heads = dimensions / 64,
    mlpRatio = 4,
    registers = 0,
    layerScale = null,
    embedsPrefix = true,
    positions = "learned",
    qkvBias = true,
    classes,
  }: VisionTransformerOptions = {}) {
    super();
    requireHeads(dimensions, heads);
    this.#headSize = dimensions / heads;
    const stages = Math.min(STAGES, depth);
    this.stageEnds = Array.from({ length: stages }, (_, i) => Math.round((depth * (i + 1)) / stages));
    this.embeddedPrefix = embedsPrefix ? 1 + registers : 0;
    this.dimensions = dimensions;
    this.stageDimensions = this.stageEnds.map(() => dimensions);
    const drawn = (std: number, count: number) =>
      nn.parameter(nn.init.truncNormal_(zeros([1, count, dimensions]), { std }));
    this.clsToken = drawn(1e-6, 1);
    this.regToken = registers === 0 ? null : drawn(1e-6, registers);
    const isLearned = positions === "learned";
    const [side] = isLearned ? gridOf([imageSize, imageSize], patchSize) : [0];
    this.posEmbed = isLearned ? drawn(0.02, side * side + this.embeddedPrefix) : null;
    this.patchEmbed = new PatchEmbedding(patchSize, dimensions);
    const norm = { eps: isLearned ? 1e-6 : 1e-5 }; // DINOv3's norms have the second
    const sizes = { dimensions, heads, hidden: Math.round(mlpRatio * dimensions) };
    const block = { ...sizes, layerScale, qkvBias, norm };
    this.blocks = Array.from({ length: depth }, () => new TransformerBlock(block));
    this.norm = new nn.LayerNorm(dimensions, norm);
    this.head = classes === undefined ? null : new nn.Linear(dimensions, classes);
    for (const module of this.modules()) {
      if (!(module instanceof nn.Linear)) continue;
      nn.init.truncNormal_(module.weight, { std: 0.02 });
      if (module.bias) nn.init.zeros_(module.bias);
    }
  }

  /**
   * The class token after the last norm.
   * @param images [B, 3, H, W], normalised
   * @returns [B, D]
   */
  features(images: Tensor): Tensor {
    return scope(() => {
      const turns = this.turns(images.shape.slice(2) as [number, number]);
      return this.#classToken(
        this.blocks.reduce((x, block) => this.run(block, x, ...turns), this.tokens(images)),
      );
    });
  }

  /**
   * The class token after each of four evenly spaced blocks, through the last norm.
   * @param images [B, 3, H, W], normalised
   * @returns four of [B, D]; the last are the features
   */
  stages(images: Tensor): Tensor[] {
    return scope(() => {
      const turns = this.turns(images.shape.slice(2) as [number, number]);
      let x = this.tokens(images);
      const classTokens: Tensor[] = [];
      for (const [index, block] of this.blocks.entries()) {
        x = this.run(block, x, ...turns);
        if (this.stageEnds.includes(index + 1)) classTokens.push(this.#classToken(x));
      }
      return classTokens;
    });
  }

  layers(): readonly Layer[] {
    const { patchEmbed, clsToken, regToken, posEmbed, norm, head } = this;
    return [
      [patchEmbed, clsToken, ...[regToken, posEmbed].filter((token) => token !== null)],
      ...this.blocks.map((block) => [block]),
      [norm, ...(head ? [head] : [])],
    ];
  }

  /** Class logits [B, classes] where the network has a head, else the features [B, D]. */
  override forward(images: Tensor): Tensor {
    const features = this.features(images);
    return this.head ? this.head.forward(features) : features;
  }

  /**
   * What the first block sees: class token, registers and patches, with their positions.
   * @param images [B, 3, H, W], normalised
   * @returns [B, 1 + registers + H W / patch^2, D]
   * @throws ModelError for images that patches do not divide
   */
  tokens(images: Tensor): Tensor {
    return scope(() => {
      const [batch, , height, width] = images.shape as [number, number, number, number];
      const positions = this.positions([height, width]);
      const patches = this.patchEmbed.forward(images); // [B, h w, D]
      const prefix = [this.clsToken, ...(this.regToken ? [this.regToken] : [])].map((token) =>
        token.to(patches.dtype).expand([batch, -1, -1]),
      );
      if (!positions) return cat([...prefix, patches], { dim: 1 });
      return this.embeddedPrefix > 0
        ? cat([...prefix, patches], { dim: 1 }).add(positions)
        : cat([...prefix, patches.add(positions)], { dim: 1 });
    });
  }

  /**
   * Embeddings of the positions in images of this size, [1, embeddedPrefix + H W / patch^2, D]; null where they are
   * rotary.
   * @throws ModelError for images that patches do not divide
   */
  positions(size: readonly [height: number, width: number]): Tensor | null {
    const grid = gridOf(size, this.patchEmbed.patchSize);
    return this.posEmbed && interpolatePositions(this.posEmbed, grid, { prefix: this.embeddedPrefix });
  }

  /**
   * What the blocks need besides the tokens: the table of rotary positions, [2, tokens, D / heads], where they are
   * rotary.
   */
  turns(size: readonly [height: number, width: number]): Tensor[] {
    if (this.posEmbed) return [];
    const grid = gridOf(size, this.patchEmbed.patchSize);
    const table = rotaryPositions(grid, {
      size: this.#headSize,
      base: ROPE_BASE,
      prefix: 1 + (this.regToken?.shape[1] ?? 0),
    });
    return [table.to(this.clsToken.device)];
  }

  #classToken(x: Tensor): Tensor {
    return scope(() => this.norm.forward(x.select(1, 0)));
  }
}

/** A linear layer over patches that do not overlap: [B, 3, H, W] -> [B, H W / patch^2, D]. */
class PatchEmbedding extends nn.Module {
  readonly proj: nn.Conv2d;
  readonly patchSize: number;

  constructor(patchSize: number, dimensions: number) {
    super();
    this.patchSize = patchSize;
    this.proj = new nn.Conv2d(3, dimensions, patchSize, { stride: patchSize });
  }

  override forward(images: Tensor): Tensor {
    return this.proj.forward(images).flatten({ startDim: 2 }).transpose(1, 2);
  }
}

interface BlockOptions {
  readonly dimensions: number;
  readonly heads: number;
  readonly hidden: number;
  readonly layerScale: number | null;
  readonly qkvBias: boolean;
  readonly norm: { readonly eps: number };
}

/** x + attention(norm(x)), then x + MLP(norm(x)); each addend scaled per channel where there is LayerScale. */
export class TransformerBlock extends nn.Module<[Tensor, Tensor?]> {
  readonly norm1: nn.LayerNorm;
  readonly attn: SelfAttention;
  readonly ls1: LayerScale | null;
  readonly norm2: nn.LayerNorm;
  readonly mlp: Mlp;
  readonly ls2: LayerScale | null;

  constructor({ dimensions, heads, hidden, layerScale, qkvBias, norm }: BlockOptions) {
    super();
    const scale = () => (layerScale === null ? null : new LayerScale(dimensions, layerScale));
    this.norm1 = new nn.LayerNorm(dimensions, norm);
    this.attn = new SelfAttention(dimensions, heads, qkvBias);
    this.ls1 = scale();
    this.norm2 = new nn.LayerNorm(dimensions, norm);
    this.mlp = new Mlp(dimensions, hidden);
    this.ls2 = scale();
  }

  override forward(x: Tensor, turns?: Tensor): Tensor {
    return scope(() => {
      const attended = this.attn.forward(this.norm1.forward(x), turns);
      const h = x.add(this.ls1 ? this.ls1.forward(attended) : attended);
      const transformed = this.mlp.forward(this.norm2.forward(h));
      return h.add(this.ls2 ? this.ls2.forward(transformed) : transformed);
    });
  }
}

/** softmax(q k^T / sqrt(d)) v over all tokens (Vaswani et al. 2017, eq. 1), q and k turned where a table is given. */
export class SelfAttention extends nn.Module<[Tensor, Tensor?]> {
  readonly qkv: nn.Linear;
  readonly proj: nn.Linear;
  readonly heads: number;

  constructor(dimensions: number, heads: number, qkvBias: boolean) {
    super();
    this.heads = heads;
    this.qkv = new nn.Linear(dimensions, 3 * dimensions, { bias: qkvBias });
    this.proj = new nn.Linear(dimensions, dimensions);
  }

  override forward(x: Tensor, turns?: Tensor): Tensor {
    const parts = this.qkv.forward(x).unflatten(-1, [3, this.heads, -1]); // [B, N, 3, heads, d]
    const [q, k, v] = parts.permute([2, 0, 3, 1, 4]).unbind() as [Tensor, Tensor, Tensor]; // [B, heads, N, d]
    const attended = turns
      ? scaledDotProductAttention(turned(q, turns), turned(k, turns), v)
      : scaledDotProductAttention(q, k, v);
    return this.proj.forward(attended.transpose(1, 2).flatten({ startDim: 2 }));
  }
}

class Mlp extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;

  constructor(dimensions: number, hidden: number) {
    super();
    this.fc1 = new nn.Linear(dimensions, hidden);
    this.fc2 = new nn.Linear(hidden, dimensions);
  }

  override forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).gelu());
  }
}

/** gamma x, one gamma a channel (Touvron et al. 2021, "Going deeper with image transformers", eq. 4). */
class LayerScale extends nn.Module {
  readonly gamma: Tensor;

  constructor(dimensions: number, first: number) {
    super();
    this.gamma = nn.parameter(ones([dimensions]).mul(first));
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.gamma);
  }
}

/** @throws ModelError for images that patches do not divide */
function gridOf([height, width]: readonly [number, number], patch: number): Grid {
  if (height % patch === 0 && width % patch === 0) return [height / patch, width / patch];
  throw new ModelError(
    `The images are ${height} x ${width} px, the transformer's patches ${patch} x ${patch}. Set a size that is a multiple of ${patch}, such as ${patch * Math.max(1, Math.round(height / patch))}.`,
  );
}

function requireHeads(dimensions: number, heads: number): void {
  if (Number.isInteger(heads) && heads > 0 && dimensions % heads === 0) return;
  throw new ModelError(
    `A transformer of ${dimensions} dimensions has no ${heads} heads. Set "heads" to a divisor of ${dimensions}.`,
  );
}
