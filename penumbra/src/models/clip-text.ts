import { arange, embedding, nn, scaledDotProductAttention, scope, type Tensor, where } from "@penumbra/torch";
import { type ClipTextConfig, type ClipTextConfigInput, parseClipTextConfig } from "./clip-text-config.ts";
import type { RawConfig } from "./model-config.ts";

/** Attention of every token to itself and to those before it. */
class CausalAttention extends nn.Module {
  readonly kProj: nn.Linear;
  readonly vProj: nn.Linear;
  readonly qProj: nn.Linear;
  readonly outProj: nn.Linear;
  readonly #heads: number;

  constructor(size: number, heads: number) {
    super();
    this.#heads = heads;
    this.kProj = new nn.Linear(size, size);
    this.vProj = new nn.Linear(size, size);
    this.qProj = new nn.Linear(size, size);
    this.outProj = new nn.Linear(size, size);
  }

  forward(x: Tensor): Tensor {
    const split = (t: Tensor) => t.unflatten(-1, [this.#heads, -1]).transpose(1, 2); // [B, L, D] -> [B, heads, L, d]
    const attended = scaledDotProductAttention(
      split(this.qProj.forward(x)),
      split(this.kProj.forward(x)),
      split(this.vProj.forward(x)),
      { isCausal: true },
    );
    return this.outProj.forward(attended.transpose(1, 2).flatten({ startDim: 2 }));
  }
}

const activations = {
  gelu: (x: Tensor) => x.gelu(),
  // Hendrycks and Gimpel's sigmoid approximation, as OpenAI's CLIP was trained with.
  quick_gelu: (x: Tensor) => x.mul(x.mul(1.702).sigmoid()),
};

class Mlp extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(config: ClipTextConfig) {
    super();
    this.#activation = activations[config.hidden_act];
    this.fc1 = new nn.Linear(config.hidden_size, config.intermediate_size);
    this.fc2 = new nn.Linear(config.intermediate_size, config.hidden_size);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.#activation(this.fc1.forward(x)));
  }
}

class EncoderLayer extends nn.Module {
  readonly selfAttn: CausalAttention;
  readonly layerNorm1: nn.LayerNorm;
  readonly mlp: Mlp;
  readonly layerNorm2: nn.LayerNorm;

  constructor(config: ClipTextConfig) {
    super();
    const eps = config.layer_norm_eps;
    this.selfAttn = new CausalAttention(config.hidden_size, config.num_attention_heads);
    this.layerNorm1 = new nn.LayerNorm(config.hidden_size, { eps });
    this.mlp = new Mlp(config);
    this.layerNorm2 = new nn.LayerNorm(config.hidden_size, { eps });
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const attended = x.add(this.selfAttn.forward(this.layerNorm1.forward(x)));
      return attended.add(this.mlp.forward(this.layerNorm2.forward(attended)));
    });
  }
}

class Encoder extends nn.Module {
  readonly layers: readonly EncoderLayer[];

  constructor(config: ClipTextConfig) {
    super();
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new EncoderLayer(config));
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h), x);
  }
}

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
  readonly encoder: Encoder;
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
    this.encoder = new Encoder(this.config);
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
