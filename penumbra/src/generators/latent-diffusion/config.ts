import { z } from "zod";

/** Network sizes, in the words of diffusers' config.json (snake_case keys are written there as they are). */
export interface Architecture {
  readonly vae: Record<string, unknown> & {
    readonly latent_channels: number;
    readonly block_out_channels: readonly number[];
  };
  readonly unet: Record<string, unknown>;
  readonly text: Record<string, unknown> & { readonly hidden_size: number };
}

const CLIP_VOCABULARY = 49_408;

function vae(blockOutChannels: readonly number[], latentChannels: number, groups: number) {
  return {
    in_channels: 3,
    out_channels: 3,
    latent_channels: latentChannels,
    block_out_channels: blockOutChannels,
    down_block_types: blockOutChannels.map(() => "DownEncoderBlock2D"),
    up_block_types: blockOutChannels.map(() => "UpDecoderBlock2D"),
    layers_per_block: 1,
    norm_num_groups: groups,
    act_fn: "silu",
    sample_size: 64,
    scaling_factor: 1,
    // Attention over all positions would tie what is learned to the size of the training crops.
    mid_block_add_attention: false,
  };
}

function unet(
  blockOutChannels: readonly number[],
  attention: readonly boolean[],
  options: {
    channels: number;
    sampleSize: number;
    context: number;
    groups: number;
    heads: readonly number[];
  },
) {
  const { channels, sampleSize, context, groups, heads } = options;
  return {
    in_channels: channels,
    out_channels: channels,
    sample_size: sampleSize,
    block_out_channels: blockOutChannels,
    down_block_types: attention.map((yes) => (yes ? "CrossAttnDownBlock2D" : "DownBlock2D")),
    up_block_types: [...attention].reverse().map((yes) => (yes ? "CrossAttnUpBlock2D" : "UpBlock2D")),
    mid_block_type: "UNetMidBlock2DCrossAttn",
    layers_per_block: 1,
    cross_attention_dim: context,
    // diffusers' historical name: in SD 1.x configurations this is the NUMBER of heads.
    attention_head_dim: heads,
    norm_num_groups: groups,
    act_fn: "silu",
    flip_sin_to_cos: true,
    freq_shift: 0,
  };
}

/** How long captions may be is the tokenizer's matter. */
function text(hiddenSize: number, layers: number, heads: number) {
  return {
    vocab_size: CLIP_VOCABULARY,
    hidden_size: hiddenSize,
    intermediate_size: 4 * hiddenSize,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
    projection_dim: hiddenSize,
    bos_token_id: 49_406,
    eos_token_id: 49_407,
    pad_token_id: 1,
  };
}

/**
 * The sizes that `pretrain` knows. `mini` is penumbra-mini: 4x down-sampling, 8 channels; the UNet's attention
 * works on the 8 x 8 and 4 x 4 levels only, for speed on a processor. `mini-wide` has a larger UNet. `mini-8x` halves three times and keeps 16 channels: a cheaper UNet,
 * and fine details that are lost. `tiny` is for tests.
 */
export const ARCHITECTURES = {
  mini: {
    vae: vae([16, 32, 64], 8, 8),
    unet: unet([48, 96, 160], [false, true, true], {
      channels: 8,
      sampleSize: 16,
      context: 96,
      groups: 16,
      heads: [1, 3, 5],
    }),
    text: text(96, 2, 6),
  },
  "mini-wide": {
    vae: vae([16, 32, 64], 8, 8),
    unet: unet([64, 128, 192], [false, true, true], {
      channels: 8,
      sampleSize: 16,
      context: 96,
      groups: 32,
      heads: [2, 4, 6],
    }),
    text: text(96, 4, 6),
  },
  "mini-8x": {
    vae: vae([16, 32, 64, 128], 16, 8),
    unet: unet([128, 192], [true, false], {
      channels: 16,
      sampleSize: 8,
      context: 96,
      groups: 32,
      heads: [4, 6],
    }),
    text: text(96, 4, 6),
  },
  tiny: {
    vae: vae([8, 8, 16], 4, 4),
    unet: unet([16, 32], [true, false], {
      channels: 4,
      sampleSize: 4,
      context: 16,
      groups: 8,
      heads: [2, 4],
    }),
    text: text(16, 1, 2),
  },
} as const satisfies Record<string, Architecture>;

export type Preset = keyof typeof ARCHITECTURES;
const presets = Object.keys(ARCHITECTURES) as [Preset, ...Preset[]];

/** Edge of the images of a preset, in pixels. */
export function imageSize(preset: Preset): number {
  const { vae, unet } = ARCHITECTURES[preset];
  return unet.sample_size * 2 ** (vae.block_out_channels.length - 1);
}

const budget = {
  steps: z.int().positive().describe("Optimiser steps; the learning rate falls to its floor at the end."),
  minutes: z
    .number()
    .positive()
    .optional()
    .describe(
      "Stops the stage after this training time; the learning rate then follows the clock, so runs differ.",
    ),
  batchSize: z.int().positive(),
  learningRate: z.number().positive(),
  warmup: z.int().nonnegative().describe("Steps of linear rise at the start."),
  weightDecay: z.number().nonnegative(),
};

export const AutoencoderSettings = z.strictObject({
  ...budget,
  steps: budget.steps.default(20_000),
  batchSize: budget.batchSize.default(32),
  learningRate: budget.learningRate.default(1e-3),
  warmup: budget.warmup.default(100),
  weightDecay: budget.weightDecay.default(0),
  crop: z.int().positive().default(32).describe("Edge of the random crops, in pixels."),
  fullEvery: z
    .int()
    .nonnegative()
    .default(4)
    .describe(
      "Every so many steps the batch holds whole images instead of crops (a quarter as many for equal cost); 1: always; 0: never.",
    ),
  klWeight: z
    .number()
    .nonnegative()
    .default(2e-4)
    .describe("Weight of the mean KL divergence per latent number."),
  pyramidWeight: z.number().nonnegative().default(1).describe("Weight of the Laplacian-pyramid L1 loss."),
  edgeWeight: z
    .number()
    .nonnegative()
    .default(3)
    .describe("How much more a pixel at an edge counts than one on an even area."),
});

export const DenoiserSettings = z.strictObject({
  ...budget,
  steps: budget.steps.default(60_000),
  batchSize: budget.batchSize.default(64),
  learningRate: budget.learningRate.default(4e-4),
  warmup: budget.warmup.default(500),
  weightDecay: budget.weightDecay.default(0.01),
  captionDropout: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of samples with an empty caption, for guidance."),
  templateShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Share of captions "a photo of a X" retold by one of the 27 templates of textual inversion.'),
  flips: z.boolean().default(true).describe("Also learn from mirrored images."),
  minSnr: z
    .number()
    .nonnegative()
    .default(5)
    .describe("gamma of min-SNR weighting (Hang et al. 2023); 0: none."),
  predictionType: z.enum(["epsilon", "v_prediction"]).default("epsilon"),
  emaDecay: z.number().min(0).max(1).default(0.9995),
  clipNorm: z.number().positive().default(1),
});

export const PretrainSettings = z.strictObject({
  preset: z.enum(presets).default("mini"),
  seed: z.int().nonnegative().default(0),
  device: z.string().default("cpu"),
  precision: z.enum(["auto", "fp32", "bf16", "fp16"]).default("auto"),
  checkpointMinutes: z.number().nonnegative().default(5),
  sheetMinutes: z.number().nonnegative().default(5),
  logSeconds: z.number().nonnegative().default(10),
  limit: z.int().positive().optional().describe("Reads only the first files of the corpus, for trials."),
  autoencoder: AutoencoderSettings.default(() => AutoencoderSettings.parse({})),
  denoiser: DenoiserSettings.default(() => DenoiserSettings.parse({})),
});

export type AutoencoderSettings = z.infer<typeof AutoencoderSettings>;
export type DenoiserSettings = z.infer<typeof DenoiserSettings>;
export type PretrainSettings = z.infer<typeof PretrainSettings>;
