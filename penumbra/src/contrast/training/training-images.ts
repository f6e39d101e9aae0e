import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { augment, cutMix, mixUp } from "../../images/index.ts";
import { type MixSettings, readLossSettings, type StepOutputs } from "../losses/objective.ts";
import { objectiveOf } from "../losses/objectives.ts";
import { type Batch, Batches, type MixedView } from "./batches.ts";
import type { Teacher } from "./teacher.ts";
import { FAITHFUL_PROBABILITY, negativeUseOf, type TrainOptions } from "./train-options.ts";

/** Where the batches of a training come from. */
export interface TrainingImages {
  readonly batches: Batches;
  /** Rows of photos per step, V B. */
  readonly rows: number;
  /** Negatives per step, K. */
  readonly negatives: number;
  /** What a batch looks like. */
  draw(batch: Batch): DrawnBatch;
  /** The head's outputs for these images, parted again, with what a teacher says of them. */
  outputsOf(batch: Batch, drawn: DrawnBatch, outputs: Tensor, teacher: Teacher | null): StepOutputs;
  /** Releases the images. */
  dispose(): void;
}

export interface DrawnBatch {
  /** The augmented images, [V B + K, 3, H, W] in 0..1: view 0 of all, view 1, …, then the negatives. */
  readonly pixels: Tensor;
  /** How much of every photo each row shows, [V B, V B] with rows of sum 1; null where nothing is mixed. */
  readonly blend: Tensor | null;
}

/** Puts all images on the device, as bytes, where batches are taken from them and augmented. */
export function makeSource(options: TrainOptions, classes: number): TrainingImages {
  const { images, labels, faithful, negatives, batchSize = 64, views = 2, device = "cpu", seed } = options;
  const objective = objectiveOf(options.objective, options.objectives);
  const mix = objective.mix?.(readLossSettings(objective, options.loss ?? {})) ?? null;
  const photos = images.shape[0] as number;
  const redraws = faithful?.images.shape[0] ?? 0;
  const parts = [images, faithful?.images, negatives?.images].filter((part) => part !== undefined);
  const pool = scope(() => torch.cat(parts).to(device)).keep(); // uint8 [N + S + M, 3, H, W]
  const variants = labels.map((): number[] => []);
  faithful?.parents.forEach((parent, redraw) => {
    variants[parent]?.push(redraw);
  });
  const batches = new Batches({
    seed,
    images: photos,
    labels,
    batchSize,
    photosPerClass: options.photosPerClass ?? 0,
    mix: mix?.kind ?? null,
    views,
    variants,
    variantsByView: objective.redrawsByView ?? false,
    faithfulProbability: faithful?.faithfulProbability ?? FAITHFUL_PROBABILITY,
    negatives: negatives?.images.shape[0] ?? 0,
    negativesPerStep: negatives?.perStep ?? 0,
  });
  const rows = views * batchSize;
  const use = negativeUseOf(options);
  return {
    batches,
    rows,
    negatives: negatives?.perStep ?? 0,
    draw(batch) {
      const drawn = batch.variants.map((variant, row) =>
        variant === null ? (batch.images[row % batchSize] as number) : photos + variant,
      );
      const columns = batch.negatives.map((negative) => photos + redraws + negative);
      const places = [...drawn, ...columns];
      const index = torch.fromTyped(BigInt64Array.from(places, BigInt), [places.length]).to(device);
      const pixels = augment(pool.indexSelect(0, index), options.augment, batch.seeds);
      return mix && batch.mixed.length > 0 ? mixViews(pixels, batch, mix) : { pixels, blend: null };
    },
    outputsOf(batch, { pixels, blend }, outputs, teacher) {
      const { length } = batch.negatives;
      return {
        rows: outputs.narrow(0, 0, rows),
        views,
        labels: batch.images.map((image) => labels[image] as number),
        classes,
        photos: batch.images,
        blend,
        teacher: teacher?.(pixels.narrow(0, 0, rows)) ?? null,
        memory: null,
        words: batch.variants.map((variant) =>
          variant === null ? null : (faithful?.words?.[variant] ?? null),
        ),
        negatives: length > 0 ? outputs.narrow(0, rows, length) : null,
        negativeLabels: batch.negatives.flatMap((negative) => negatives?.labels?.[negative] ?? []),
        use: length > 0 ? use : null,
      };
    },
    dispose: () => pool.dispose(),
  };
}

/** Mixes the photos' images view by view, and leaves the negatives as they are. */
function mixViews(pixels: Tensor, { images, mixed }: Batch, { alpha }: MixSettings): DrawnBatch {
  const places = images.length;
  const mixOf = ({ kind, partners, seeds }: MixedView, view: number) =>
    (kind === "mixup" ? mixUp : cutMix)(
      pixels.narrow(0, view * places, places),
      torch.eye(places, { device: pixels.device }),
      { partners, seeds, alpha },
    );
  const views = mixed.map(mixOf);
  const rows = views.length * places;
  const rest = pixels.narrow(0, rows, (pixels.shape[0] as number) - rows);
  return {
    pixels: torch.cat([...views.map((view) => view.images), rest]),
    blend: torch.blockDiag(views.map((view) => view.targets)),
  };
}
