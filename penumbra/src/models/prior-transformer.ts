import { cat, full, nn, ones, scope, type Tensor, zeros } from "@penumbra/torch";
import type { RawConfig } from "./model-config.ts";
import { findNetwork, loadWeights } from "./network-folder.ts";
import {
  type PriorTransformerConfig,
  type PriorTransformerConfigInput,
  parsePriorConfig,
} from "./prior-transformer-config.ts";
import { sinusoid, TimestepEmbedding } from "./timestep-embedding.ts";
import { Attention, FeedForward } from "./transformer.ts";

/** What is added to the score of a token that may not be looked at, as in diffusers. */
const HIDDEN = -10_000;

/** Attention to itself and feed-forward, each behind a norm and added. */
class PriorBlock extends nn.Module<[Tensor, (Tensor | null)?]> {
  readonly norm1: nn.LayerNorm;
  readonly attn1: Attention;
  readonly norm3: nn.LayerNorm;
  readonly ff: FeedForward;

  constructor(channels: number, heads: number) {
    super();
    this.norm1 = new nn.LayerNorm(channels);
    this.attn1 = new Attention(channels, channels, heads, { bias: true });
    this.norm3 = new nn.LayerNorm(channels);
    this.ff = new FeedForward(channels, { isGated: false });
  }

  forward(x: Tensor, mask: Tensor | null = null): Tensor {
    return scope(() => {
      const h = x.add(this.attn1.forward(this.norm1.forward(x), undefined, mask));
      return h.add(this.ff.forward(this.norm3.forward(h)));
    });
  }
}

/** What the prior is told. */
export interface PriorConditions {
  /** [B, embedding_dim]: the text's embedding */
  readonly textEmbeds: Tensor;
  /** [B, num_embeddings, embedding_dim]: the text's tokens */
  readonly textHidden: Tensor;
  /** [B, num_embeddings], 1 where there is a token; with it every token sees only itself and those before it */
  readonly textMask?: Tensor | null;
}

/**
 * The prior of unCLIP (Ramesh et al. 2022, section 2.2), diffusers' PriorTransformer with its parameter names: predicts
 * an image's embedding from a noisy one and a text. The tokens are the text's, its embedding, the timestep, the noisy
 * embedding and one whose output is the prediction.
 */
export class PriorTransformer extends nn.Module<[Tensor, number | Tensor, PriorConditions]> {
  readonly timeEmbedding: TimestepEmbedding;
  readonly projIn: nn.Linear;
  readonly embeddingProj: nn.Linear;
  readonly encoderHiddenStatesProj: nn.Linear;
  readonly positionalEmbedding: Tensor;
  readonly prdEmbedding: Tensor;
  readonly transformerBlocks: readonly PriorBlock[];
  readonly normOut: nn.LayerNorm;
  readonly projToClipEmbeddings: nn.Linear;
  /** Mean and standard deviation of the embeddings that it was trained on, [1, embedding_dim]; not trained. */
  readonly clipMean: Tensor;
  readonly clipStd: Tensor;
  readonly config: PriorTransformerConfig;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(input: PriorTransformerConfigInput | RawConfig = {}, where?: string) {
    super();
    const config = parsePriorConfig(input, where);
    this.config = config;
    const { num_attention_heads: heads, embedding_dim: embedding, num_layers: layers } = config;
    const inner = heads * config.attention_head_dim;
    const tokens = config.num_embeddings + config.additional_embeddings;
    this.timeEmbedding = new TimestepEmbedding(inner, inner);
    this.projIn = new nn.Linear(embedding, inner);
    this.embeddingProj = new nn.Linear(embedding, inner);
    this.encoderHiddenStatesProj = new nn.Linear(embedding, inner);
    this.positionalEmbedding = nn.parameter(zeros([1, tokens, inner]));
    this.prdEmbedding = nn.parameter(zeros([1, 1, inner]));
    this.transformerBlocks = Array.from({ length: layers }, () => new PriorBlock(inner, heads));
    this.normOut = new nn.LayerNorm(inner);
    this.projToClipEmbeddings = new nn.Linear(inner, embedding);
    this.clipMean = nn.buffer(zeros([1, embedding]));
    this.clipStd = nn.buffer(ones([1, embedding]));
  }

  /**
   * Reads a folder with config.json and weights, as diffusers writes it.
   * @throws ModelError naming the file and what is wrong
   */
  static load(folder: string): PriorTransformer {
    const { config, configFile, weightsFile } = findNetwork(folder);
    const prior = nn.init.skip(() => new PriorTransformer(config, configFile));
    loadWeights(prior, weightsFile);
    return prior;
  }

  /**
   * @param noisy noisy embeddings in the prior's own scale, see {@link normalised}: [B, embedding_dim]
   * @param timesteps one number for all, or a tensor [B]
   * @returns [B, embedding_dim]: the embedding without noise, in the same scale
   */
  forward(
    noisy: Tensor,
    timesteps: number | Tensor,
    { textEmbeds, textHidden, textMask = null }: PriorConditions,
  ): Tensor {
    return scope(() => {
      const batch = noisy.shape[0]!;
      const steps =
        typeof timesteps === "number" ? full([batch], timesteps, { device: noisy.device }) : timesteps;
      const waves = sinusoid(steps, this.projIn.outFeatures, { freqShift: 0, flipSinToCos: true });
      const tokens = [
        this.encoderHiddenStatesProj.forward(textHidden),
        ...[
          this.embeddingProj.forward(textEmbeds),
          this.timeEmbedding.forward(waves.to(noisy.dtype)),
          this.projIn.forward(noisy),
        ].map((token) => token.unsqueeze(1)),
      ];
      const asked = this.prdEmbedding.to(tokens[0]!.dtype).expand([batch, -1, -1]);
      let h = cat([...tokens, asked], { dim: 1 }).add(this.positionalEmbedding); // [B, N, C]
      const mask = textMask && this.#mask(textMask).to(h.dtype);
      for (const block of this.transformerBlocks) h = block.forward(h, mask);
      return this.projToClipEmbeddings.forward(this.normOut.forward(h).select(1, -1));
    });
  }

  /** What is added to the scores, [B, 1, N, N]. @param textMask [B, num_embeddings] */
  #mask(textMask: Tensor): Tensor {
    const hidden = textMask.to("float32").neg().add(1).mul(HIDDEN);
    const padded = hidden.constantPadNd([0, this.config.additional_embeddings]); // [B, N]
    const count = padded.shape[1]!;
    const later = full([count, count], HIDDEN, { device: textMask.device }).triu({ diagonal: 1 });
    return padded.unsqueeze(1).add(later).unsqueeze(1);
  }

  /** Embeddings in the scale in which the prior works. */
  normalised(embeds: Tensor): Tensor {
    return scope(() => embeds.sub(this.clipMean).div(this.clipStd));
  }

  /** The way back: embeddings as the image encoder gives them (diffusers' post_process_latents). */
  embedsOf(normalised: Tensor): Tensor {
    return scope(() => normalised.mul(this.clipStd).add(this.clipMean));
  }
}
