// Prior and decoder as denoisers with what they are told, for the training of diffusion models.
import {
  cat,
  deriveSeed,
  Generator,
  keep,
  nn,
  noGrad,
  rand,
  scope,
  type Tensor,
  where,
} from "@penumbra/torch";
import type { PriorTransformer, UNet2DConditionModel, UnCLIPTextProjModel } from "../../models/index.ts";
import type { Denoiser } from "../ddpm/index.ts";
import type { Batches, LabelledBatch } from "../trainer/photo-batches.ts";
import { type ReadText, rowsOf } from "./draw.ts";

/** The prior, told texts by their rows in a table; the last row is the empty text. */
export class ToldPrior extends nn.Module<[Tensor, Tensor, Tensor]> implements Denoiser {
  readonly prior: PriorTransformer;
  readonly #texts: ReadText;

  constructor(prior: PriorTransformer, texts: ReadText) {
    super();
    this.prior = prior;
    this.#texts = texts;
  }

  /** @param noisy [B, D], in the prior's scale @param labels int64 [B] */
  forward(noisy: Tensor, timesteps: Tensor, labels: Tensor): Tensor {
    return scope(() => {
      const { embeds, hidden, mask } = rowsOf(this.#texts, labels);
      return this.prior.forward(noisy, timesteps, { textEmbeds: embeds, textHidden: hidden, textMask: mask });
    });
  }
}

/** The decoder and its projections, told images' embeddings; the text is always the empty one. */
export class ToldDecoder extends nn.Module<[Tensor, Tensor, Tensor]> implements Denoiser {
  readonly decoder: UNet2DConditionModel;
  readonly projection: UnCLIPTextProjModel;
  readonly #none: ReadText;

  /** @param none the empty text, one row */
  constructor(decoder: UNet2DConditionModel, projection: UnCLIPTextProjModel, none: ReadText) {
    super();
    this.decoder = decoder;
    this.projection = projection;
    this.#none = none;
  }

  /** @param told [B, D + 1]: embeddings, and 1 where one is told, 0 where none is */
  forward(noisy: Tensor, timesteps: Tensor, told: Tensor): Tensor {
    return scope(() => {
      const count = noisy.shape[0]!;
      const size = told.shape[1]! - 1;
      const isTold = told.narrow(1, size, 1).gt(0.5);
      const imageEmbeds = where(isTold, told.narrow(1, 0, size), this.projection.unconditional(count));
      const { embeds, hidden, mask } = this.#none;
      const { context, classLabels } = this.projection.forward({
        ...{
          imageEmbeds,
          textEmbeds: embeds.expand([count, -1]),
          textHidden: hidden.expand([count, -1, -1]),
        },
      });
      const extra = this.projection.config.clip_extra_context_tokens;
      const contextMask = mask.constantPadNd([extra, 0], { value: 1 }).expand([count, -1]);
      return this.decoder.forward(noisy, timesteps, context, { classLabels, contextMask });
    });
  }
}

/** Batches of images as another network is to see them. */
export function changedBatches(
  batches: Batches,
  change: (batch: LabelledBatch, step: number) => LabelledBatch,
): Batches {
  const { device, batchSize } = batches;
  return { device, batchSize, at: (step) => noGrad(() => scope(() => change(batches.at(step), step))) };
}

/**
 * Images with their embeddings in place of labels, some of which are not told.
 * @param share of those
 */
export function toldImages(
  batches: Batches,
  embed: (images: Tensor) => Tensor,
  { share, seed }: { readonly share: number; readonly seed: number },
): Batches {
  const random = new Generator({ seed: 0, device: batches.device });
  return changedBatches(batches, ({ x }, step) => {
    const generator = random.manualSeed(deriveSeed(seed, "decoder", "told", step));
    const isTold = rand([x.shape[0]!, 1], { generator, device: batches.device }).ge(share);
    return { x, labels: cat([embed(x), isTold.to("float32")], { dim: 1 }) };
  });
}

/** A text whose tensors outlive the scope that they were made in. */
export function keptText({ embeds, hidden, mask }: ReadText): ReadText {
  return { embeds: keep(embeds), hidden: keep(hidden), mask: keep(mask) };
}
