import { mapConcurrently } from "../../data/index.ts";
import { reasonOf } from "../../images/index.ts";
import type { Classifier, PhotoSource } from "./classifier.ts";
import type { Verdict } from "./verdict.ts";

/** An object to be judged. */
export interface PhotoObject {
  readonly name: string;
  /** One photo of it, or several views. */
  readonly photos: readonly PhotoSource[];
}

/** What came of an object. */
export interface Judged<Item extends PhotoObject = PhotoObject> {
  readonly object: Item;
  /** Of the photos that could be read; null where none could. */
  readonly verdict: Verdict | null;
  /** Photos that could not be read, by their place among the object's photos, and why. */
  readonly unreadable: readonly { readonly photo: number; readonly reason: string }[];
}

export interface PredictOptions {
  /** Photos that go through the network together. Default 64. */
  readonly batchSize?: number;
}

/**
 * Judges objects one after the other, whatever their number: the next photos are decoded while the network looks at
 * these. A photo that cannot be read is told with its object and ends nothing.
 *
 * @example
 * for await (const { object, verdict } of predictEach(classifier, objects)) console.log(object.name, verdict?.className);
 */
export async function* predictEach<Item extends PhotoObject>(
  classifier: Classifier,
  objects: Iterable<Item> | AsyncIterable<Item>,
  { batchSize = 64 }: PredictOptions = {},
): AsyncGenerator<Judged<Item>> {
  let decoding: Promise<Decoded<Item>[]> | undefined;
  for await (const batch of batches(objects, batchSize)) {
    const next = decodeAll(classifier, batch);
    next.catch(() => {}); // whoever stops in between awaits it no more
    if (decoding) yield* judgeAll(classifier, await decoding);
    decoding = next;
  }
  if (decoding) yield* judgeAll(classifier, await decoding);
}

interface Decoded<Item> extends Omit<Judged, "object" | "verdict"> {
  readonly object: Item;
  readonly pixels: readonly Uint8Array[];
}

/** Objects in groups of at least `size` photos; the last group has what is left. */
async function* batches<Item extends PhotoObject>(
  objects: Iterable<Item> | AsyncIterable<Item>,
  size: number,
): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  let photos = 0;
  for await (const object of objects) {
    batch.push(object);
    photos += object.photos.length;
    if (photos < size) continue;
    yield batch;
    batch = [];
    photos = 0;
  }
  if (batch.length > 0) yield batch;
}

function decodeAll<Item extends PhotoObject>(
  classifier: Classifier,
  objects: readonly Item[],
): Promise<Decoded<Item>[]> {
  return mapConcurrently(objects, async (object) => {
    const pixels: Uint8Array[] = [];
    const unreadable: { photo: number; reason: string }[] = [];
    for (const [photo, source] of object.photos.entries()) {
      try {
        pixels.push(await classifier.decodePhoto(source));
      } catch (error) {
        unreadable.push({ photo, reason: reasonOf(error) });
      }
    }
    return { object, pixels, unreadable };
  });
}

function judgeAll<Item extends PhotoObject>(
  classifier: Classifier,
  decoded: readonly Decoded<Item>[],
): Judged<Item>[] {
  const readable = decoded.filter(({ pixels }) => pixels.length > 0);
  const batch = classifier.stack(readable.flatMap(({ pixels }) => pixels));
  const verdicts = classifier.judge(
    batch,
    readable.map(({ pixels }) => pixels.length),
  );
  batch.dispose();
  const byObject = new Map(readable.map((item, index) => [item, verdicts[index]!]));
  return decoded.map((item) => ({
    object: item.object,
    verdict: byObject.get(item) ?? null,
    unreadable: item.unreadable,
  }));
}
