import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { mapConcurrently } from "../../data/index.ts";
import { reasonOf } from "../../images/index.ts";
import type { Classifier, PhotoSource } from "./classifier.ts";

/** What an encoder says about photos, those left out that cannot be read. */
export interface LookedAt {
  /** As `Rows` of a classifier have them: for each stage float32 [readable, D_s]. */
  readonly stages: readonly Tensor[];
  /** The place of each row among the photos, ascending. */
  readonly places: readonly number[];
  /** Photos that could not be read, by their place, and why. */
  readonly unreadable: readonly { readonly photo: number; readonly reason: string }[];
}

export interface LookOptions {
  /** Photos that go through the network together. Default 64. */
  readonly batchSize?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Shows photos to a classifier's encoder, each once, whatever is judged of them later: the next ones are decoded while
 * the network looks at these.
 *
 * @param photos or how to get each, where their bytes need not lie in memory all at once
 */
export async function lookAt(
  classifier: Classifier,
  photos: readonly (PhotoSource | (() => Promise<PhotoSource>))[],
  { batchSize = 64, onProgress }: LookOptions = {},
): Promise<LookedAt> {
  const stages = classifier.rowKinds.map(({ width, dtype }) =>
    torch.empty([photos.length, width], { dtype }),
  );
  const places: number[] = [];
  const unreadable: { photo: number; reason: string }[] = [];
  const decode = (start: number) => {
    const decoding = mapConcurrently(photos.slice(start, start + batchSize), async (photo) => {
      try {
        return await classifier.decodePhoto(typeof photo === "function" ? await photo() : photo);
      } catch (error) {
        return { reason: reasonOf(error) };
      }
    });
    decoding.catch(() => {}); // where the look ends early, nobody awaits it
    return decoding;
  };
  let next = decode(0);
  for (let start = 0; start < photos.length; start += batchSize) {
    const decoded = await next;
    next = decode(start + batchSize);
    const pixels: Uint8Array[] = [];
    const first = places.length;
    for (const [offset, item] of decoded.entries()) {
      if ("reason" in item) unreadable.push({ photo: start + offset, reason: item.reason });
      else {
        places.push(start + offset);
        pixels.push(item);
      }
    }
    if (pixels.length > 0) {
      scope(() => {
        const rows = classifier.rowsOf(classifier.stack(pixels));
        for (const [index, stage] of stages.entries())
          stage.narrow(0, first, pixels.length).copy_(rows[index]!);
      });
    }
    onProgress?.(Math.min(photos.length, start + batchSize), photos.length);
  }
  const readable = scope(() => stages.map((stage) => stage.narrow(0, 0, places.length).clone()));
  for (const stage of stages) stage.dispose();
  return { stages: readable, places, unreadable };
}
