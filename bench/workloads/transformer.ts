import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { trainingStep, type Workload } from "./workload.ts";

export const TRANSFORMER_SHAPE = {
  batch: 16,
  vocabulary: 1000,
  length: 128,
  channels: 256,
  heads: 4,
  layers: 4,
};

class Block extends nn.Module {
  readonly #heads: number;
  readonly norm1: nn.LayerNorm;
  readonly qkv: nn.Linear;
  readonly out: nn.Linear;
  readonly norm2: nn.LayerNorm;
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;

  constructor(channels: number, heads: number) {
    super();
    this.#heads = heads;
    this.norm1 = new nn.LayerNorm(channels);
    this.qkv = new nn.Linear(channels, 3 * channels);
    this.out = new nn.Linear(channels, channels);
    this.norm2 = new nn.LayerNorm(channels);
    this.fc1 = new nn.Linear(channels, 4 * channels);
    this.fc2 = new nn.Linear(4 * channels, channels);
  }

  forward(x: Tensor): Tensor {
    const [q, k, v] = this.qkv
      .forward(this.norm1.forward(x))
      .chunk(3, { dim: -1 })
      .map((part) => part.unflatten(-1, [this.#heads, -1]).transpose(1, 2)) as [Tensor, Tensor, Tensor]; // [B, heads, N, D]
    const attended = torch.scaledDotProductAttention(q, k, v, { isCausal: true });
    const hidden = x.add(this.out.forward(attended.transpose(1, 2).flatten({ startDim: 2 })));
    return hidden.add(this.fc2.forward(this.fc1.forward(this.norm2.forward(hidden)).gelu()));
  }
}

export class Transformer extends nn.Module {
  readonly tokens: nn.Embedding;
  readonly positions: nn.Embedding;
  readonly blocks: Block[];
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear;

  constructor({ vocabulary, length, channels, heads, layers }: typeof TRANSFORMER_SHAPE) {
    super();
    this.tokens = new nn.Embedding(vocabulary, channels);
    this.positions = new nn.Embedding(length, channels);
    this.blocks = Array.from({ length: layers }, () => new Block(channels, heads));
    this.norm = new nn.LayerNorm(channels);
    this.head = new nn.Linear(channels, vocabulary);
  }

  forward(ids: Tensor): Tensor {
    let x = this.tokens.forward(ids).add(this.positions.weight); // [B, N, C]
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x)); // [B, N, vocabulary]
  }
}

/** A small causal transformer. */
export const transformer: Workload = {
  module: "transformer",
  parameters: TRANSFORMER_SHAPE,
  build() {
    const { vocabulary, batch, length } = TRANSFORMER_SHAPE;
    const model = new Transformer(TRANSFORMER_SHAPE);
    const ids = torch.randint(vocabulary, [batch, length], { dtype: "int64" });
    const targets = torch.randint(vocabulary, [batch * length], { dtype: "int64" });
    return trainingStep(model, () =>
      model.forward(ids).flatten({ startDim: 0, endDim: 1 }).crossEntropyLoss(targets),
    );
  },
};
