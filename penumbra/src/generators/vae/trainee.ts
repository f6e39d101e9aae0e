import { deriveSeed, Generator, optim, randn, type Tensor } from "@penumbra/torch";
import { type Compute, type LatentAutoencoder, samplePosterior } from "../../models/index.ts";
import type { Batches } from "../trainer/photo-batches.ts";
import type { Trainee } from "../trainer/trainee.ts";
import { freeKl, klOfLatents, LIKELIHOODS, type LikelihoodName, negativeElbo } from "./losses.ts";

export interface VaeTraineeOptions {
  readonly network: LatentAutoencoder;
  /** Another one of the same kind: it becomes the average. */
  readonly average: LatentAutoencoder;
  readonly batches: Batches;
  readonly compute: Compute;
  readonly seed: number;
  readonly learningRate: number;
  readonly reconstruction: LikelihoodName;
  /** 0: a plain autoencoder, whose latents are not drawn. */
  readonly beta: number;
  readonly freeBits: number;
  readonly emaDecay: number;
}

/** Minimises the negative ELBO, or its relatives, by the reparameterised gradient (Kingma and Welling 2014, algorithm 1). */
export class VaeTrainee implements Trainee {
  /** What it is: with a beta of 0 no prior is learned. */
  readonly name: "autoencoder" | "vae";
  readonly lossNames = ["loss", "reconstruction", "kl"] as const;
  readonly device: string;
  readonly networks: { readonly vae: LatentAutoencoder };
  readonly averages: { readonly vae: optim.Ema };
  readonly optimizer: optim.AdamW;
  readonly #options: VaeTraineeOptions;
  readonly #noise: Generator;

  constructor(options: VaeTraineeOptions) {
    this.#options = options;
    this.name = options.beta === 0 ? "autoencoder" : "vae";
    this.device = options.batches.device;
    this.networks = { vae: options.network };
    this.averages = {
      vae: new optim.Ema(options.network, {
        decay: options.emaDecay,
        warmup: true,
        average: options.average,
      }),
    };
    this.optimizer = new optim.AdamW(options.network.parameters(), {
      lr: options.learningRate,
      weightDecay: 0,
      betas: [0.9, 0.99],
    });
    this.#noise = new Generator({ seed: 0, device: this.device });
  }

  step(step: number, learningRate: number): Tensor[] {
    const { network, batches, compute, seed, reconstruction, beta, freeBits } = this.#options;
    const { x, labels } = batches.at(step);
    const generator = this.#noise.manualSeed(deriveSeed(seed, "vae", "noise", step));
    const { posterior, output } = compute(() => {
      const posterior = network.encode(x, labels);
      const noise = randn(posterior.mean.shape, { generator, device: this.device });
      const z = beta === 0 ? posterior.mean : samplePosterior(posterior, noise);
      return { posterior, output: network.decode(z, labels) };
    });
    const logDensity = LIKELIHOODS[reconstruction].logDensity(x, output.to("float32"));
    const kl = klOfLatents({
      mean: posterior.mean.to("float32"),
      logvar: posterior.logvar.to("float32"),
    });
    const loss = beta === 0 ? logDensity.mean().neg() : negativeElbo(logDensity, freeKl(kl, freeBits), beta);
    this.optimizer.zeroGrad();
    loss.backward();
    optim.clipGradNorm_(network.parameters(), 100);
    this.optimizer.lr = learningRate;
    this.optimizer.step();
    this.averages.vae.update();
    return [loss.detach(), logDensity.detach().mean().neg(), kl.detach().sum([1]).mean()];
  }
}
