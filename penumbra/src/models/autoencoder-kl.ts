import { nn, scope, type Tensor } from "@penumbra/torch";
import { Decoder, Encoder } from "./autoencoder-kl-blocks.ts";
import {
  type AutoencoderKLConfig,
  type AutoencoderKLConfigInput,
  parseAutoencoderKLConfig,
} from "./autoencoder-kl-config.ts";
import type { RawConfig } from "./model-config.ts";

/** A normal distribution over latents, one mean and one log-variance a number: each [B, latent, h, w]. */
export interface Posterior {
  readonly mean: Tensor;
  /** Between -30 and 20. */
  readonly logvar: Tensor;
}

/** One draw: mean + exp(logvar / 2) noise (Kingma and Welling 2014, eq. 10). @param noise of the mean's shape */
export function samplePosterior({ mean, logvar }: Posterior, noise: Tensor): Tensor {
  return scope(() => mean.add(logvar.mul(0.5).exp().mul(noise)));
}

/**
 * The autoencoder of latent diffusion (Rombach et al. 2022), diffusers' AutoencoderKL with its parameter names.
 *
 * Its latents are unscaled; diffusion works on `scale(latents)`, which have about unit variance.
 *
 * @example
 * const vae = new AutoencoderKL({ latent_channels: 16, block_out_channels: [16, 32, 64, 128], norm_num_groups: 8 });
 * const { mean } = vae.encode(images.mul(2).sub(1)); // [B, 3, 64, 64] in 0..1 -> [B, 16, 8, 8]
 */
export class AutoencoderKL extends nn.Module<[Tensor, (Tensor | null)?]> {
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly quantConv: nn.Conv2d | null;
  readonly postQuantConv: nn.Conv2d | null;
  readonly config: AutoencoderKLConfig;
  /** Pixels along the edge of one latent position. */
  readonly factor: number;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(config: AutoencoderKLConfigInput | RawConfig = {}, where?: string) {
    super();
    this.config = parseAutoencoderKLConfig(config, where);
    const { latent_channels: channels } = this.config;
    this.factor = 2 ** (this.config.block_out_channels.length - 1);
    this.encoder = new Encoder(this.config);
    this.decoder = new Decoder(this.config);
    this.quantConv = this.config.use_quant_conv ? new nn.Conv2d(2 * channels, 2 * channels, 1) : null;
    this.postQuantConv = this.config.use_post_quant_conv ? new nn.Conv2d(channels, channels, 1) : null;
  }

  /** @param images [B, 3, H, W] in -1..1; H and W multiples of `factor` */
  encode(images: Tensor): Posterior {
    return scope(() => {
      const encoded = this.encoder.forward(images);
      const moments = this.quantConv ? this.quantConv.forward(encoded) : encoded; // [B, 2 latent, h, w]
      const [mean, logvar] = moments.chunk(2, { dim: 1 }) as [Tensor, Tensor];
      return { mean, logvar: logvar.clamp({ min: -30, max: 20 }) };
    });
  }

  /** @param latents [B, latent, h, w], unscaled @returns [B, 3, H, W], about -1..1, not clamped */
  decode(latents: Tensor): Tensor {
    return scope(() =>
      this.decoder.forward(this.postQuantConv ? this.postQuantConv.forward(latents) : latents),
    );
  }

  /** The round trip of images in -1..1 through a draw from the posterior, or through its mean without `noise`. */
  forward(images: Tensor, noise: Tensor | null = null): Tensor {
    return scope(() => {
      const posterior = this.encode(images);
      return this.decode(noise ? samplePosterior(posterior, noise) : posterior.mean);
    });
  }

  /** Latents as diffusion sees them: (z - shift_factor) * scaling_factor. */
  scale(latents: Tensor): Tensor {
    const { shift_factor: shift, scaling_factor: factor } = this.config;
    return scope(() => (shift === null ? latents : latents.sub(shift)).mul(factor));
  }

  /** The inverse of {@link scale}. */
  unscale(latents: Tensor): Tensor {
    const { shift_factor: shift, scaling_factor: factor } = this.config;
    return scope(() => {
      const unscaled = latents.div(factor);
      return shift === null ? unscaled : unscaled.add(shift);
    });
  }
}
