import type { Tensor } from "@penumbra/torch";

/**
 * A network from images to features. Its layers come in stages; a detector of several layers reads the pooled features
 * of each.
 */
export interface ImageEncoder {
  /** D, the number of features of an image. */
  readonly dimensions: number;
  /** D_s of every stage; the last is D. */
  readonly stageDimensions: readonly number[];
  /**
   * The features before any head.
   * @param images [B, 3, H, W], normalised
   * @returns [B, D]
   */
  features(images: Tensor): Tensor;
  /**
   * The pooled features of every stage, in the order of the network.
   * @param images [B, 3, H, W], normalised
   * @returns for each stage [B, D_s]; the last equals `features(images)`
   */
  stages(images: Tensor): Tensor[];
}
