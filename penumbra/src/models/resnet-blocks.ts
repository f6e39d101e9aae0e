import { nn, scope, type Tensor } from "@penumbra/torch";

/** One kind of residual block, made for the channels that come in and for those of its convolutions. */
export interface ResidualBlockKind {
  /** Channels that go out for each of the block's own. */
  readonly expansion: number;
  readonly make: (inChannels: number, channels: number, stride: number) => nn.Module;
}

/** Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where sizes change (He et al. 2016, fig. 5). */
export class BasicBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(channels);
    this.downsample = shortcut(inChannels, channels, stride);
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      let out = this.bn1.forward(this.conv1.forward(x)).relu_();
      out = this.bn2.forward(this.conv2.forward(out));
      return out.add_(this.downsample ? this.downsample.forward(x) : x).relu_();
    });
  }
}

/**
 * A 1x1, a 3x3 and a 1x1 convolution to four times the channels, beside a shortcut (He et al. 2016, fig. 5). The 3x3
 * one has the stride, as in torchvision and timm ("ResNet v1.5").
 */
export class Bottleneck extends nn.Module {
  static readonly expansion = 4;
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly conv3: nn.Conv2d;
  readonly bn3: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    const outChannels = Bottleneck.expansion * channels;
    this.conv1 = new nn.Conv2d(inChannels, channels, 1, { bias: false });
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = new nn.Conv2d(channels, channels, 3, { stride, padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(channels);
    this.conv3 = new nn.Conv2d(channels, outChannels, 1, { bias: false });
    this.bn3 = new nn.BatchNorm2d(outChannels);
    this.downsample = shortcut(inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      let out = this.bn1.forward(this.conv1.forward(x)).relu_();
      out = this.bn2.forward(this.conv2.forward(out)).relu_();
      out = this.bn3.forward(this.conv3.forward(out));
      return out.add_(this.downsample ? this.downsample.forward(x) : x).relu_();
    });
  }
}

export const RESIDUAL_BLOCKS = {
  basic: { expansion: 1, make: (...sizes) => new BasicBlock(...sizes) },
  bottleneck: { expansion: Bottleneck.expansion, make: (...sizes) => new Bottleneck(...sizes) },
} as const satisfies Readonly<Record<string, ResidualBlockKind>>;

function shortcut(inChannels: number, channels: number, stride: number): nn.Sequential | null {
  if (stride === 1 && inChannels === channels) return null;
  return new nn.Sequential(
    new nn.Conv2d(inChannels, channels, 1, { stride, bias: false }),
    new nn.BatchNorm2d(channels),
  );
}
