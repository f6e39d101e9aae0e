import { scope, type Tensor } from "@penumbra/torch";
import { fid, kid, precisionRecall } from "../../quality/index.ts";
import { asFloat } from "../trainer/photo-batches.ts";

/** How far drawn images are from photos; null where there are too few of either. */
export interface QualityFigures {
  readonly images: number;
  readonly photos: number;
  readonly fid: number | null;
  readonly kid: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
}

/** Edge to which images are averaged where no network gives features. */
const EDGE = 8;

/** Neighbours that precision and recall look at, as published. */
const NEIGHBOURS = 3;

/**
 * Pixels averaged to 8 x 8: features that need no network. They compare generators on one set of photos; they are not
 * those of the published FID.
 * @param images uint8 [N, 3, S, S] @returns float32 [N, 192]
 */
export function pixelFeatures(images: Tensor): Tensor {
  return scope(() => asFloat(images).adaptiveAvgPool2d([EDGE, EDGE]).flatten({ startDim: 1 }));
}

/** Features that images are compared by. */
export interface ImageFeatures {
  /** What they are, for people. */
  readonly title: string;
  /** Edge of the images that they are taken of; null: any. */
  readonly size: number | null;
  /** @param images uint8 [N, 3, S, S] @returns float32 [N, D] */
  of(images: Tensor): Tensor;
}

export const PIXEL_FEATURES: ImageFeatures = {
  title: `pixels averaged to ${EDGE} x ${EDGE}`,
  size: null,
  of: pixelFeatures,
};

/** @param drawn, photos float [N, D]: features of both, by the same network */
export function qualityOf(drawn: Tensor, photos: Tensor): QualityFigures {
  const [images, others] = [drawn.shape[0]!, photos.shape[0]!];
  const fewest = Math.min(images, others);
  const among = fewest > NEIGHBOURS ? precisionRecall(photos, drawn, { k: NEIGHBOURS }) : null;
  return {
    images,
    photos: others,
    fid: fewest >= 2 ? fid(photos, drawn) : null,
    kid: fewest >= 2 ? kid(photos, drawn).kid : null,
    precision: among?.precision ?? null,
    recall: among?.recall ?? null,
  };
}
