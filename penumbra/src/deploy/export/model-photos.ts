import { createHash } from "node:crypto";
import { readPhoto } from "../../data/index.ts";
import { decodeWhole, type WholeImage } from "../../images/index.ts";
import { type Classifier, DeployError, type UsedPhoto } from "../classifier/index.ts";

/** A photo that a classifier was made with, read again. */
export interface ModelPhoto {
  readonly used: UsedPhoto;
  readonly bytes: Uint8Array;
}

/**
 * A photo by the bytes that the classifier has learned of.
 * @throws DeployError where it is not there, or is another one by now
 */
export async function readModelPhoto(root: string, used: UsedPhoto): Promise<ModelPhoto> {
  const bytes = await readPhoto(root, used.id).catch((cause: NodeJS.ErrnoException) => {
    throw new DeployError(
      `The exported model is compared with the classifier on its own calibration photos, and ${used.id} is not in ${root} (${cause.code ?? cause.message}). Say where the photos lie: --photos FOLDER`,
      { cause },
    );
  });
  if (createHash("sha256").update(bytes).digest("hex") !== used.hash) {
    throw new DeployError(
      `${used.id} in ${root} is not the photo that the classifier was made with: its bytes have changed. Say where the photos lie as they were (--photos FOLDER), or train the classifier again.`,
    );
  }
  return { used, bytes };
}

/** The photo at its full size, as an exported model takes it. */
export function wholePhoto(classifier: Classifier, { bytes }: ModelPhoto): Promise<WholeImage> {
  const { white } = classifier.preprocessing;
  return decodeWhole(bytes, { white });
}
