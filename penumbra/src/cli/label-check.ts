import type { Manifest, Problem } from "../data/index.ts";
import { StageLines } from "./progress.ts";

/** What was found of labels, and what photos were compared by. */
export interface LabelCheck {
  readonly problems: readonly Problem[];
  /** Sentences for people. */
  readonly notes: readonly string[];
}

/** Published weights of an encoder, as a setting names them, and what a path is relative to. */
export interface WeightsPlace {
  readonly weights: string | undefined;
  readonly base?: string;
}

/** Side of what an encoder sees here: patches of 14 and of 16 pixels divide it, and classes can be told. */
const ENCODER_SIDE = 112;
/** Side of the small pictures that are compared where there is no encoder. */
const PICTURE_SIDE = 16;

/**
 * `check --labels`: photos whose neighbours of other objects are of another class, by the frozen features of published
 * weights, or without any by the small pictures themselves. Loads the engine.
 */
export async function checkLabels(manifest: Manifest, place: WeightsPlace): Promise<LabelCheck> {
  const { classesWithoutCompany, findLabelErrors } = await import("../data/index.ts");
  const lines = new StageLines(process.stderr, 2);
  const stage = (name: string) => {
    const title = { stage: name, label: "", hash: "" };
    const startedAt = performance.now();
    lines.onEvent({ ...title, event: "start", isResumed: false });
    return {
      onProgress: (done: number, total: number) =>
        lines.onEvent({ ...title, event: "progress", done, total, unit: "photos" }),
      end: () => lines.onEvent({ ...title, event: "done", seconds: (performance.now() - startedAt) / 1000 }),
    };
  };
  try {
    const looking = stage("features");
    const { features, by } = await featuresOf(manifest, place, looking.onProgress);
    looking.end();
    const comparing = stage("labels");
    const problems = findLabelErrors(manifest.photos, features, comparing.onProgress);
    comparing.end();
    features.dispose();
    const few = classesWithoutCompany(manifest.photos);
    return {
      problems,
      notes: [
        by,
        ...(few.length > 0
          ? [
              `Labels of ${few.map((name) => `"${name}"`).join(", ")} could not be judged: too few photos of other objects.`,
            ]
          : []),
      ],
    };
  } finally {
    lines.close();
  }
}

async function featuresOf(
  manifest: Manifest,
  { weights, base }: WeightsPlace,
  onProgress: (done: number, total: number) => void,
) {
  if (weights === undefined) {
    const { decodePhotos } = await import("../data/index.ts");
    const { root, photos, white } = manifest;
    const pixels = await decodePhotos(root, photos, { size: PICTURE_SIDE, white, onProgress });
    return {
      features: pixels.reshape([photos.length, -1]),
      by: `Labels were judged by the pixels of small pictures (${PICTURE_SIDE} x ${PICTURE_SIDE}), which is enough where every photo is taken in the same way. For others give published weights of an encoder: --encoder FILE.`,
    };
  }
  const { Encoder, photoFeatures } = await import("../contrast/index.ts");
  const { findEncoderWeights } = await import("../models/index.ts");
  const encoder = Encoder.recognised(await findEncoderWeights(weights, { ...(base && { base }) }));
  return {
    features: await photoFeatures(encoder, manifest, { size: ENCODER_SIDE, onProgress }),
    by: `Labels were judged by the frozen features of ${encoder.config.network} (${weights}).`,
  };
}
