import { type Generator, keep, randint, randn, scope, type Tensor, tensor } from "@penumbra/torch";
import { alphasCumprod, type SchedulerConfig } from "../../diffusion/index.ts";

/** Images or latents on their way to noise, and what a denoiser is to say of them. */
export interface Noised {
  readonly noisy: Tensor;
  /** Noise, velocity or image, by the schedule's `prediction_type`. */
  readonly target: Tensor;
  /** int64 [B] */
  readonly timesteps: Tensor;
}

/**
 * Noises batches to random timesteps. As diffusion's `addNoise` and `trainingTarget`, but the timesteps are drawn on
 * the device and never read: the loop need not wait for it.
 */
export class Noising {
  /** Amplitudes of image and noise at each timestep, float32 [T]. */
  readonly #signal: Tensor;
  readonly #noise: Tensor;
  readonly #scheduler: SchedulerConfig;

  constructor(scheduler: SchedulerConfig, device: string) {
    this.#scheduler = scheduler;
    const [signal, noise] = scope(() => {
      const abar = tensor(Float32Array.from(alphasCumprod(scheduler)));
      return [abar.sqrt().to(device), abar.neg().add(1).sqrt().to(device)] as const;
    });
    this.#signal = keep(signal);
    this.#noise = keep(noise);
  }

  /**
   * sqrt(abar_t) x0 + sqrt(1 - abar_t) noise (Ho et al. 2020, eq. 4), t uniform.
   * @param clean [B, ...]
   * @param generator of noise and timesteps, in this order
   */
  corrupt(clean: Tensor, generator: Generator): Noised {
    const options = { generator, device: clean.device };
    const noise = randn(clean.shape, options);
    const count = clean.shape[0]!;
    const timesteps = randint(this.#signal.shape[0]!, [count], { ...options, dtype: "int64" });
    const column = [-1, ...Array<number>(clean.ndim - 1).fill(1)];
    const signal = this.#signal.indexSelect(0, timesteps).view(column);
    const sigma = this.#noise.indexSelect(0, timesteps).view(column);
    const noisy = clean.mul(signal).add(noise.mul(sigma));
    switch (this.#scheduler.prediction_type) {
      case "epsilon":
        return { noisy, target: noise, timesteps };
      case "sample":
        return { noisy, target: clean, timesteps };
      case "v_prediction":
        return { noisy, target: noise.mul(signal).sub(clean.mul(sigma)), timesteps };
    }
  }
}
