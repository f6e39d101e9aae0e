import { arange, embedding, nn, scope, type Tensor, where } from "@penumbra/torch";
import { ClipEncoder } from "./clip-encoder.ts";
import { type ClipTextConfig, type ClipTextConfigInput, parseClipTextConfig } from "./clip-text-config.ts";
import type { RawConfig } from "./model-config.ts";
import { findNetwork, loadWeights } from "./network-folder.ts";

export interface ClipTextOptions {
  /**
   * [K, D]: embeddings of words that are not in the table. Row k stands for the id `vocab_size + k`; gradients flow
   * to it, so that a word can be learned while the table stays as it is (textual inversion).
   */
  words?: Tensor | null;
}

class Embeddings extends nn.Module<[Tensor, ClipTextOptions?]> {
  readonly tokenEmbedding: nn.Embedding;
  readonly positionEmbedding: nn.Embedding;

  constructor(config: ClipTextConfig) {
    super();
    this.tokenEmbedding = new nn.Embedding(config.vocab_size, config.hidden_size);
    this.positionEmbedding = new nn.Embedding(config.max_position_embeddings, config.hidden_size);
  }

  forward(ids: Tensor, { words = null }: ClipTextOptions = {}): Tensor {
    const positions = arange(ids.shape[1] as number, { dtype: "int64", device: ids.device });
    return this.#tokens(ids, words).add(this.positionEmbedding.forward(positions)); // [B, L, D]
  }

  #tokens(ids: Tensor, words: Tensor | null): Tensor {
    if (!words) return this.tokenEmbedding.forward(ids);
    const size = this.tokenEmbedding.numEmbeddings;
    const known = this.tokenEmbedding.forward(ids.clamp({ max: size - 1 }));
    const added = embedding(words.to(known.dtype), ids.sub(size).clamp({ min: 0 }));
    return where(ids.ge(size).unsqueeze(-1), added, known);
  }
}

/**
 * CLIP's text encoder (Radford et al. 2021), transformers' CLIPTextModel with its parameter names (without the
 * leading `text_model.` of most published files, which loading removes).
 *
 * @example
 * const context = textEncoder.forward(tokenizer.encodeBatch(["a photo of a relay"])); // [1, 77, D]
 */
export class CLIPTextModel extends nn.Module<[Tensor, ClipTextOptions?]> {
  readonly embeddings: Embeddings;
  readonly encoder: ClipEncoder;
  readonly finalLayerNorm: nn.LayerNorm;
  readonly config: ClipTextConfig;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(config: ClipTextConfigInput | RawConfig = {}, where?: string) {
    super();
    this.config = parseClipTextConfig(config, where);
    this.embeddings = new Embeddings(this.config);
    this.encoder = new ClipEncoder(this.config, { isCausal: true });
    this.finalLayerNorm = new nn.LayerNorm(this.config.hidden_size, { eps: this.config.layer_norm_eps });
  }

  /**
   * The last hidden state after the final norm.
   *
   * @param ids int64 [B, L] on the model's device, L at most `max_position_embeddings`
   * @returns [B, L, hidden_size]
   */
  forward(ids: Tensor, options: ClipTextOptions = {}): Tensor {
    return scope(() =>
      this.finalLayerNorm.forward(this.encoder.forward(this.embeddings.forward(ids, options))),
    );
  }
}

/** What CLIP's text encoder says of texts. */
export interface ClipTextOutput {
  /** [B, projection_dim], not normalised */
  readonly embeds: Tensor;
  /** [B, L, hidden_size]: of every token, after the final norm */
  readonly hidden: Tensor;
}

/** The end mark that transformers takes for an old configuration's mistake: the mark is then the largest id. */
const LEGACY_END = 2;

/**
 * CLIP's text encoder with the projection into the space that it shares with the image encoder (Radford et al. 2021,
 * section 2.4), transformers' CLIPTextModelWithProjection: a text is its end mark.
 */
export class CLIPTextModelWithProjection extends nn.Module<[Tensor], ClipTextOutput> {
  readonly textModel: CLIPTextModel;
  readonly textProjection: nn.Linear;

  /** @throws ModelError naming every field that is wrong or not supported */
  constructor(config: ClipTextConfigInput | RawConfig = {}, where?: string) {
    super();
    this.textModel = new CLIPTextModel(config, where);
    const { hidden_size: size, projection_dim: embedding } = this.config;
    this.textProjection = new nn.Linear(size, embedding, { bias: false });
  }

  get config(): ClipTextConfig {
    return this.textModel.config;
  }

  /**
   * Reads a folder with config.json and weights, as transformers writes it.
   * @throws ModelError naming the file and what is wrong
   */
  static load(folder: string): CLIPTextModelWithProjection {
    const { config, configFile, weightsFile } = findNetwork(folder);
    const text = nn.init.skip(() => new CLIPTextModelWithProjection(config, configFile));
    loadWeights(text, weightsFile, withoutPositionIds);
    return text;
  }

  /** @param ids int64 [B, L] on the model's device, each row with an end mark */
  forward(ids: Tensor): ClipTextOutput {
    return scope(() => {
      const hidden = this.textModel.forward(ids); // [B, L, D]
      const { eos_token_id: end, hidden_size: size } = this.config;
      const marks = end === null || end === LEGACY_END ? ids : ids.eq(end).to("int64");
      const place = marks.argmax({ dim: 1 }).view([-1, 1, 1]).expand([-1, 1, size]);
      const pooled = hidden.gather(1, place).squeeze([1]); // [B, D]
      return { embeds: this.textProjection.forward(pooled), hidden };
    });
  }
}

/** Old versions of transformers saved the numbers 0 … L as a buffer. */
export function withoutPositionIds(published: string): string | null {
  return published.endsWith(".position_ids") ? null : published;
}
