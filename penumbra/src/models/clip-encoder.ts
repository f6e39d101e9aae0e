import { nn, scaledDotProductAttention, scope, type Tensor } from "@penumbra/torch";

/** Sizes of one of CLIP's two transformers, by transformers' names. */
export interface ClipEncoderSizes {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: keyof typeof activations;
  readonly layer_norm_eps: number;
}

interface LayerOptions extends ClipEncoderSizes {
  /** Whether a token sees only itself and those before it. */
  readonly isCausal: boolean;
}

/** Attention of every token to all of them, or to itself and to those before it. */
class ClipAttention extends nn.Module {
  readonly kProj: nn.Linear;
  readonly vProj: nn.Linear;
  readonly qProj: nn.Linear;
  readonly outProj: nn.Linear;
  readonly #heads: number;
  readonly #isCausal: boolean;

  constructor({ hidden_size: size, num_attention_heads: heads, isCausal }: LayerOptions) {
    super();
    this.#heads = heads;
    this.#isCausal = isCausal;
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
      { isCausal: this.#isCausal },
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

  constructor(sizes: ClipEncoderSizes) {
    super();
    this.#activation = activations[sizes.hidden_act];
    this.fc1 = new nn.Linear(sizes.hidden_size, sizes.intermediate_size);
    this.fc2 = new nn.Linear(sizes.intermediate_size, sizes.hidden_size);
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.#activation(this.fc1.forward(x)));
  }
}

class EncoderLayer extends nn.Module {
  readonly selfAttn: ClipAttention;
  readonly layerNorm1: nn.LayerNorm;
  readonly mlp: Mlp;
  readonly layerNorm2: nn.LayerNorm;

  constructor(options: LayerOptions) {
    super();
    const { hidden_size: size, layer_norm_eps: eps } = options;
    this.selfAttn = new ClipAttention(options);
    this.layerNorm1 = new nn.LayerNorm(size, { eps });
    this.mlp = new Mlp(options);
    this.layerNorm2 = new nn.LayerNorm(size, { eps });
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const attended = x.add(this.selfAttn.forward(this.layerNorm1.forward(x)));
      return attended.add(this.mlp.forward(this.layerNorm2.forward(attended)));
    });
  }
}

/** The transformer of CLIP's text and image encoders (transformers' CLIPEncoder, with its parameter names). */
export class ClipEncoder extends nn.Module {
  readonly layers: readonly EncoderLayer[];

  constructor(sizes: ClipEncoderSizes, { isCausal }: { readonly isCausal: boolean }) {
    super();
    this.layers = Array.from(
      { length: sizes.num_hidden_layers },
      () => new EncoderLayer({ ...sizes, isCausal }),
    );
  }

  /** @param x [B, L, hidden_size] @returns of the same shape */
  forward(x: Tensor): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h), x);
  }
}
