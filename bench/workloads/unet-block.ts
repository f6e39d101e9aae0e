import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { trainingStep, type Workload } from "./workload.ts";

const SHAPE = { batch: 8, size: 16, channels: 128, heads: 4, context: 96, tokens: 77, groups: 32 };

/** GroupNorm, SiLU, convolution, twice; the time embedding is added between the halves. */
class Residual extends nn.Module<[Tensor, Tensor]> {
  readonly norm1 = new nn.GroupNorm(SHAPE.groups, SHAPE.channels);
  readonly conv1 = new nn.Conv2d(SHAPE.channels, SHAPE.channels, 3, { padding: 1 });
  readonly timeEmbProj = new nn.Linear(4 * SHAPE.channels, SHAPE.channels);
  readonly norm2 = new nn.GroupNorm(SHAPE.groups, SHAPE.channels);
  readonly conv2 = new nn.Conv2d(SHAPE.channels, SHAPE.channels, 3, { padding: 1 });

  forward(x: Tensor, time: Tensor): Tensor {
    const hidden = this.conv1.forward(this.norm1.forward(x).silu());
    const shift = this.timeEmbProj.forward(time.silu()).unsqueeze(-1).unsqueeze(-1); // [B, C, 1, 1]
    return this.conv2.forward(this.norm2.forward(hidden.add(shift)).silu()).add(x);
  }
}

class Attention extends nn.Module<[Tensor, Tensor]> {
  readonly toQ = new nn.Linear(SHAPE.channels, SHAPE.channels, { bias: false });
  readonly toK: nn.Linear;
  readonly toV: nn.Linear;
  readonly toOut = new nn.Linear(SHAPE.channels, SHAPE.channels);

  constructor(context: number) {
    super();
    this.toK = new nn.Linear(context, SHAPE.channels, { bias: false });
    this.toV = new nn.Linear(context, SHAPE.channels, { bias: false });
  }

  forward(x: Tensor, context: Tensor): Tensor {
    const split = (rows: Tensor): Tensor => rows.unflatten(-1, [SHAPE.heads, -1]).transpose(1, 2); // [B, heads, N, D]
    const attended = torch.scaledDotProductAttention(
      split(this.toQ.forward(x)),
      split(this.toK.forward(context)),
      split(this.toV.forward(context)),
    );
    return this.toOut.forward(attended.transpose(1, 2).flatten({ startDim: 2 }));
  }
}

/** Self-attention over the positions, cross-attention to the words, gated feed-forward layers. */
class Transformer extends nn.Module<[Tensor, Tensor]> {
  readonly norm = new nn.GroupNorm(SHAPE.groups, SHAPE.channels, { eps: 1e-6 });
  readonly projIn = new nn.Conv2d(SHAPE.channels, SHAPE.channels, 1);
  readonly norm1 = new nn.LayerNorm(SHAPE.channels);
  readonly attn1 = new Attention(SHAPE.channels);
  readonly norm2 = new nn.LayerNorm(SHAPE.channels);
  readonly attn2 = new Attention(SHAPE.context);
  readonly norm3 = new nn.LayerNorm(SHAPE.channels);
  readonly gate = new nn.Linear(SHAPE.channels, 8 * SHAPE.channels);
  readonly out = new nn.Linear(4 * SHAPE.channels, SHAPE.channels);
  readonly projOut = new nn.Conv2d(SHAPE.channels, SHAPE.channels, 1);

  forward(x: Tensor, words: Tensor): Tensor {
    const { batch, size, channels } = SHAPE;
    const projected = this.projIn.forward(this.norm.forward(x));
    let rows = projected.permute([0, 2, 3, 1]).reshape([batch, size * size, channels]); // [B, N, C]
    const normed = this.norm1.forward(rows);
    rows = rows.add(this.attn1.forward(normed, normed));
    rows = rows.add(this.attn2.forward(this.norm2.forward(rows), words));
    const [value, gate] = this.gate.forward(this.norm3.forward(rows)).chunk(2, { dim: -1 }) as [
      Tensor,
      Tensor,
    ];
    rows = rows.add(this.out.forward(value.mul(gate.gelu())));
    return this.projOut.forward(rows.reshape([batch, size, size, channels]).permute([0, 3, 1, 2])).add(x);
  }
}

class Level extends nn.Module<[Tensor, Tensor, Tensor]> {
  readonly resnet = new Residual();
  readonly attention = new Transformer();
  readonly conv = new nn.Conv2d(SHAPE.channels, SHAPE.channels, 3, { padding: 1 });

  forward(x: Tensor, time: Tensor, words: Tensor): Tensor {
    return this.conv.forward(this.attention.forward(this.resnet.forward(x, time), words));
  }
}

/** One level of a diffusion UNet: residual block with time, attention to itself and to words, convolution. */
export const unetBlock: Workload = {
  module: "unet_block",
  parameters: SHAPE,
  build() {
    const { batch, channels, size, tokens, context } = SHAPE;
    const model = new Level();
    const latents = torch.randn([batch, channels, size, size]);
    const noise = torch.randn([batch, channels, size, size]);
    const time = torch.randn([batch, 4 * channels]);
    const words = torch.randn([batch, tokens, context]);
    return trainingStep(model, () => model.forward(latents, time, words).mseLoss(noise));
  },
};
