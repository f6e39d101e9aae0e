import type { Split } from "../../data/index.ts";
import { armOf, isFrozen } from "../arms/index.ts";
import type { Artifact } from "../store/index.ts";
import type { StudyContext } from "./context.ts";
import { type EncoderInputs, encoderStage, frozenEncoderStage } from "./encoder.ts";
import type { SeedImages } from "./images.ts";

interface ArmEncoderInputs extends Pick<EncoderInputs, "arm" | "seed" | "label"> {
  /** Those of the sources that the arm and its teacher name; none where they have real photos alone. */
  readonly images?: SeedImages;
}

/** Trains the encoder of an arm at a seed on the images that it names, its teacher before it. */
export async function armEncoder(
  context: StudyContext,
  split: Split,
  { arm, seed, images = {}, label }: ArmEncoderInputs,
): Promise<Artifact> {
  if (isFrozen(context, arm)) return frozenEncoderStage(context);
  const { positives, negatives, changes = {} } = armOf(arm, context.tables.arms);
  const { teacher: taughtBy } = changes;
  const teacher =
    taughtBy === undefined
      ? undefined
      : await armEncoder(context, split, {
          ...{ arm: taughtBy, seed, images },
          ...(label !== undefined && { label: `teacher of ${label}` }),
        });
  return encoderStage(context, split, {
    arm,
    seed,
    positives: positives === null ? undefined : imagesOf(images, positives),
    negatives: negatives === null ? undefined : imagesOf(images, negatives),
    teacher,
    ...(label !== undefined && { label }),
  });
}

function imagesOf(images: SeedImages, source: string): Artifact {
  const artifact = images[source];
  if (!artifact) throw new Error(`The images of ${source} that an arm wants were not drawn.`);
  return artifact;
}
