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

function vae(blockOutChannels: readonly number[], latentChannels: number, groups: number, layers = 1) {
  return {
    in_channels: 3,
    out_channels: 3,
    latent_channels: latentChannels,
    block_out_channels: blockOutChannels,
    down_block_types: blockOutChannels.map(() => "DownEncoderBlock2D"),
    up_block_types: blockOutChannels.map(() => "UpDecoderBlock2D"),
    layers_per_block: layers,
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
    layers?: number;
  },
) {
  const { channels, sampleSize, context, groups, heads, layers = 1 } = options;
  return {
    in_channels: channels,
    out_channels: channels,
    sample_size: sampleSize,
    block_out_channels: blockOutChannels,
    down_block_types: attention.map((yes) => (yes ? "CrossAttnDownBlock2D" : "DownBlock2D")),
    up_block_types: [...attention].reverse().map((yes) => (yes ? "CrossAttnUpBlock2D" : "UpBlock2D")),
    mid_block_type: "UNetMidBlock2DCrossAttn",
    layers_per_block: layers,
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
 * works on the 8 x 8 and 4 x 4 levels only, for speed on a processor. `mini-wide` has a larger UNet. `mini-8x` halves
 * three times and keeps 16 channels: a cheaper UNet, and fine details that are lost. `mini-2` has two layers a level and
 * attention at 16 x 16 too, for a GPU: `penumbra/mini/pretrain.yaml` trains it. `tiny` is for tests.
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
  "mini-2": {
    vae: vae([32, 64, 128], 8, 16, 2),
    unet: unet([64, 112, 192], [true, true, true], {
      channels: 8,
      sampleSize: 16,
      context: 128,
      groups: 16,
      heads: [2, 7, 6],
      layers: 2,
    }),
    text: text(128, 3, 4),
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
export const presets = Object.keys(ARCHITECTURES) as [Preset, ...Preset[]];

/** Edge of the images of a preset, in pixels. */
export function imageSize(preset: Preset): number {
  const { vae, unet } = ARCHITECTURES[preset];
  return unet.sample_size * 2 ** (vae.block_out_channels.length - 1);
}
