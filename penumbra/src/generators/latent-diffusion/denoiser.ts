import {
  _foreachLerp_,
  deriveSeed,
  embedding,
  Generator,
  manualSeed,
  noGrad,
  optim,
  Random,
  randint,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import {
  alphasCumprod,
  type Compute,
  type SchedulerConfig,
  type StableDiffusion,
} from "../../diffusion/index.ts";
import { CLIPTextModel, UNet2DConditionModel } from "../../models/index.ts";
import type { CaptionTable } from "./captions.ts";
import { ARCHITECTURES, type PretrainSettings } from "./config.ts";
import { initialiseText, initialiseUnet } from "./initialise.ts";
import type { Latents } from "./latents.ts";
import { named, type Trainee, type TrainResult } from "./loop.ts";
import { EpochOrder, indices } from "./sampling.ts";

/** The averaged weights move every so many steps, to spare a pass over all weights in the others. */
const AVERAGE_EVERY = 4;

/** The text encoder's table of tokens, in its state dict. */
export const TOKEN_TABLE = "embeddings.token_embedding.weight";

/** Text encoder (for the words of the corpus) and UNet, trained or averaged together. */
export interface Denoiser {
  readonly text: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
}

/**
 * The second stage: UNet and text encoder together learn to predict the noise in latents
 * (Ho et al. 2020, eq. 14; Rombach et al. 2022, eq. 3), weighted by min-SNR (Hang et al. 2023, eq. 5).
 */
export class DenoiserTrainee implements Trainee {
  readonly name = "denoiser";
  readonly lossNames = ["loss", "mse"] as const;
  readonly device: string;
  readonly current: Denoiser;
  /** Exponential averages of the weights: what is saved and sampled from. */
  readonly average: Denoiser;
  readonly optimizer: optim.AdamW;
  readonly #parameters: Tensor[];
  readonly #averages: Tensor[];
  readonly #order: EpochOrder;
  readonly #random: Generator;
  readonly #signal: Tensor;
  readonly #noise: Tensor;
  readonly #weights: Tensor;
  readonly #captionIds: Tensor;
  readonly #options: DenoiserOptions;

  constructor(options: DenoiserOptions) {
    const { settings, captions, latents, scheduler } = options;
    this.#options = options;
    this.device = latents.mean.device;
    this.current = this.#build("denoiser");
    this.average = this.#build("denoiser");
    this.#parameters = [...this.current.text.parameters(), ...this.current.unet.parameters()];
    this.#averages = [...this.average.text.parameters(), ...this.average.unet.parameters()];
    for (const parameter of this.#averages) parameter.requiresGrad = false;
    const { learningRate, weightDecay, minSnr, predictionType } = settings.denoiser;
    this.optimizer = new optim.AdamW(this.#parameters, { lr: learningRate, weightDecay, betas: [0.9, 0.99] });
    this.#order = new EpochOrder(latents.mean.shape[0]!, deriveSeed(settings.seed, "denoiser"));
    this.#random = new Generator({ seed: 0, device: this.device });
    this.#captionIds = captions.ids.to(this.device);
    const [signal, noise, weights] = scope(() => {
      const abar = tensor(Float32Array.from(alphasCumprod(scheduler)));
      const snr = abar.div(abar.neg().add(1));
      // min(SNR, gamma) / SNR for epsilon, min(SNR, gamma) / (SNR + 1) for v: both are the same weight on x_0.
      const weights =
        minSnr === 0
          ? snr.mul(0).add(1)
          : snr.clamp({ max: minSnr }).div(predictionType === "epsilon" ? snr : snr.add(1));
      return [abar.sqrt(), abar.neg().add(1).sqrt(), weights].map((values) => values.to(this.device));
    }) as [Tensor, Tensor, Tensor];
    this.#signal = signal;
    this.#noise = noise;
    this.#weights = weights;
  }

  #build(name: string): Denoiser {
    const { settings, captions, from } = this.#options;
    const { text, unet } = ARCHITECTURES[settings.preset];
    manualSeed(deriveSeed(settings.seed, name, "initial weights"));
    const denoiser: Denoiser = {
      text: new CLIPTextModel({
        ...text,
        vocab_size: captions.vocabulary.length,
        max_position_embeddings: captions.ids.shape[1]!,
      }),
      unet: new UNet2DConditionModel(unet),
    };
    initialiseText(denoiser.text);
    initialiseUnet(denoiser.unet);
    if (from) {
      // The small table holds the rows of this corpus' vocabulary only.
      denoiser.text.loadStateDict(rowsOfVocabulary(from.textEncoder, captions.vocabulary));
      denoiser.unet.loadStateDict(from.unet.stateDict());
    }
    denoiser.text.to({ device: this.device });
    denoiser.unet.to({ device: this.device, memoryFormat: "channelsLast" });
    return denoiser;
  }

  step(step: number, learningRate: number): Tensor[] {
    const { settings, captions, captionOf, latents, compute } = this.#options;
    const { batchSize, captionDropout, templateShare, predictionType, emaDecay, clipNorm } =
      settings.denoiser;
    const items = this.#order.take(step * batchSize, batchSize);
    const random = new Random(deriveSeed(settings.seed, "denoiser", "captions", step));
    const rows = items.map((item) =>
      captions.draw(captionOf[item % captionOf.length]!, random, { dropout: captionDropout, templateShare }),
    );
    const plan = indices([...items, ...rows], this.device).view([2, batchSize]);
    const generator = this.#random.manualSeed(deriveSeed(settings.seed, "denoiser", "noise", step));

    const item = plan.select(0, 0);
    const mean = latents.mean.indexSelect(0, item).to("float32"); // [B, C, h, w]
    const std = latents.std.indexSelect(0, item).to("float32");
    const posterior = randn(mean.shape, { generator, device: this.device });
    const clean = mean.add(std.mul(posterior)).mul(latents.scalingFactor);
    const noise = randn(mean.shape, { generator, device: this.device });
    const timesteps = randint(this.#signal.shape[0]!, [batchSize], {
      generator,
      device: this.device,
      dtype: "int64",
    });
    const signalLevel = this.#signal.indexSelect(0, timesteps).view([-1, 1, 1, 1]);
    const noiseLevel = this.#noise.indexSelect(0, timesteps).view([-1, 1, 1, 1]);
    const noisy = clean.mul(signalLevel).add(noise.mul(noiseLevel));
    const target = predictionType === "epsilon" ? noise : noise.mul(signalLevel).sub(clean.mul(noiseLevel));

    const predicted = compute(() => {
      const context = this.current.text.forward(embedding(this.#captionIds, plan.select(0, 1)));
      return this.current.unet.forward(noisy, timesteps, context);
    });
    const errors = predicted.to("float32").sub(target).square().mean([1, 2, 3]); // [B]
    const loss = errors.mul(this.#weights.indexSelect(0, timesteps)).mean();
    this.optimizer.zeroGrad();
    loss.backward();
    optim.clipGradNorm_(this.#parameters, clipNorm);
    this.optimizer.lr = learningRate;
    this.optimizer.step();
    if (step % AVERAGE_EVERY === 0) {
      // A short memory at first: an average of the random initial weights is of no use.
      const decay = Math.min(emaDecay, (step + 1) / (step + 10)) ** AVERAGE_EVERY;
      noGrad(() => _foreachLerp_(this.#averages, this.#parameters, 1 - decay));
    }
    return [loss.detach(), errors.detach().mean()];
  }

  weights(): Record<string, Tensor> {
    return {
      ...named("text.", this.current.text.stateDict()),
      ...named("unet.", this.current.unet.stateDict()),
      ...named("average.text.", this.average.text.stateDict()),
      ...named("average.unet.", this.average.unet.stateDict()),
    };
  }

  async inspect(step: number): Promise<Record<string, number>> {
    return (await this.#options.inspect?.(this.average, step)) ?? {};
  }

  async saved(result: TrainResult): Promise<void> {
    await this.#options.saved?.(this.average, result);
  }
}

export interface DenoiserOptions {
  readonly settings: PretrainSettings;
  readonly latents: Latents;
  readonly captions: CaptionTable;
  /** Caption of image i; mirrored images follow in the same order. */
  readonly captionOf: readonly number[];
  readonly scheduler: SchedulerConfig;
  readonly compute: Compute;
  /** A finished model of the same sizes whose weights are the first ones. */
  readonly from?: StableDiffusion;
  readonly inspect?: (average: Denoiser, step: number) => Promise<Record<string, number>>;
  readonly saved?: (average: Denoiser, result: TrainResult) => Promise<void>;
}

function rowsOfVocabulary(text: CLIPTextModel, vocabulary: readonly number[]): Record<string, Tensor> {
  const state = text.stateDict();
  const table = state[TOKEN_TABLE]!;
  return { ...state, [TOKEN_TABLE]: table.detach().indexSelect(0, indices(vocabulary, table.device)) };
}
