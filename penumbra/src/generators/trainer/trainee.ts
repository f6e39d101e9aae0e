import type { nn, optim, Tensor } from "@penumbra/torch";

/** One thing to be trained; `train` drives it. */
export interface Trainee {
  readonly name: string;
  readonly device: string;
  /** Names of the losses that `step` returns, in its order. */
  readonly lossNames: readonly string[];
  /** The networks that the optimizer changes, and running averages of them: what checkpoints hold. */
  readonly networks: Readonly<Record<string, nn.AnyModule>>;
  readonly averages?: Readonly<Record<string, optim.Ema>>;
  readonly optimizer: optim.AdamW | Readonly<Record<string, optim.AdamW>>;
  /**
   * One optimiser step. It must draw its randomness from `step` alone, so that a resumed run repeats it.
   * @param progress share of the training that is done before this step, 0 … 1
   * @returns detached scalars on the device; they are not read here, so the device need not be waited for
   */
  step(step: number, learningRate: number, progress: number): Tensor[];
  /** Writes pictures or figures that show how far it is. */
  inspect?(step: number): Promise<Record<string, number>>;
  /** Called after each checkpoint, for example to write a snapshot of the whole model. */
  saved?(result: TrainResult): Promise<void>;
}

/** Where a training stands: what a checkpoint holds beside the tensors. */
export interface TrainMark {
  readonly step: number;
  /** Time spent in training steps over all runs. */
  readonly seconds: number;
  /** Figures of the last inspection. */
  readonly figures: Readonly<Record<string, number>>;
  /** The step that ends it. Missing in a checkpoint from before the steps of a time were counted. */
  readonly steps?: number;
}

/** What a stage came to. */
export interface TrainResult extends TrainMark {
  /** False when the signal ended it early. */
  readonly complete: boolean;
}
