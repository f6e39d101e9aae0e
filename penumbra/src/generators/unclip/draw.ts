// unCLIP at work: images and texts to embeddings, texts to images' embeddings by the prior, embeddings to images by the
// decoder.
import { cat, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import {
  addNoise,
  defaultSampler,
  type Predict,
  readySampler,
  type SamplerName,
  type SchedulerConfig,
  type Walk,
  walkDown,
} from "../../diffusion/index.ts";
import type { PriorConditions } from "../../models/index.ts";
import type { Tokens, UnclipParts } from "./parts.ts";

/** A text as the text encoder sees it, [B, ...] each. */
export interface ReadText {
  /** [B, D] */
  readonly embeds: Tensor;
  /** [B, L, D] */
  readonly hidden: Tensor;
  /** [B, L] */
  readonly mask: Tensor;
}

/** Texts that are read at once. */
const READ_AT_ONCE = 256;

export function readTexts({ text }: Pick<UnclipParts, "text">, { ids, mask }: Tokens): ReadText {
  return noGrad(() =>
    scope(() => {
      const parts = ids.split(READ_AT_ONCE).map((some) => scope(() => text.forward(some)));
      const embeds = cat(parts.map((part) => part.embeds));
      return { embeds, hidden: cat(parts.map((part) => part.hidden)), mask };
    }),
  );
}

/** Those rows of texts. @param rows int64 [n] */
export function rowsOf({ embeds, hidden, mask }: ReadText, rows: Tensor): ReadText {
  const take = (values: Tensor) => values.indexSelect(0, rows);
  return { embeds: take(embeds), hidden: take(hidden), mask: take(mask) };
}

/**
 * Embeddings of images, [B, D], not normalised.
 * @param images float32 [B, 3, S, S] in -1..1, of any size
 */
export function embedImages(
  { image, mean, std }: Pick<UnclipParts, "image" | "mean" | "std">,
  images: Tensor,
): Tensor {
  return noGrad(() => scope(() => image.forward(encoderPixels({ image, mean, std }, images)).embeds));
}

/** Images in the size and scale that the image encoder takes. @param images float32 [B, 3, S, S] in -1..1 */
export function encoderPixels(
  { image, mean, std }: Pick<UnclipParts, "image" | "mean" | "std">,
  images: Tensor,
): Tensor {
  return scope(() => {
    const { image_size: size } = image.config;
    const images01 = images.add(1).div(2);
    const sized =
      images.shape[2] === size
        ? images01
        : images01._upsampleBicubic2dAa([size, size], false).clamp({ min: 0, max: 1 });
    const row = (values: readonly number[]) =>
      tensor([...values], { dtype: "float32", device: images.device }).view([1, 3, 1, 1]);
    return sized.sub(row(mean)).div(row(std));
  });
}

/** What sampling is given besides the networks. */
export interface UnclipSampling {
  readonly steps: number;
  /** Up to 1 only what is told is asked for, which costs half. */
  readonly guidanceScale: number;
  /** [B, ...]: pure noise, or what is partly noised, see `decode`. */
  readonly latents: Tensor;
  /** New noise for the given items at a step. */
  readonly stepNoise: (items: readonly number[], step: number) => Tensor;
}

/**
 * Draws embeddings of images from texts (Ramesh et al. 2022, section 2.2). Two texts are crossed by mixing what the prior
 * predicts under each.
 *
 * @param told one row an embedding, or two of which `share` [B, 1] is the second one's
 * @param none one row: the empty text
 * @returns [B, D], in the image encoder's scale
 */
export function samplePrior(
  { prior, priorSchedule }: Pick<UnclipParts, "prior" | "priorSchedule">,
  told: readonly [ReadText] | readonly [ReadText, ReadText],
  none: ReadText,
  { share, ...sampling }: UnclipSampling & { readonly share?: Tensor },
): Tensor {
  return noGrad(() =>
    scope(() => {
      const { steps, guidanceScale, latents, stepNoise } = sampling;
      const sampler = readySampler(defaultSampler(priorSchedule));
      const walks = Array.from({ length: latents.shape[0]! }, () => sampler.walk(priorSchedule, steps));
      const isGuided = guidanceScale > 1;
      const predictorFor = (order: readonly number[]): Predict => {
        const rows = tensor([...order], { dtype: "int64", device: latents.device });
        const all = [
          ...(isGuided ? [expanded(none, order.length)] : []),
          ...told.map((text) => rowsOf(text, rows)),
        ];
        const conditions: PriorConditions = {
          textEmbeds: cat(all.map(({ embeds }) => embeds)),
          textHidden: cat(all.map(({ hidden }) => hidden)),
          textMask: cat(all.map(({ mask }) => mask)),
        };
        const shares = share?.indexSelect(0, rows);
        return (sample, timesteps) => {
          const outputs = prior
            .forward(cat(all.map(() => sample)), repeated(timesteps, all.length, latents.device), conditions)
            .chunk(all.length);
          const [own, other] = isGuided ? outputs.slice(1) : outputs;
          const mixed = other && shares ? own!.add(other.sub(own!).mul(shares)) : own!;
          return isGuided ? outputs[0]!.add(mixed.sub(outputs[0]!).mul(guidanceScale)) : mixed;
        };
      };
      return prior.embedsOf(walkDown({ latents, walks, sampler, stepNoise }, predictorFor));
    }),
  );
}

/** Images to begin from. */
export interface UnclipStarts {
  /** float32 [B, 3, S, S] in -1..1: images that are noised as far as `strengths` say. */
  readonly from: Tensor;
  /** 1: from noise. */
  readonly strengths: readonly number[];
  /** [B, 3, S, S], standard normal */
  readonly noise: Tensor;
}

export interface DecodeOptions extends Omit<UnclipSampling, "latents">, UnclipStarts {
  /** [B, D]: of the images that are wanted, in the image encoder's scale */
  readonly embeds: Tensor;
  /** The text of each image, or one row for all. */
  readonly text: ReadText;
  /** Of the images without an embedding that guidance leads away from. Default: the same. */
  readonly noText?: ReadText;
  readonly sampler: SamplerName;
}

/** Images as they are at the beginning of their walks, [B, 3, S, S]. */
export function startsOf(
  schedule: SchedulerConfig,
  walks: readonly Walk[],
  { from, strengths, noise }: UnclipStarts,
): Tensor {
  return scope(() => {
    const starts = walks.map(({ timesteps, start }) => timesteps[start] ?? null);
    const noised = addNoise(schedule, from, noise, starts);
    // At strength 1 nothing is known of the image, as where there is noise alone.
    const isFresh = tensor(
      strengths.map((strength) => Number(strength === 1)),
      { dtype: "float32", device: from.device },
    );
    const fresh = isFresh.view([-1, 1, 1, 1]);
    return noised.mul(fresh.neg().add(1)).add(noise.mul(fresh));
  });
}

/** Images of embeddings (Ramesh et al. 2022, section 2.1): [B, 3, S, S] in about -1..1. */
export function decode(
  {
    decoder,
    projection,
    decoderSchedule: schedule,
  }: Pick<UnclipParts, "decoder" | "projection" | "decoderSchedule">,
  options: DecodeOptions,
): Tensor {
  return noGrad(() =>
    scope(() => {
      const { embeds, steps, guidanceScale, from, strengths, stepNoise } = options;
      const count = embeds.shape[0]!;
      const sampler = readySampler({ name: options.sampler });
      const walks = strengths.map((strength) => sampler.walk(schedule, steps, strength));
      const latents = startsOf(schedule, walks, options);
      const isGuided = guidanceScale > 1;
      const text = expanded(options.text, count);
      const noText = expanded(options.noText ?? options.text, count);
      const told = projection.forward({
        imageEmbeds: embeds,
        textEmbeds: text.embeds,
        textHidden: text.hidden,
      });
      const without = projection.forward({
        ...{
          imageEmbeds: projection.unconditional(count),
          textEmbeds: noText.embeds,
          textHidden: noText.hidden,
        },
      });
      const extra = projection.config.clip_extra_context_tokens;
      const maskOf = ({ mask }: ReadText) => mask.constantPadNd([extra, 0], { value: 1 });
      const channels = from.shape[1]!;
      // The second half of the channels is the variance, which DDPM alone asks for.
      const wanted = options.sampler === "ddpm" ? decoder.config.out_channels : channels;
      const predictorFor = (order: readonly number[]): Predict => {
        const rows = tensor([...order], { dtype: "int64", device: from.device });
        return (sample, timesteps) => {
          const n = sample.shape[0]!;
          const halves = [
            ...(isGuided ? [{ ...without, mask: maskOf(noText) }] : []),
            { ...told, mask: maskOf(text) },
          ];
          const place = rows.narrow(0, 0, n);
          const part = (of: (half: (typeof halves)[number]) => Tensor) =>
            cat(halves.map((half) => of(half).indexSelect(0, place)));
          const output = decoder.forward(
            cat(halves.map(() => sample)),
            repeated(timesteps, halves.length, from.device),
            part(({ context }) => context),
            { classLabels: part(({ classLabels }) => classLabels), contextMask: part(({ mask }) => mask) },
          );
          if (!isGuided) return output.narrow(1, 0, wanted);
          const [away, toward] = output.chunk(2) as [Tensor, Tensor];
          // Guidance leads what is predicted; of the variance the embedding's own is taken.
          const [a, b] = [away, toward].map((half) => half.narrow(1, 0, channels)) as [Tensor, Tensor];
          const guided = a.add(b.sub(a).mul(guidanceScale));
          if (wanted === channels) return guided;
          return cat([guided, toward.narrow(1, channels, wanted - channels)], { dim: 1 });
        };
      };
      return walkDown({ latents, walks, sampler, stepNoise }, predictorFor);
    }),
  );
}

/** One row for each of so many. */
function expanded({ embeds, hidden, mask }: ReadText, count: number): ReadText {
  if (embeds.shape[0] === count) return { embeds, hidden, mask };
  return {
    embeds: embeds.expand([count, -1]),
    hidden: hidden.expand([count, -1, -1]),
    mask: mask.expand([count, -1]),
  };
}

/** Timesteps for a batch so many times as large. */
function repeated(timesteps: number | readonly number[], times: number, device: string): number | Tensor {
  if (typeof timesteps === "number") return timesteps;
  return tensor(Array.from({ length: times }, () => timesteps).flat(), { device });
}
