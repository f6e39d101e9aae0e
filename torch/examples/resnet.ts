// ResNet-18 and ResNet-34 (He et al. 2016) with torchvision's names, so that its published weights load as they are.
import { nn, type Tensor } from "@penumbra/torch";

class Block extends nn.Module {
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
    const shortcut = () => new nn.Conv2d(inputs, outputs, 1, { stride, bias: false });
    const changes = stride > 1 || inputs !== outputs;
    this.downsample = changes ? new nn.Sequential(shortcut(), new nn.BatchNorm2d(outputs)) : null;
  }

  /** [N, inputs, H, W] -> [N, outputs, H / stride, W / stride] */
  forward(x: Tensor): Tensor {
    const first = this.bn1.forward(this.conv1.forward(x)).relu();
    const second = this.bn2.forward(this.conv2.forward(first));
    return second.add(this.downsample?.forward(x) ?? x).relu();
  }
}

export class ResNet extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly layer1: nn.Sequential;
  readonly layer2: nn.Sequential;
  readonly layer3: nn.Sequential;
  readonly layer4: nn.Sequential;
  readonly fc: nn.Linear;

  /** @param blocks of each of the four layers; @param width channels of the first */
  constructor(blocks: readonly [number, number, number, number], { classes = 1000, width = 64 } = {}) {
    super();
    const layer = (inputs: number, outputs: number, count: number, stride: number) =>
      new nn.Sequential(
        ...Array.from({ length: count }, (_, i) =>
          i === 0 ? new Block(inputs, outputs, stride) : new Block(outputs, outputs, 1),
        ),
      );
    this.conv1 = new nn.Conv2d(3, width, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new nn.BatchNorm2d(width);
    this.layer1 = layer(width, width, blocks[0], 1);
    this.layer2 = layer(width, 2 * width, blocks[1], 2);
    this.layer3 = layer(2 * width, 4 * width, blocks[2], 2);
    this.layer4 = layer(4 * width, 8 * width, blocks[3], 2);
    this.fc = new nn.Linear(8 * width, classes);
  }

  /** Images [N, 3, H, W] -> logits [N, classes] */
  forward(images: Tensor): Tensor {
    const stem = this.bn1.forward(this.conv1.forward(images)).relu(); // [N, width, H / 2, W / 2]
    const pooled = stem.maxPool2d([3, 3], { stride: [2, 2], padding: [1, 1] }); // [N, width, H / 4, W / 4]
    const layers = [this.layer1, this.layer2, this.layer3, this.layer4];
    const features = layers.reduce((x, layer) => layer.forward(x), pooled); // [N, 8 width, H / 32, W / 32]
    return this.fc.forward(features.mean([2, 3]));
  }
}

export const resnet18 = (): ResNet => new ResNet([2, 2, 2, 2]);
export const resnet34 = (): ResNet => new ResNet([3, 4, 6, 3]);
