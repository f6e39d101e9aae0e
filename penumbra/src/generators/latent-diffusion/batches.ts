import type { AutoencoderSettings } from "./settings.ts";

/** The autoencoder's batch at a step: so many crops of an edge, or whole images. */
export interface AutoencoderBatch {
  readonly isWhole: boolean;
  readonly count: number;
  /** In pixels. */
  readonly size: number;
}

/** Whole images come in smaller batches than crops, so that all steps cost the same; in full ones where there are no crops. */
export function batchAt(settings: AutoencoderSettings, edge: number, step: number): AutoencoderBatch {
  const { batchSize, fullEvery } = settings;
  const crop = Math.min(settings.crop, edge);
  const isWhole = fullEvery > 0 && step % fullEvery === 0;
  if (!isWhole) return { isWhole, count: batchSize, size: crop };
  const count = fullEvery > 1 ? Math.max(1, Math.round(batchSize * (crop / edge) ** 2)) : batchSize;
  return { isWhole, count, size: edge };
}

/** What so many steps have shown to the autoencoder, in words for the card. */
export function seenBy(settings: AutoencoderSettings, edge: number, steps: number): string {
  let [crops, wholes] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const { isWhole, count } = batchAt(settings, edge, step);
    if (isWhole) wholes += count;
    else crops += count;
  }
  const number = (value: number) => value.toLocaleString("en");
  return `${number(crops)} crops of ${Math.min(settings.crop, edge)} px, ${number(wholes)} whole images`;
}
