/**
 * Learns the classes of a folder of photos from a few objects each, then names the photos of other objects, or says
 * "unknown": the way through the library.
 *
 *     node --import tsx --conditions=source examples/classify.ts FOLDER
 *
 * The folder is as `penumbra study` takes it: known/CLASS/OBJECT/view.jpg, and near/… for what must be called unknown.
 */
import { resolve } from "node:path";
import { contrast, data, unknowns } from "penumbra";

export interface ClassifyOptions {
  /** Objects of each class to learn from. */
  readonly shots?: number;
  /** Side of the square that photos become, in pixels. */
  readonly size?: number;
  readonly steps?: number;
}

/** Answers for every test photo, known or near unknown: a class, or "unknown". */
export async function classify(
  folder: string,
  { shots = 4, size = 64, steps = 200 }: ClassifyOptions = {},
): Promise<Map<string, string>> {
  const manifest = await data.scanPhotos(folder);
  const { root, classes } = manifest;
  const split = data.splitByObject(manifest, { shots, validation: 1, test: "rest", seed: 0 });
  const pixels = (photos: readonly data.Photo[]) => data.decodePhotos(root, photos, { size });

  // Learn: an encoder by a contrastive loss, a linear classifier on its features, a detector beside it.
  const images = await pixels(split.train);
  const labels = split.train.map(({ className }) => classes.indexOf(className));
  const { encoder } = await contrast.trainEncoder({
    objective: "supcon",
    images,
    labels,
    steps,
    augment,
    seed: 0,
  });
  const features = contrast.extractFeatures(encoder, images); // [photos, D]
  const probe = contrast.fitLinearProbe(features, labels, { l2: 0.01 });
  const detector = unknowns.detectors.mahalanobis.fit({ features, labels });

  // Use: what scores below 95 % of the validation photos is unknown.
  const featuresOf = async (photos: readonly data.Photo[]) =>
    contrast.extractFeatures(encoder, await pixels(photos));
  const known = detector.score({ features: await featuresOf(split.validation) });
  const threshold = unknowns.thresholdAtRecall(known, 0.95);
  const photos = [...split.test, ...split.nearTest];
  const fresh = await featuresOf(photos);
  const best = probe.logits(fresh).argmax({ dim: 1 }).toNumbers();
  const scores = detector.score({ features: fresh });
  const answerOf = (row: number) => (scores[row]! < threshold ? "unknown" : classes[best[row]!]!);
  return new Map(photos.map(({ id }, row) => [id, answerOf(row)]));
}

const augment = {
  ...{ crop: { scale: [0.4, 1] as [number, number] }, flip: 0.5 },
  ...{ brightness: 0.3, contrast: 0.3, saturation: 0.3 },
};

if (process.argv[1] && import.meta.filename === resolve(process.argv[1])) {
  const [folder] = process.argv.slice(2);
  if (!folder) throw new Error("Usage: node --import tsx --conditions=source examples/classify.ts FOLDER");
  for (const [photo, answer] of await classify(folder)) console.log(`${photo}: ${answer}`);
}
