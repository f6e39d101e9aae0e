import { deriveSeed, full, Generator, type nn, optim, rand, type Tensor, where } from "@penumbra/torch";
import type { SchedulerConfig } from "../../diffusion/index.ts";
import type { Compute } from "../../models/index.ts";
import { EarlyCopy } from "../trainer/early-copy.ts";
import { Noising } from "../trainer/noising.ts";
import type { Batches } from "../trainer/photo-batches.ts";
import type { Trainee } from "../trainer/trainee.ts";
import { simpleLoss, VariationalBound } from "./losses.ts";

/** What predicts noise, velocity or image, of images or of anything else. */
export interface Denoiser extends nn.AnyModule {
  /** @param timesteps int64 [B] @param labels as the batches have them: int64 [B], classes */
  forward(noisy: Tensor, timesteps: Tensor, labels: Tensor): Tensor;
}

export interface DdpmTraineeOptions {
  /** Of the stage. Default "ddpm". */
  readonly name?: string;
  readonly denoiser: Denoiser;
  /** Others of the same kind: they become its average, and, where that is wanted, its average early on. */
  readonly average: Denoiser;
  readonly early: Denoiser | null;
  readonly batches: Batches;
  readonly compute: Compute;
  readonly scheduler: SchedulerConfig;
  readonly seed: number;
  readonly learningRate: number;
  /** Whether the second half of the denoiser's channels says where the variance lies. */
  readonly learnsVariance: boolean;
  /** The label that stands for no class, and how often it is shown; null: no guidance is learned. */
  readonly dropout: { readonly label: number; readonly share: number } | null;
  readonly emaDecay: number;
  /** Share of the training after which the early copy is taken. */
  readonly earlyShare: number;
}

/** Weight of the variational bound, whose terms are scaled to all timesteps (Nichol and Dhariwal 2021, eq. 16). */
const BOUND_WEIGHT = 0.001;

/** A denoiser learns from images noised to random timesteps (Ho et al. 2020, algorithm 1). */
export class DdpmTrainee implements Trainee {
  readonly name: string;
  readonly lossNames: readonly string[];
  readonly device: string;
  readonly networks: Trainee["networks"];
  readonly averages: { readonly denoiser: optim.Ema };
  readonly optimizer: optim.AdamW;
  readonly early: EarlyCopy<Denoiser> | null;
  readonly #options: DdpmTraineeOptions;
  readonly #noising: Noising;
  readonly #bound: VariationalBound | null;
  readonly #random: Generator;

  constructor(options: DdpmTraineeOptions) {
    const { denoiser, average, early, scheduler, learningRate, emaDecay, learnsVariance } = options;
    this.#options = options;
    this.name = options.name ?? "ddpm";
    this.device = options.batches.device;
    this.lossNames = learnsVariance ? ["mse", "bits"] : ["mse"];
    this.early = early && new EarlyCopy(early);
    this.networks = { denoiser, ...(this.early && { early: this.early }) };
    this.averages = { denoiser: new optim.Ema(denoiser, { decay: emaDecay, warmup: true, average }) };
    this.optimizer = new optim.AdamW(denoiser.parameters(), {
      lr: learningRate,
      weightDecay: 0,
      betas: [0.9, 0.99],
    });
    this.#noising = new Noising(scheduler, this.device);
    this.#bound = learnsVariance ? new VariationalBound(scheduler, this.device) : null;
    this.#random = new Generator({ seed: 0, device: this.device });
  }

  step(step: number, learningRate: number, progress: number): Tensor[] {
    const { denoiser, batches, compute, seed, average, earlyShare, scheduler } = this.#options;
    const { x, labels } = batches.at(step);
    const random = this.#random.manualSeed(deriveSeed(seed, this.name, "noise", step));
    const { noisy, target, timesteps } = this.#noising.corrupt(x, random);
    const told = this.#dropped(labels, random);
    const output = compute(() => denoiser.forward(noisy, timesteps, told)).to("float32");
    const [predicted, ranges] = this.#bound ? output.chunk(2, { dim: 1 }) : [output];
    const mse = simpleLoss(predicted!, target);
    const bits = this.#bound
      ?.terms({ clean: x, noisy, predicted: predicted!, ranges: ranges!, timesteps })
      .mean()
      .mul(scheduler.num_train_timesteps);
    this.optimizer.zeroGrad();
    (bits ? mse.add(bits.mul(BOUND_WEIGHT)) : mse).backward();
    optim.clipGradNorm_(denoiser.parameters(), 1);
    this.optimizer.lr = learningRate;
    this.optimizer.step();
    this.averages.denoiser.update();
    if (progress >= earlyShare) this.early?.take(average);
    return bits ? [mse.detach(), bits.detach()] : [mse.detach()];
  }

  /** Labels of which some say no class (Ho and Salimans 2022, algorithm 1). */
  #dropped(labels: Tensor, generator: Generator): Tensor {
    const { dropout } = this.#options;
    if (!dropout) return labels;
    const { device, shape } = labels;
    const isDropped = rand(shape, { generator, device }).lt(dropout.share);
    return where(isDropped, full(shape, dropout.label, { dtype: "int64", device }), labels);
  }
}
