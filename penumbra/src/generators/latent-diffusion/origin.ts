import { deriveSeed } from "@penumbra/torch";
import { StableDiffusion } from "../../diffusion/index.ts";
import { GeneratorError } from "../errors.ts";
import { readTrainingRuns, type TrainingRun } from "../trainer/card.ts";
import { ARCHITECTURES } from "./architectures.ts";
import type { PretrainSettings } from "./settings.ts";

/** A finished model that training goes on from. */
export interface Origin {
  readonly model: StableDiffusion;
  readonly runs: readonly TrainingRun[];
}

/** @throws GeneratorError for a model of other sizes or another kind of prediction, or of unknown training */
export async function loadOrigin(folder: string, settings: PretrainSettings): Promise<Origin> {
  const model = StableDiffusion.load(folder, { device: settings.device });
  const other = differences(model, settings);
  if (other.length > 0) {
    throw new GeneratorError(
      `"${folder}" differs from preset "${settings.preset}" in ${other.join(", ")}. Go on from a model of the same settings, or train from scratch.`,
    );
  }
  return { model, runs: await readTrainingRuns(folder) };
}

/** What a vocabulary of one's own decides. */
const OF_THE_VOCABULARY = ["vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"];

/**
 * The seed of a run's items and noise: with the same seed a run that goes on from another must not see again what that
 * one saw.
 */
export function runSeed(seed: number, earlierRuns: number): number {
  return earlierRuns === 0 ? seed : deriveSeed(seed, "run", earlierRuns);
}

function differences(sd: StableDiffusion, { preset, denoiser, vocabulary }: PretrainSettings): string[] {
  const architecture = ARCHITECTURES[preset];
  const parts = { vae: sd.vae.config, unet: sd.unet.config, text: sd.textEncoder.config };
  const other = Object.entries(parts).flatMap(([part, config]) =>
    Object.entries(architecture[part as keyof typeof parts])
      .filter(([key]) => key !== "scaling_factor" && key in config)
      .filter(([key]) => vocabulary === "clip" || !OF_THE_VOCABULARY.includes(key))
      .filter(([key, value]) => JSON.stringify(config[key as keyof typeof config]) !== JSON.stringify(value))
      .map(([key]) => `${part} "${key}"`),
  );
  const isOther = sd.schedulerConfig.prediction_type !== denoiser.predictionType;
  return isOther ? [...other, 'scheduler "prediction_type"'] : other;
}
