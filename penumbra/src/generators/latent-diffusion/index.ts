/** Latent diffusion: an autoencoder, then text encoder and UNet on its latents, in the layout of Stable Diffusion 1.x. */

import type { ImageGenerator } from "../generator.ts";
import { CARD_WORDS } from "./card.ts";
import { PretrainSettings } from "./settings.ts";
import { pretrain } from "./train.ts";
import { wordsArtist } from "./words-artist.ts";

export const latentDiffusion: ImageGenerator<PretrainSettings> = {
  title: "Latent diffusion",
  description: "a small Stable Diffusion: an autoencoder, then text encoder and UNet together on its latents",
  settings: PretrainSettings,
  card: CARD_WORDS,
  train: pretrain,
  artist: null,
  byWords: wordsArtist,
};
