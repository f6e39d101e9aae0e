// The networks of fixtures/make.py, built from the layers of nn.
import { arange, nn, type Tensor } from "../src/index.ts";

class BasicBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(inputs: number, outputs: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(inputs, outputs, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(outputs);
    this.conv2 = new nn.Conv2d(outputs, outputs, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(outputs);
    const changes = stride !== 1 || inputs !== outputs;
    this.downsample = changes
      ? new nn.Sequential(
          new nn.Conv2d(inputs, outputs, 1, { stride, bias: false }),
          new nn.BatchNorm2d(outputs),
        )
      : null;
  }

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.forward(this.conv1.forward(x)).relu();
    const shortcut = this.downsample ? this.downsample.forward(x) : x;
    return this.bn2.forward(this.conv2.forward(hidden)).add(shortcut).relu();
  }
}

/** ResNet-18 (He et al. 2016) with torchvision's names and a settable width in place of 64. */
export class ResNet18 extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear;

  constructor({ width, classes }: { width: number; classes: number }) {
    super();
    const stage = (inputs: number, outputs: number, stride: number) =>
      new nn.Sequential(new BasicBlock(inputs, outputs, stride), new BasicBlock(outputs, outputs, 1));
    this.conv1 = new nn.Conv2d(3, width, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(width);
    this.layer1 = stage(width, width, 1);
    this.layer2 = stage(width, 2 * width, 2);
    this.layer3 = stage(2 * width, 4 * width, 2);
    this.layer4 = stage(4 * width, 8 * width, 2);
    this.fc = new nn.Linear(8 * width, classes);
  }

  forward(x: Tensor): Tensor {
    const stem = this.bn1.forward(this.conv1.forward(x)).relu().maxPool2d(3, { stride: 2, padding: 1 });
    const stages = [this.layer1, this.layer2, this.layer3, this.layer4];
    const features = stages.reduce((input, stage) => stage.forward(input), stem); // [B, 8 width, H / 32, W / 32]
    return this.fc.forward(features.mean([2, 3])); // [B, classes]
  }
}

class Block extends nn.Module {
  readonly ln1: nn.LayerNorm;
  readonly attn: nn.MultiheadAttention;
  readonly ln2: nn.LayerNorm;
  readonly mlp: nn.Sequential;

  constructor(dim: number, heads: number) {
    super();
    this.ln1 = new nn.LayerNorm(dim);
    this.attn = new nn.MultiheadAttention(dim, heads);
    this.ln2 = new nn.LayerNorm(dim);
    this.mlp = new nn.Sequential(new nn.Linear(dim, 4 * dim), new nn.GELU(), new nn.Linear(4 * dim, dim));
  }

  forward(x: Tensor): Tensor {
    const y = this.ln1.forward(x);
    const attended = x.add(this.attn.forward(y, y, y, { isCausal: true }));
    return attended.add(this.mlp.forward(this.ln2.forward(attended)));
  }
}

export interface TransformerSizes {
  vocabulary: number;
  length: number;
  dim: number;
  heads: number;
  layers: number;
}

/** A small causal language model. */
export class Transformer extends nn.Module {
  readonly tokens: nn.Embedding;
  readonly positions: nn.Embedding;
  readonly blocks: nn.ModuleList<Block>;
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear;

  constructor({ vocabulary, length, dim, heads, layers }: TransformerSizes) {
    super();
    this.tokens = new nn.Embedding(vocabulary, dim);
    this.positions = new nn.Embedding(length, dim);
    this.blocks = new nn.ModuleList(Array.from({ length: layers }, () => new Block(dim, heads)));
    this.norm = new nn.LayerNorm(dim);
    this.head = new nn.Linear(dim, vocabulary, { bias: false });
  }

  /** @param ids [B, L] -> logits [B, L, vocabulary] */
  forward(ids: Tensor): Tensor {
    let x = this.tokens.forward(ids).add(this.positions.forward(arange(ids.shape[1]!, { dtype: "int64" })));
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x));
  }
}
