import { existsSync } from "node:fs";
import { join } from "node:path";
import { inferenceMode, keep, noGrad, safetensors, scope, type Tensor, zeros } from "@penumbra/torch";
import type { AutoencoderKL, Compute } from "../../models/index.ts";
import { GeneratorError } from "../errors.ts";
import type { PretrainSettings } from "./settings.ts";

/** Latents of a whole corpus by the frozen autoencoder: mean and standard deviation of each posterior. */
export interface Latents {
  /** float16 [N, C, h, w] on the device. */
  readonly mean: Tensor;
  readonly std: Tensor;
  /** 1 / standard deviation of all latent numbers, as `scaling_factor` in config.json. */
  readonly scalingFactor: number;
}

/** Latents of the training images; computed once, then read from the work folder. */
export async function corpusLatents(
  vae: AutoencoderKL,
  images: Tensor,
  options: {
    settings: PretrainSettings;
    compute: Compute;
    work: string;
    onLine: (line: string) => void;
  },
): Promise<Latents> {
  const { settings, compute, work, onLine } = options;
  const path = join(work, "latents.safetensors");
  if (existsSync(path)) return readLatents(path, images.device);
  let last = performance.now();
  const latents = encodeCorpus(vae, images, {
    flips: settings.denoiser.flips,
    compute,
    onProgress: (done, total) => {
      if (performance.now() - last < settings.logSeconds * 1000) return;
      last = performance.now();
      onLine(`latents: ${done} of ${total}`);
    },
  });
  const { mean, std, scalingFactor } = latents;
  safetensors.write(path, { mean, std }, { scalingFactor: String(scalingFactor) });
  onLine(`latents: scaling factor ${scalingFactor.toPrecision(4)}`);
  return latents;
}

function readLatents(path: string, device: string): Latents {
  return scope(() => {
    const { tensors, metadata } = safetensors.read(path);
    const { mean, std } = tensors;
    const scalingFactor = Number(metadata.scalingFactor);
    if (!mean || !std || !(scalingFactor > 0))
      throw new GeneratorError(`"${path}" holds no latents of a corpus. Remove it: it is made again.`);
    return noGrad(() => ({ mean: keep(mean.to(device)), std: keep(std.to(device)), scalingFactor }));
  });
}

/**
 * Encodes all images once; with `flips`, their mirror images follow as items N … 2N - 1.
 *
 * @param images uint8 [N, 3, S, S] on the device
 */
export function encodeCorpus(
  vae: AutoencoderKL,
  images: Tensor,
  options: {
    flips: boolean;
    compute: Compute;
    batchSize?: number;
    onProgress?: (done: number, total: number) => void;
  },
): Latents {
  const { flips, compute, batchSize = 64, onProgress } = options;
  const count = images.shape[0]!;
  const total = flips ? 2 * count : count;
  const collected = new Collected(total, images.device);
  for (let pass = 0; pass < (flips ? 2 : 1); pass++) {
    for (let start = 0; start < count; start += batchSize) {
      const length = Math.min(batchSize, count - start);
      scope(() => {
        const part = images.narrow(0, start, length);
        const [mean, std] = encodePart(vae, pass === 1 ? part.flip([3]) : part, compute);
        collected.put(pass * count + start, mean, std);
      });
      onProgress?.(pass * count + start + length, total);
    }
  }
  return collected.latents();
}

/** Mean and standard deviation of the posteriors, float32. */
function encodePart(vae: AutoencoderKL, part: Tensor, compute: Compute): [mean: Tensor, std: Tensor] {
  return scope(() =>
    inferenceMode(() => {
      const pixels = part.to("float32").div(127.5).sub(1);
      const posterior = compute(() => vae.encode(pixels.contiguous({ memoryFormat: "channelsLast" })));
      return [posterior.mean.to("float32"), posterior.logvar.to("float32").mul(0.5).exp()];
    }),
  );
}

/** Latents as they come in, and the sums that their spread is computed from. */
class Collected {
  readonly #total: number;
  readonly #device: string;
  #tensors: { readonly mean: Tensor; readonly std: Tensor } | undefined;
  #sum = 0;
  #squares = 0;

  constructor(total: number, device: string) {
    this.#total = total;
    this.#device = device;
  }

  /** @param start place of the first of these items */
  put(start: number, mean: Tensor, std: Tensor): void {
    const [length, ...shape] = mean.shape as [number, ...number[]];
    const empty = () => keep(zeros([this.#total, ...shape], { dtype: "float16", device: this.#device }));
    this.#tensors ??= { mean: empty(), std: empty() };
    const { mean: means, std: stds } = this.#tensors;
    noGrad(() => means.narrow(0, start, length).copy_(mean));
    noGrad(() => stds.narrow(0, start, length).copy_(std));
    // Of draws from the posteriors: E[z] = mean, E[z^2] = mean^2 + std^2.
    this.#sum += mean.sum().item();
    this.#squares += mean.square().add(std.square()).sum().item();
  }

  latents(): Latents {
    if (!this.#tensors)
      throw new GeneratorError("There are no images to encode. Give a corpus that has some.");
    const numbers = this.#tensors.mean.numel;
    const variance = this.#squares / numbers - (this.#sum / numbers) ** 2;
    return { ...this.#tensors, scalingFactor: 1 / Math.sqrt(variance) };
  }
}
