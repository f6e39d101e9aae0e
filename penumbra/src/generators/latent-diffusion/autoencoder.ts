import {
  backward,
  deriveSeed,
  Generator,
  inferenceMode,
  manualSeed,
  noGrad,
  optim,
  Random,
  rand,
  randn,
  scope,
  type Tensor,
} from "@penumbra/torch";
import { ShuffledRounds } from "../../data/index.ts";
import { AutoencoderKL, type Compute } from "../../models/index.ts";
import { randomCrops } from "../trainer/crops.ts";
import type { Trainee } from "../trainer/trainee.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { batchAt } from "./batches.ts";
import { edgeWeights, klDivergence, reconstructionLoss } from "./losses.ts";
import { adaptiveWeight, featureDistance, PatchDiscriminator, patchLoss } from "./patch-discriminator.ts";
import type { PretrainSettings } from "./settings.ts";

/** Name of the figure that an inspection gives. */
export const PSNR = "held-out PSNR (dB)";

/**
 * The first stage: an autoencoder for the latents that the diffusion model lives in (Rombach et al. 2022,
 * section 3.1; without a perceptual network, see `reconstructionLoss` for what keeps details instead), with a patch
 * discriminator where settings give it a weight.
 */
export class AutoencoderTrainee implements Trainee {
  readonly name = "autoencoder";
  readonly lossNames: readonly string[];
  readonly vae: AutoencoderKL;
  readonly networks: Trainee["networks"];
  readonly device: string;
  readonly optimizer:
    | optim.AdamW
    | { readonly autoencoder: optim.AdamW; readonly discriminator: optim.AdamW };
  /** What is trained: of a kept encoder the decoder alone. */
  readonly #parameters: readonly Tensor[];
  readonly #own: optim.AdamW;
  readonly #judge: { readonly network: PatchDiscriminator; readonly optimizer: optim.AdamW } | null;
  readonly #order: ShuffledRounds;
  readonly #noise: Generator;
  readonly #images: Tensor;
  readonly #compute: Compute;
  readonly #settings: PretrainSettings;
  readonly #inspect: ((vae: AutoencoderKL, step: number) => Promise<Record<string, number>>) | undefined;

  /** @param images uint8 [N, 3, S, S] on the device: the training part of the corpus */
  constructor(options: {
    settings: PretrainSettings;
    images: Tensor;
    compute: Compute;
    /** A finished autoencoder of the same sizes whose weights are the first ones. */
    from?: AutoencoderKL;
    inspect?: (vae: AutoencoderKL, step: number) => Promise<Record<string, number>>;
  }) {
    const { settings, images, compute, from, inspect } = options;
    this.device = images.device;
    this.#settings = settings;
    this.#images = images;
    this.#compute = compute;
    this.#inspect = inspect;
    manualSeed(deriveSeed(settings.seed, "autoencoder", "initial weights"));
    this.vae = new AutoencoderKL(ARCHITECTURES[settings.preset].vae);
    if (from) this.vae.loadStateDict(from.stateDict());
    this.vae.to({ device: this.device, memoryFormat: "channelsLast" });
    const { learningRate, weightDecay, discriminator, keep } = settings.autoencoder;
    this.#parameters = keep === "encoder" ? decoderOf(this.vae) : [...this.vae.parameters()];
    this.#own = new optim.AdamW(this.#parameters, {
      lr: learningRate,
      weightDecay,
      betas: [0.9, 0.99],
    });
    this.#judge = discriminator.weight > 0 ? judgeOf(settings, this.device) : null;
    this.networks = {
      autoencoder: this.vae,
      ...(this.#judge && { discriminator: this.#judge.network }),
    };
    this.optimizer = this.#judge
      ? { autoencoder: this.#own, discriminator: this.#judge.optimizer }
      : this.#own;
    this.lossNames = [
      ...["reconstruction", "l1", "kl"],
      ...(this.#judge ? ["adversarial", "discriminator"] : []),
    ];
    this.#order = new ShuffledRounds(images.shape[0]!, (epoch) =>
      deriveSeed(deriveSeed(settings.seed, "autoencoder"), "epoch", epoch),
    );
    this.#noise = new Generator({ seed: 0, device: this.device });
  }

  step(step: number, learningRate: number): Tensor[] {
    const { autoencoder, seed } = this.#settings;
    const { batchSize, keep, klWeight, pyramidWeight, edgeWeight, latentNoise } = autoencoder;
    const { count, size } = batchAt(autoencoder, this.#images.shape[2]!, step);
    const items = this.#order.take(step * batchSize, count);
    const random = new Random(deriveSeed(seed, "autoencoder", "crops", step));
    const images = randomCrops(this.#images, items, size, random); // [B, 3, size, size]
    this.#noise.manualSeed(deriveSeed(seed, "autoencoder", "noise", step));

    const { mean, logvar, output } = this.#compute(() => {
      const encode = () => this.vae.encode(images);
      const { mean, logvar } = keep === "encoder" ? noGrad(encode) : encode();
      const options = { generator: this.#noise, device: this.device };
      const drawn = mean.add(logvar.mul(0.5).exp().mul(randn(mean.shape, options)));
      const latents = latentNoise > 0 ? drawn.add(noiseLike(mean, latentNoise, options)) : drawn;
      return { mean: mean.to("float32"), logvar: logvar.to("float32"), output: this.vae.decode(latents) };
    });
    const difference = output.to("float32").sub(images);
    const reconstruction = reconstructionLoss(difference, edgeWeights(images, edgeWeight), pyramidWeight);
    const kl = klDivergence(mean, logvar);
    const drawn = output.to("float32");
    const judged = this.#adversarial(step, images, drawn, reconstruction);
    const own = reconstruction.add(kl.mul(klWeight));
    this.#own.zeroGrad();
    backward([judged ? own.add(judged.loss) : own], { inputs: this.#parameters }); // the judge's own gradients are not wanted
    optim.clipGradNorm_(this.#parameters, 1);
    this.#own.lr = learningRate;
    this.#own.step();
    const losses = [reconstruction.detach(), difference.detach().abs().mean(), kl.detach()];
    if (!this.#judge) return losses;
    if (!judged) return [...losses, kl.detach().mul(0), kl.detach().mul(0)];
    return [...losses, judged.adversarial, this.#learnToJudge(images, drawn.detach(), learningRate)];
  }

  /** The discriminator's part of the loss, weighed against the reconstruction; null before it begins. */
  #adversarial(step: number, images: Tensor, drawn: Tensor, reconstruction: Tensor) {
    const { weight, start, features } = this.#settings.autoencoder.discriminator;
    if (!this.#judge || step < start) return null;
    const { network } = this.#judge;
    const look = (pictures: Tensor) => this.#compute(() => network.look(pictures));
    const { layers, logits } = look(drawn);
    const adversarial = logits.to("float32").mean().neg();
    const distance = features > 0 && featureDistance(noGrad(() => look(images)).layers, layers).mul(features);
    const own = distance ? adversarial.add(distance) : adversarial;
    const share = adaptiveWeight(reconstruction, own, this.vae.decoder.convOut.weight);
    return { adversarial: adversarial.detach(), loss: own.mul(share).mul(weight) };
  }

  /** A step of the discriminator on photos and what was made of them. */
  #learnToJudge(images: Tensor, drawn: Tensor, learningRate: number): Tensor {
    const { network, optimizer } = this.#judge!;
    const judge = (x: Tensor) => this.#compute(() => network.forward(x)).to("float32");
    const loss = patchLoss(judge(images), judge(drawn));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.lr = learningRate;
    optimizer.step();
    return loss.detach();
  }

  inspect(step: number): Promise<Record<string, number>> {
    return this.#inspect?.(this.vae, step) ?? Promise.resolve({});
  }
}

/** What decodes latents and nothing else. */
function decoderOf({ decoder, postQuantConv }: AutoencoderKL): Tensor[] {
  return [...decoder.parameters(), ...(postQuantConv?.parameters() ?? [])];
}

/** Noise whose deviation is another one for each image, even over 0 … largest. @param latents [B, C, h, w] */
function noiseLike(latents: Tensor, largest: number, options: { generator: Generator; device: string }) {
  const deviation = rand([latents.shape[0]!, 1, 1, 1], options).mul(largest);
  return randn(latents.shape, options).mul(deviation);
}

/** A discriminator with weights of its own seed, so that the autoencoder's are as they are without one. */
function judgeOf({ seed, autoencoder }: PretrainSettings, device: string) {
  const { learningRate, discriminator } = autoencoder;
  manualSeed(deriveSeed(seed, "autoencoder", "discriminator"));
  const network = new PatchDiscriminator(discriminator);
  network.to({ device, memoryFormat: "channelsLast" });
  const settings = { lr: learningRate, weightDecay: 0, betas: [0.5, 0.9] as [number, number] };
  return { network, optimizer: new optim.AdamW(network.parameters(), settings) };
}

/**
 * What the autoencoder makes of images: encoded to the mean of the posterior and decoded.
 *
 * @param images uint8 [N, 3, S, S]
 * @returns uint8 [N, 3, S, S] on the CPU
 */
export function roundTrip(
  vae: AutoencoderKL,
  images: Tensor,
  device: string,
  compute: Compute,
  batchSize = 64,
): Tensor {
  return scope(() => {
    const result = images.to("cpu").clone();
    for (let start = 0; start < images.shape[0]!; start += batchSize) {
      scope(() => {
        const part = images.narrow(0, start, Math.min(batchSize, images.shape[0]! - start));
        const pixels = inferenceMode(() => {
          const normalised = part.to(device).to("float32").div(127.5).sub(1);
          const decoded = compute(() => vae.decode(vae.encode(normalised).mean)).to("float32");
          return decoded.add(1).mul(127.5).round().clamp({ min: 0, max: 255 }).to("uint8").to("cpu");
        });
        noGrad(() => result.narrow(0, start, part.shape[0]!).copy_(pixels));
      });
    }
    return result;
  });
}

/** Peak signal-to-noise ratio in dB of two uint8 batches, over all pixels: 10 log10(255^2 / mean squared error). */
export function psnr(images: Tensor, others: Tensor): number {
  return scope(() => {
    const error = images.to("float32").sub(others.to("float32")).square().mean().item();
    return 10 * Math.log10(255 ** 2 / Math.max(error, 1e-10));
  });
}
