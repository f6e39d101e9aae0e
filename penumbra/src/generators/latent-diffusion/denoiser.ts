import {
  deriveSeed,
  embedding,
  Generator,
  manualSeed,
  optim,
  Random,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { ShuffledRounds } from "../../data/index.ts";
import { alphasCumprod, type SchedulerConfig, type StableDiffusion } from "../../diffusion/index.ts";
import { CLIPTextModel, type Compute, UNet2DConditionModel } from "../../models/index.ts";
import { indices } from "../trainer/crops.ts";
import { Noising } from "../trainer/noising.ts";
import type { Trainee, TrainResult } from "../trainer/trainee.ts";
import { ARCHITECTURES } from "./architectures.ts";
import type { CaptionTable } from "./captions.ts";
import { initialiseText, initialiseUnet } from "./initialise.ts";
import type { Latents } from "./latents.ts";
import type { DenoiserSettings, PretrainSettings } from "./settings.ts";

/** The averaged weights move every so many steps, to spare a pass over all weights in the others. */
const AVERAGE_EVERY = 4;

/** The text encoder's table of tokens, in its state dict. */
export const TOKEN_TABLE = "embeddings.token_embedding.weight";

type State = Readonly<Record<string, Tensor>>;

/** Weights of text encoder (for the words of the corpus) and UNet, by their own keys. */
export interface DenoiserState {
  readonly text: State;
  readonly unet: State;
}

/**
 * The second stage: UNet and text encoder together learn to predict the noise in latents
 * (Ho et al. 2020, eq. 14; Rombach et al. 2022, eq. 3), weighted by min-SNR (Hang et al. 2023, eq. 5).
 */
export class DenoiserTrainee implements Trainee {
  readonly name = "denoiser";
  readonly lossNames = ["loss", "mse"] as const;
  readonly device: string;
  readonly networks: { readonly text: CLIPTextModel; readonly unet: UNet2DConditionModel };
  /** Exponential averages of the weights: what is saved and sampled from. */
  readonly averages: { readonly text: optim.Ema; readonly unet: optim.Ema };
  readonly optimizer: optim.AdamW;
  readonly #parameters: Tensor[];
  readonly #order: ShuffledRounds;
  readonly #random: Generator;
  readonly #noising: Noising;
  readonly #weights: Tensor;
  readonly #captionIds: Tensor;
  readonly #options: DenoiserOptions;

  constructor(options: DenoiserOptions) {
    const { settings, captions, latents, scheduler } = options;
    this.#options = options;
    this.device = latents.mean.device;
    this.networks = this.#build();
    this.averages = { text: new optim.Ema(this.networks.text), unet: new optim.Ema(this.networks.unet) };
    this.#parameters = [...this.networks.text.parameters(), ...this.networks.unet.parameters()];
    const { learningRate, weightDecay } = settings.denoiser;
    this.optimizer = new optim.AdamW(this.#parameters, { lr: learningRate, weightDecay, betas: [0.9, 0.99] });
    this.#order = new ShuffledRounds(latents.mean.shape[0]!, (epoch) =>
      deriveSeed(deriveSeed(settings.seed, "denoiser"), "epoch", epoch),
    );
    this.#random = new Generator({ seed: 0, device: this.device });
    this.#captionIds = captions.ids.to(this.device);
    this.#noising = new Noising(scheduler, this.device);
    this.#weights = weightsOf(scheduler, settings.denoiser, this.device);
  }

  #build(): DenoiserTrainee["networks"] {
    const { settings, captions, from } = this.#options;
    const { text, unet } = ARCHITECTURES[settings.preset];
    manualSeed(deriveSeed(settings.seed, "denoiser", "initial weights"));
    const denoiser = {
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
      const state = stateOf(from, captions.vocabulary);
      denoiser.text.loadStateDict(state.text);
      denoiser.unet.loadStateDict(state.unet);
    }
    denoiser.text.to({ device: this.device });
    denoiser.unet.to({ device: this.device, memoryFormat: "channelsLast" });
    return denoiser;
  }

  step(step: number, learningRate: number): Tensor[] {
    const { latents, settings } = this.#options;
    const { item, caption } = this.#chooseItems(step);
    const generator = this.#random.manualSeed(deriveSeed(settings.seed, "denoiser", "noise", step));
    const mean = latents.mean.indexSelect(0, item).to("float32"); // [B, C, h, w]
    const std = latents.std.indexSelect(0, item).to("float32");
    const posterior = randn(mean.shape, { generator, device: this.device });
    const clean = mean.add(std.mul(posterior)).mul(latents.scalingFactor);
    const { noisy, target, timesteps } = this.#noising.corrupt(clean, generator);
    const predicted = this.#options.compute(() => {
      const context = this.networks.text.forward(embedding(this.#captionIds, caption));
      return this.networks.unet.forward(noisy, timesteps, context);
    });
    const errors = predicted.to("float32").sub(target).square().mean([1, 2, 3]); // [B]
    const loss = errors.mul(this.#weights.indexSelect(0, timesteps)).mean();
    this.#descend(loss, learningRate);
    if (step % AVERAGE_EVERY === 0) this.#moveAverages(step);
    return [loss.detach(), errors.detach().mean()];
  }

  /** Places among the latents and rows of the caption table, int64 [B] each. */
  #chooseItems(step: number): { item: Tensor; caption: Tensor } {
    const { settings, captions, captionOf } = this.#options;
    const { batchSize, captionDropout: dropout, templateShare } = settings.denoiser;
    const items = this.#order.take(step * batchSize, batchSize);
    const random = new Random(deriveSeed(settings.seed, "denoiser", "captions", step));
    const rows = items.map((item) =>
      captions.draw(captionOf[item % captionOf.length]!, random, { dropout, templateShare }),
    );
    const [item, caption] = indices([...items, ...rows], this.device)
      .view([2, batchSize])
      .unbind(); // one transfer
    return { item: item!, caption: caption! };
  }

  #descend(loss: Tensor, learningRate: number): void {
    this.optimizer.zeroGrad();
    loss.backward();
    optim.clipGradNorm_(this.#parameters, this.#options.settings.denoiser.clipNorm);
    this.optimizer.lr = learningRate;
    this.optimizer.step();
  }

  #moveAverages(step: number): void {
    // A short memory at first: an average of the random initial weights is of no use.
    const decay = Math.min(this.#options.settings.denoiser.emaDecay, (step + 1) / (step + 10));
    for (const average of Object.values(this.averages)) average.update(decay ** AVERAGE_EVERY);
  }

  get averagedState(): DenoiserState {
    return { text: this.averages.text.stateDict(), unet: this.averages.unet.stateDict() };
  }

  async inspect(step: number): Promise<Record<string, number>> {
    return (await this.#options.inspect?.(this.averagedState, step)) ?? {};
  }

  async saved(result: TrainResult): Promise<void> {
    await this.#options.saved?.(this.averagedState, result);
  }
}

/** The weight of the error at each timestep in the loss. */
function weightsOf(
  scheduler: SchedulerConfig,
  { minSnr, predictionType }: DenoiserSettings,
  device: string,
): Tensor {
  return scope(() => {
    const abar = tensor(Float32Array.from(alphasCumprod(scheduler)));
    const snr = abar.div(abar.neg().add(1));
    // min(SNR, gamma) / SNR for epsilon, min(SNR, gamma) / (SNR + 1) for v: both are the same weight on x_0.
    const weights =
      minSnr === 0
        ? snr.mul(0).add(1)
        : snr.clamp({ max: minSnr }).div(predictionType === "epsilon" ? snr : snr.add(1));
    return weights.to(device);
  });
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
  readonly inspect?: (average: DenoiserState, step: number) => Promise<Record<string, number>>;
  readonly saved?: (average: DenoiserState, result: TrainResult) => Promise<void>;
}

/** A finished model's text encoder, its table holding the rows of a vocabulary only, and UNet. */
export function stateOf(
  { textEncoder, unet }: StableDiffusion,
  vocabulary: readonly number[],
): DenoiserState {
  const state = textEncoder.stateDict();
  const table = state[TOKEN_TABLE]!;
  const rows = table.detach().indexSelect(0, indices(vocabulary, table.device));
  return { text: { ...state, [TOKEN_TABLE]: rows }, unet: unet.stateDict() };
}
