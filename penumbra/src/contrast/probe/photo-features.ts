import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { decodePhotos, type Manifest } from "../../data/index.ts";
import type { Fit } from "../../images/index.ts";
import type { Encoder } from "../training/encoder.ts";
import { type ExtractOptions, extractFeatures } from "./extract-features.ts";

export interface PhotoFeaturesOptions extends Omit<ExtractOptions, "batchSize"> {
  /** Side of the square that photos become, in pixels. */
  readonly size: number;
  /** Default "squash". */
  readonly fit?: Fit;
}

/** Decoded photos that lie in memory at a time. */
const BATCH = 64;

/**
 * What a frozen encoder says about all photos of a set, whatever their number: some are decoded, looked at, forgotten.
 *
 * @returns float32 [N, D] on the CPU, in the order of the manifest's photos
 * @throws DataError for a photo that changed after the scan
 */
export async function photoFeatures(
  encoder: Encoder,
  { root, photos, white }: Pick<Manifest, "root" | "photos" | "white">,
  { size, fit = "squash", onProgress, ...options }: PhotoFeaturesOptions,
): Promise<Tensor> {
  const features = torch.empty([photos.length, encoder.dimensions]);
  for (let start = 0; start < photos.length; start += BATCH) {
    const some = photos.slice(start, start + BATCH);
    const pixels = await decodePhotos(root, some, { size, fit, white });
    scope(() => features.narrow(0, start, some.length).copy_(extractFeatures(encoder, pixels, options)));
    pixels.dispose();
    onProgress?.(start + some.length, photos.length);
  }
  return features;
}
