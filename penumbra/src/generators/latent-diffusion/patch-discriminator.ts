import { grad, leakyRelu, nn, noGrad, scope, type Tensor } from "@penumbra/torch";
import { localMean } from "./losses.ts";

export interface PatchDiscriminatorOptions {
  /** Channels of the first layer; they double with each further one, up to eight times as many. */
  readonly channels: number;
  /** Layers that halve the image: 2 judge patches of 34 pixels, 3 of 70. */
  readonly layers: number;
  /** How many times over it sees what differs from the local mean; 0: images as they are. */
  readonly detail?: number;
}

const SLOPE = 0.2;

/**
 * Tells photos from what an autoencoder makes of them, patch by patch (Isola et al. 2017, appendix 6.1.2; as in VQGAN,
 * Esser et al. 2021): 4 x 4 convolutions, batch norm from the second on, leaky ReLU.
 */
export class PatchDiscriminator extends nn.Module<[Tensor]> {
  readonly convs: readonly nn.Conv2d[];
  /** Of all convolutions but the first and the last. */
  readonly norms: readonly nn.BatchNorm2d[];
  readonly #detail: number;

  constructor({ channels, layers, detail = 0 }: PatchDiscriminatorOptions) {
    super();
    this.#detail = detail;
    const widths = Array.from({ length: layers + 1 }, (_, layer) => channels * Math.min(8, 2 ** layer));
    const last = widths.length - 1;
    this.convs = [
      ...widths.map(
        (width, layer) =>
          new nn.Conv2d(layer === 0 ? 3 : widths[layer - 1]!, width, 4, {
            ...{ stride: layer < last ? 2 : 1, padding: 1, bias: layer === 0 },
          }),
      ),
      new nn.Conv2d(widths[last]!, 1, 4, { padding: 1 }),
    ];
    this.norms = widths.slice(1).map((width) => new nn.BatchNorm2d(width));
    noGrad(() => {
      for (const { weight } of this.convs) weight.normal_({ mean: 0, std: 0.02 });
      for (const { weight } of this.norms) weight!.normal_({ mean: 1, std: 0.02 });
    });
  }

  /** @param images [B, 3, H, W] in -1..1 @returns a logit for each patch, [B, 1, h, w]; positive for photos */
  forward(images: Tensor): Tensor {
    return scope(() => this.look(images).logits);
  }

  /** What each layer but the last gives, [B, C, h, w] each, beside the logits. */
  look(images: Tensor): { readonly layers: readonly Tensor[]; readonly logits: Tensor } {
    return scope(() => {
      const layers: Tensor[] = [];
      const hidden = this.convs.slice(0, -1).reduce(
        (x, conv, layer) => {
          const own = conv.forward(x);
          const normed = layer === 0 ? own : this.norms[layer - 1]!.forward(own);
          layers.push(leakyRelu(normed, { negativeSlope: SLOPE }));
          return layers.at(-1)!;
        },
        withDetail(images, this.#detail),
      );
      return { layers, logits: this.convs.at(-1)!.forward(hidden) };
    });
  }
}

/**
 * How far what is made of photos is from them within a discriminator's layers: mean over layers of mean |D_l(photo) -
 * D_l(made)| (Larsen et al. 2016, with L1; Wang et al. 2018).
 * @param photos, made what `look` gave of both
 * @returns a scalar
 */
export function featureDistance(photos: readonly Tensor[], made: readonly Tensor[]): Tensor {
  return scope(() => {
    const each = made.map((layer, place) =>
      layer.to("float32").sub(photos[place]!.to("float32")).abs().mean(),
    );
    return each.reduce((sum, next) => sum.add(next)).div(each.length);
  });
}

/**
 * Images whose fine structure is larger: x + times (x - mean of the 3 x 3 pixels around).
 * @param images [B, 3, H, W]
 */
export function withDetail(images: Tensor, times: number): Tensor {
  if (times === 0) return images;
  return scope(() => images.add(images.sub(localMean(images)).mul(times)));
}

/** Half the hinge loss (Lim and Ye 2017): (mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake))) / 2. */
export function patchLoss(real: Tensor, fake: Tensor): Tensor {
  return scope(() => real.neg().add(1).relu().mean().add(fake.add(1).relu().mean()).mul(0.5));
}

/** What keeps a vanishing gradient from making the weight infinite, and the most that it may be. */
const DELTA = 1e-4;
const MOST = 1e4;

/**
 * How much the discriminator's judgement counts beside the reconstruction, so that both pull equally at the decoder's
 * last layer: |dL_rec/dw| / (|dL_adv/dw| + 1e-4), at most 1e4 (Esser et al. 2021, eq. 7).
 *
 * @param last weights of the decoder's last layer, which both losses depend on
 * @returns a scalar without gradient
 */
export function adaptiveWeight(reconstruction: Tensor, adversarial: Tensor, last: Tensor): Tensor {
  return scope(() => {
    const [own] = grad(reconstruction, [last], { retainGraph: true });
    const [other] = grad(adversarial, [last], { retainGraph: true });
    const norm = (x: Tensor) => x.to("float32").square().sum().sqrt();
    return norm(own!).div(norm(other!).add(DELTA)).clamp({ min: 0, max: MOST }).detach();
  });
}
