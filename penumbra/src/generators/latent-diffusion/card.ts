import { defaultSampler, SAMPLERS } from "../../diffusion/index.ts";
import { type CardWords, type ModelCard, type TrainingRun, trainedStage } from "../trainer/card.ts";
import type { Corpus } from "../trainer/corpus.ts";
import type { TrainResult } from "../trainer/trainee.ts";
import { ARCHITECTURES, imageSize } from "./architectures.ts";
import { pretrainSchedule } from "./assemble.ts";
import { PSNR } from "./autoencoder.ts";
import { seenBy } from "./batches.ts";
import { SAMPLE_OPTIONS } from "./samples.ts";
import type { PretrainSettings } from "./settings.ts";

export const CARD_WORDS: CardWords = {
  introduction:
    "A small latent diffusion model in the layout of Stable Diffusion 1.x (CLIPTextModel, UNet2DConditionModel, AutoencoderKL), trained from scratch by `penumbra pretrain`.",
  purpose:
    "It lets Penumbra's demo, tests and studies run on a laptop without downloading Stable Diffusion. It has only seen renders like those of its corpus: it knows the corpus' kinds of objects, light and ground, and nothing else. For photographs of other things bring Stable Diffusion (`--model`).",
};

const NO_DATA_NOTE =
  "Nothing was stated about the corpus (pass --data-note). Its licence decides how this model may be used.";

/** What really ran, for the model card. */
export interface CardFacts {
  readonly name: string;
  readonly earlierRuns: readonly TrainingRun[];
  readonly settings: PretrainSettings;
  readonly corpus: Corpus;
  readonly heldOut: number;
  readonly autoencoder: TrainResult;
  readonly denoiser: TrainResult;
  /** The sentence that `resolvePrecision` gives. */
  readonly precision: string;
  /** Picture files to be copied beside the card. */
  readonly sheet: string;
  readonly roundTrips: string;
  readonly prompts: readonly string[];
  /** What the corpus is and under which licence it comes, as Markdown. */
  readonly dataNote?: string;
  /** Folder with log.jsonl. */
  readonly work: string;
}

export async function modelCard(facts: CardFacts): Promise<ModelCard> {
  const { name, earlierRuns, settings } = facts;
  return {
    ...CARD_WORDS,
    name,
    introduction: `${CARD_WORDS.introduction} It makes and changes images of ${imageSize(settings.preset)} pixels.`,
    data: dataParagraphs(facts),
    earlierRuns,
    run: await runOf(facts),
    training: [trainingLine(facts), networksLine(facts)],
    pictures: picturesOf(facts),
  };
}

async function runOf({ work, settings, autoencoder, denoiser }: CardFacts): Promise<TrainingRun> {
  const { batchSize } = settings.denoiser;
  return {
    stages: [
      ...(settings.autoencoder.keep === true
        ? []
        : [
            await trainedStage(work, "autoencoder", autoencoder, {
              stage: settings.autoencoder.keep === "encoder" ? "decoder of the autoencoder" : "autoencoder",
              batchSize: settings.autoencoder.batchSize,
              seen: seenBy(settings.autoencoder, imageSize(settings.preset), autoencoder.step),
            }),
          ]),
      ...(settings.denoiser.keep
        ? []
        : [
            await trainedStage(work, "denoiser", denoiser, {
              stage: `text encoder and UNet${denoiser.complete ? "" : " (unfinished snapshot)"}`,
              batchSize,
              seen: `${count(denoiser.step * batchSize)} images`,
            }),
          ]),
    ],
  };
}

function dataParagraphs({ settings, corpus, heldOut, dataNote = NO_DATA_NOTE }: CardFacts): string[] {
  const { fileOf, files, captions } = corpus;
  return [
    dataNote.trim(),
    `Read were ${count(fileOf.length)} images from ${count(files.length)} files with ${captions.length} different captions; ${heldOut} images (whole files) were held out. ${settings.vocabulary === "clip" ? "The CLIP vocabulary in `tokenizer/` is OpenAI's (MIT licence)." : "The vocabulary in `tokenizer/` was learned from the captions."}`,
  ];
}

function trainingLine({ settings, precision }: CardFacts): string {
  const { device, seed, denoiser } = settings;
  return `Device ${device}, precision ${precision}; seed ${seed}; ${denoiser.predictionType} prediction, min-SNR gamma ${denoiser.minSnr}, weights averaged with decay ${denoiser.emaDecay}, captions left out for ${100 * denoiser.captionDropout} % of the images.`;
}

function networksLine({ settings, autoencoder }: CardFacts): string {
  const { vae, unet, text } = ARCHITECTURES[settings.preset];
  const psnr = autoencoder.figures[PSNR];
  const roundTrip = psnr === undefined ? "" : `; round trip of held-out images ${psnr.toFixed(1)} dB PSNR`;
  return `Autoencoder: ${vae.block_out_channels.join("-")} channels, ${vae.latent_channels} latent channels, ${2 ** (vae.block_out_channels.length - 1)}x down-sampling${roundTrip}. UNet: ${unet.block_out_channels.join("-")} channels. Text encoder: width ${text.hidden_size}, ${text.num_hidden_layers} layers; rows of tokens that no caption held are zero.`;
}

function picturesOf({ settings, sheet, roundTrips, prompts }: CardFacts): ModelCard["pictures"] {
  const { steps, guidanceScale } = SAMPLE_OPTIONS;
  const sampler = SAMPLERS[defaultSampler(pretrainSchedule(settings.denoiser)).name].title;
  return [
    {
      path: sheet,
      name: "samples.webp",
      alt: "text to image",
      caption: `Text to image, ${steps} ${sampler} steps, guidance ${guidanceScale}, captions at even distances of the corpus' sorted list, none chosen by hand: ${prompts.map((prompt) => `"${prompt}"`).join(", ")}.`,
    },
    {
      path: roundTrips,
      name: "round-trip.webp",
      alt: "round trip",
      caption: "Held-out images and, below each row, what the autoencoder makes of them.",
    },
  ];
}

function count(value: number): string {
  return value.toLocaleString("en");
}
