import { createHash } from "node:crypto";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import sharp from "sharp";
import { extractStages, fitLinearProbe, trainEncoder } from "../../src/contrast/index.ts";
import {
  looksAtPixels,
  networkOf,
  pixelScores,
  saveClassifier,
  type UsedPhoto,
} from "../../src/deploy/index.ts";
import { writeFileAtomic } from "../../src/files/index.ts";
import { FULL_DEPTH } from "../../src/images/index.ts";
import { type Detector, type DetectorName, detectors } from "../../src/unknowns/index.ts";
import { lookLike } from "../data/folder.ts";
import { mulberry } from "../report/outcome.ts";

const SIZE = 16;
export const CLASSES = ["dark", "light", "red"];

/**
 * A classifier of three shades, trained for a moment: enough to tell them apart.
 * @param photos a folder that its calibration photos and some near unknowns are written to
 * @param names of its detectors, the chosen one first
 */
export async function writeClassifier(
  where: string,
  photos?: string,
  names: readonly DetectorName[] = ["mahalanobis", "knn"],
): Promise<void> {
  const images = torch.stack(
    Array.from({ length: 48 }, (_, i) => torch.fromTyped(shade(i % 3, i), [3, SIZE, SIZE])),
  );
  const labels = Array.from({ length: 48 }, (_, i) => i % 3);
  const train = { images: images.narrow(0, 0, 36), labels: labels.slice(0, 36) };
  const trained = await trainEncoder({
    ...{ objective: "cross-entropy", ...train, steps: 12, batchSize: 12, views: 1, seed: 0 },
    ...{ network: { network: "resnet10", width: 8 }, precision: "fp32", augment: { flip: 0.5 } },
  });
  const stagesOf = (pixels: torch.Tensor) => extractStages(trained.encoder, pixels);
  const stages = stagesOf(train.images);
  const features = stages.at(-1)!;
  const probe = fitLinearProbe(features, train.labels, { classes: 3, l2: 0.1 });
  const { encoder } = trained;
  const network = networkOf(encoder.eval(), "cpu");
  const seen = { pixels: train.images, network, classifier: probe };
  const samples = { ...seen, features, logits: probe.logits(features), labels: train.labels };
  const calibrated = images.narrow(0, 36, 12);
  const kept = names.map((name) => {
    const fitted = (detectors[name] as Detector).fit(samples);
    if (!looksAtPixels(name)) return { name, fitted };
    const scores = pixelScores(fitted, { pixels: calibrated, encoder, probe, device: "cpu" });
    return { name, fitted, scores };
  });
  saveClassifier(where, {
    name: "shades",
    classes: CLASSES,
    preprocessing: { imageSize: SIZE, fit: "squash", interpolation: "lanczos3", white: FULL_DEPTH },
    trained,
    probe,
    detectors: kept,
    calibration: {
      objects: Array.from({ length: 12 }, (_, i) => `object-${i}`),
      labels: labels.slice(36),
      stages: stagesOf(calibrated),
    },
    gallery: {
      photos: await Promise.all(
        labels.slice(0, 36).map(async (label, i) => ({
          id: `${CLASSES[label]}/${i}.png`,
          className: CLASSES[label]!,
          picture: await photo(label, i),
        })),
      ),
      features,
    },
    level: 0.1,
    provenance: {
      ...{ penumbra: "0", libtorch: "0", arm: "cross-entropy", reason: "", seed: 0, artifacts: {} },
      ...(photos !== undefined && { photos }),
    },
    photos: [
      { id: "a.png", object: "dark/a", className: "dark", hash: "00", look: lookLike("a"), use: "train" },
      ...(photos === undefined ? [] : await writePhotos(photos)),
    ],
  });
}

/** The calibration photos as files, and near unknowns. */
async function writePhotos(folder: string): Promise<UsedPhoto[]> {
  const near = Array.from({ length: 4 }, (_, i) => ({ use: "near" as const, bytes: noise(i) }));
  const calibration = Array.from({ length: 12 }, (_, i) => ({
    use: "calibration" as const,
    bytes: photo(i % 3, 36 + i),
  }));
  return Promise.all(
    [...calibration, ...near].map(async ({ use, bytes }, i) => {
      const id = `${use}-${i}.png`;
      const file = await bytes;
      await writeFileAtomic(join(folder, id), file);
      const hash = createHash("sha256").update(file).digest("hex");
      const className = use === "near" ? "noise" : CLASSES[i % 3]!;
      return { id, object: `object-${i}`, className, hash, look: lookLike(id), use };
    }),
  );
}

/** Red, green and blue plane of a shade with noise of its own. */
function shade(label: number, seed: number): Uint8Array {
  const random = mulberry(seed + 1);
  const base = [
    [50, 50, 50],
    [200, 200, 200],
    [200, 40, 40],
  ][label]!;
  return Uint8Array.from(
    { length: 3 * SIZE * SIZE },
    (_, i) => base[Math.floor(i / SIZE ** 2)]! + 30 * random(),
  );
}

export function photo(label: number, seed: number): Promise<Buffer> {
  return png(shade(label, seed));
}

export function noise(seed = 0): Promise<Buffer> {
  const random = mulberry(7 + seed);
  return png(Uint8Array.from({ length: 3 * SIZE * SIZE }, () => 255 * random()));
}

function png(planes: Uint8Array): Promise<Buffer> {
  const pixels = Buffer.alloc(planes.length);
  for (let i = 0; i < SIZE * SIZE; i++)
    for (let channel = 0; channel < 3; channel++)
      pixels[3 * i + channel] = planes[channel * SIZE * SIZE + i]!;
  return sharp(pixels, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
}
