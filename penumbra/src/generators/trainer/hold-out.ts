import { deriveSeed, keep, scope, type Tensor } from "@penumbra/torch";
import type { Corpus } from "./corpus.ts";
import { indices } from "./crops.ts";

/** One file in so many is kept from training, to measure on. */
const HELD_OUT_EVERY = 64;

/** A part of a corpus. */
export interface CorpusPart {
  /** Places in the corpus. */
  readonly items: readonly number[];
  /** uint8 [N, 3, S, S] */
  readonly images: Tensor;
}

/**
 * Divides a corpus into a training part, on the device, and a held-out part, on the CPU; disposes the corpus' own
 * images. Whole files are held out (objects, never single views), chosen by name, so that a larger corpus keeps them
 * out too.
 */
export function holdOut(
  corpus: Corpus,
  seed: number,
  device: string,
): { readonly training: CorpusPart; readonly heldOut: CorpusPart } {
  const isHeldOut = corpus.files.map((file) => deriveSeed(seed, "held out", file) % HELD_OUT_EVERY === 0);
  // A corpus of a few files may hold out none: its first file is then shown, and said to be trained on too.
  if (!isHeldOut.includes(true) && corpus.files.length > 1) isHeldOut[0] = true;
  const part = (wanted: boolean, target: string): CorpusPart => {
    const items = corpus.fileOf.flatMap((file, item) => (isHeldOut[file] === wanted ? [item] : []));
    const images = keep(scope(() => corpus.images.indexSelect(0, indices(items, "cpu")).to(target)));
    return { items, images };
  };
  const parts = { training: part(false, device), heldOut: part(true, "cpu") };
  corpus.images.dispose();
  return parts;
}
