import type { Tensor } from "@penumbra/torch";
import type { CorpusSource } from "../trainer/corpus.ts";

/**
 * Photos as what a generator learns from: a class for each name, a file for each photo.
 * @param decode gives uint8 [N, 3, size, size], in the photos' order; whoever trains disposes it
 */
export function photoCorpus(
  photos: readonly { readonly id: string; readonly className: string }[],
  decode: (size: number) => Promise<Tensor>,
): CorpusSource {
  return async ({ size, limit = photos.length }) => {
    const images = await decode(size);
    const some = photos.slice(0, limit);
    const captions = [...new Set(some.map(({ className }) => className))];
    return {
      images: some.length === photos.length ? images : images.narrow(0, 0, some.length),
      captions,
      captionOf: some.map(({ className }) => captions.indexOf(className)),
      files: some.map(({ id }) => id),
      fileOf: some.map((_, index) => index),
      problems: [],
    };
  };
}
