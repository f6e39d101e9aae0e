import { deriveSeed, keep, Random, scope, type Tensor, tensor, where } from "@penumbra/torch";
import { ShuffledRounds } from "../../data/index.ts";
import { indices } from "./crops.ts";

export interface LabelledBatch {
  /** float32 [B, ...]; images in -1..1 */
  readonly x: Tensor;
  /** int64 [B]: places in the list of classes */
  readonly labels: Tensor;
}

/** What a training learns from: the batch of each step, the same whenever it is asked for. */
export interface Batches {
  readonly device: string;
  readonly batchSize: number;
  at(step: number): LabelledBatch;
}

/** uint8 images, whole, in shuffled rounds, half of them mirrored where that is wanted. */
export class PhotoBatches implements Batches {
  readonly device: string;
  readonly batchSize: number;
  readonly #images: Tensor;
  readonly #labels: Tensor;
  readonly #order: ShuffledRounds;
  readonly #options: { readonly flips: boolean; readonly seed: number };

  /**
   * @param images uint8 [N, 3, S, S] on the device
   * @param labels of the images
   */
  constructor(
    images: Tensor,
    labels: readonly number[],
    options: { readonly batchSize: number; readonly flips: boolean; readonly seed: number },
  ) {
    this.device = images.device;
    this.batchSize = options.batchSize;
    this.#images = images;
    this.#labels = keep(indices(labels, images.device));
    this.#options = options;
    this.#order = new ShuffledRounds(labels.length, (round) => deriveSeed(options.seed, "round", round));
  }

  at(step: number): LabelledBatch {
    const { batchSize } = this;
    const { flips, seed } = this.#options;
    return scope(() => {
      const items = indices(this.#order.take(step * batchSize, batchSize), this.device);
      const images = asFloat(this.#images.indexSelect(0, items));
      const labels = this.#labels.indexSelect(0, items);
      if (!flips) return { x: images, labels };
      const random = new Random(deriveSeed(seed, "flips", step));
      const isMirrored = tensor(
        Array.from({ length: batchSize }, () => random.uniform() < 0.5),
        { device: this.device },
      );
      return { x: where(isMirrored.view([-1, 1, 1, 1]), images.flip([3]), images), labels };
    });
  }
}

/** uint8 images as float32 in -1..1. */
export function asFloat(images: Tensor): Tensor {
  return scope(() => images.to("float32").div(127.5).sub(1));
}

/** Images in -1..1 as uint8. */
export function asBytes(images: Tensor): Tensor {
  return scope(() => images.to("float32").add(1).mul(127.5).round().clamp({ min: 0, max: 255 }).to("uint8"));
}
