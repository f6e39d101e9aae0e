import { deriveSeed, manualSeed, noGrad, scope, type Tensor } from "@penumbra/torch";
import {
  type ClipTokenizer,
  parseSchedulerConfig,
  type SchedulerConfig,
  StableDiffusion,
} from "../../diffusion/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../models/index.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { type DenoiserState, TOKEN_TABLE } from "./denoiser.ts";
import type { DenoiserSettings, PretrainSettings } from "./settings.ts";

/** The noise schedule of Stable Diffusion 1.x. */
export function pretrainSchedule({
  predictionType,
  timestepSpacing,
}: Pick<DenoiserSettings, "predictionType" | "timestepSpacing">): SchedulerConfig {
  return parseSchedulerConfig({ prediction_type: predictionType, timestep_spacing: timestepSpacing });
}

/**
 * Puts the trained parts together as one Stable Diffusion model on the CPU in float32. The text encoder gets
 * the whole CLIP vocabulary: rows of tokens that no caption holds are zero, so an unknown word says nothing.
 */
export function assemble(options: {
  settings: PretrainSettings;
  tokenizer: ClipTokenizer;
  vocabulary: readonly number[];
  vae: AutoencoderKL;
  scalingFactor: number;
  denoiser: DenoiserState;
}): StableDiffusion {
  const { settings, tokenizer, vocabulary, vae, scalingFactor, denoiser } = options;
  const architecture = ARCHITECTURES[settings.preset];
  manualSeed(deriveSeed(settings.seed, "assemble")); // overwritten below; drawn so that nothing else shifts
  const own = {
    vocab_size: tokenizer.vocabSize,
    bos_token_id: tokenizer.startId,
    eos_token_id: tokenizer.endId,
    pad_token_id: tokenizer.padId,
  };
  const text = new CLIPTextModel({
    ...architecture.text,
    ...(settings.vocabulary !== "clip" && own),
    max_position_embeddings: tokenizer.maxLength,
  });
  const known = denoiser.text;
  scope(() =>
    noGrad(() => {
      const full: Record<string, Tensor> = { ...known };
      const rows = text.stateDict()[TOKEN_TABLE]!.detach().clone().zero_();
      const small = known[TOKEN_TABLE]!.detach().to("cpu");
      vocabulary.forEach((id, row) => {
        rows.select(0, id).copy_(small.select(0, row));
      });
      full[TOKEN_TABLE] = rows;
      text.loadStateDict(full);
    }),
  );
  const fullVae = new AutoencoderKL({ ...architecture.vae, scaling_factor: scalingFactor });
  fullVae.loadStateDict(vae.stateDict());
  const unet = new UNet2DConditionModel(architecture.unet);
  unet.loadStateDict(denoiser.unet);
  return new StableDiffusion({
    tokenizer,
    textEncoder: text,
    unet,
    vae: fullVae,
    schedulerConfig: pretrainSchedule(settings.denoiser),
  });
}
