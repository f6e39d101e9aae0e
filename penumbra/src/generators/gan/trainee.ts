import {
  backward,
  deriveSeed,
  Generator,
  noGrad,
  optim,
  rand,
  randn,
  scope,
  type Tensor,
} from "@penumbra/torch";
import type { AdversarialGenerator, Compute, Discriminator } from "../../models/index.ts";
import { EarlyCopy } from "../trainer/early-copy.ts";
import type { Batches } from "../trainer/photo-batches.ts";
import type { Trainee } from "../trainer/trainee.ts";
import { diffAugment } from "./diff-augment.ts";
import {
  GAN_OBJECTIVES,
  type GanObjective,
  type GanObjectiveName,
  gradientPenalty,
  jensenShannon,
  r1Penalty,
} from "./losses.ts";

export interface GanTraineeOptions {
  readonly generator: AdversarialGenerator;
  readonly discriminator: Discriminator;
  /** Others of the generator's kind: they become its average, and its average early on. */
  readonly average: AdversarialGenerator;
  readonly early: AdversarialGenerator;
  readonly batches: Batches;
  readonly compute: Compute;
  readonly seed: number;
  readonly learningRate: number;
  readonly objective: GanObjectiveName;
  /** Weight of the R1 penalty; 0: none. */
  readonly r1: number;
  /** Weight of the gradient penalty between real and drawn images; 0: none. */
  readonly gradientPenalty: number;
  /** Steps of the discriminator for each of the generator. */
  readonly discriminatorSteps: number;
  readonly augment: boolean;
  readonly emaDecay: number;
  /** Share of the training after which the early copy is taken. */
  readonly earlyShare: number;
}

/** The R1 penalty is taken in every so many steps, so many times as strong (Karras et al. 2020, appendix B). */
const R1_EVERY = 4;

/** Batches that the divergence is estimated on. */
const MEASURED_BATCHES = 8;

/** Generator and discriminator learn against each other (Goodfellow et al. 2014, algorithm 1). */
export class GanTrainee implements Trainee {
  readonly name = "gan";
  readonly lossNames: readonly string[];
  readonly device: string;
  readonly networks: Trainee["networks"];
  readonly averages: { readonly generator: optim.Ema };
  readonly optimizer: { readonly generator: optim.AdamW; readonly discriminator: optim.AdamW };
  readonly early: EarlyCopy<AdversarialGenerator>;
  readonly #options: GanTraineeOptions;
  readonly #objective: GanObjective;
  readonly #random: Generator;
  readonly #parameters: Tensor[];

  constructor(options: GanTraineeOptions) {
    const { generator, discriminator, average, early, learningRate, emaDecay } = options;
    this.#options = options;
    this.#objective = GAN_OBJECTIVES[options.objective];
    this.device = options.batches.device;
    this.lossNames = [
      "discriminator",
      "generator",
      this.#objective.isCrossEntropy ? "jensen-shannon" : "gap",
    ];
    this.early = new EarlyCopy(early);
    this.networks = { generator, discriminator, early: this.early };
    this.averages = { generator: new optim.Ema(generator, { decay: emaDecay, warmup: true, average }) };
    // Without momentum, as is usual for networks that learn against each other (Karras et al. 2018).
    const settings = { lr: learningRate, weightDecay: 0, betas: [0, 0.99] as [number, number] };
    this.#parameters = [...generator.parameters()];
    this.optimizer = {
      generator: new optim.AdamW(this.#parameters, settings),
      discriminator: new optim.AdamW(discriminator.parameters(), settings),
    };
    this.#random = new Generator({ seed: 0, device: this.device });
  }

  step(step: number, learningRate: number, progress: number): Tensor[] {
    const { discriminatorSteps, average, earlyShare } = this.#options;
    for (const optimizer of Object.values(this.optimizer)) optimizer.lr = learningRate;
    let losses!: { discriminator: Tensor; distance: Tensor };
    for (let k = 0; k < discriminatorSteps; k++) losses = this.#discriminate(step * discriminatorSteps + k);
    const generator = this.#generate(step);
    this.averages.generator.update();
    if (progress >= earlyShare) this.early.take(average);
    return [losses.discriminator, generator, losses.distance];
  }

  /**
   * The Jensen-Shannon divergence of real and drawn images that the discriminator sees now, in nats, over some batches;
   * null where its loss is no cross-entropy.
   */
  divergence(): number | null {
    if (!this.#objective.isCrossEntropy) return null;
    const { generator, discriminator, batches, compute, seed } = this.#options;
    const values = Array.from({ length: MEASURED_BATCHES }, (_, turn) =>
      noGrad(() =>
        scope(() => {
          const random = this.#random.manualSeed(deriveSeed(seed, "divergence", turn));
          const { x, labels } = batches.at(turn);
          const z = randn([x.shape[0]!, generator.latentSize], { generator: random, device: this.device });
          const drawn = compute(() => generator.forward(z, labels)).to("float32");
          const [onReal, onFake] = [x, drawn].map((images) =>
            compute(() => discriminator.forward(this.#augmented(images, random), labels)).to("float32"),
          ) as [Tensor, Tensor];
          return jensenShannon(onReal, onFake).item();
        }),
      ),
    );
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** One step of the discriminator. @param turn how many went before */
  #discriminate(turn: number): { discriminator: Tensor; distance: Tensor } {
    const { generator, discriminator, batches, compute, r1, gradientPenalty: weight } = this.#options;
    const random = this.#random.manualSeed(deriveSeed(this.#options.seed, "discriminator", turn));
    const { x, labels } = batches.at(turn);
    const z = randn([x.shape[0]!, generator.latentSize], { generator: random, device: this.device });
    const drawn = noGrad(() => compute(() => generator.forward(z, labels)).to("float32"));
    const [real, fake] = [this.#augmented(x, random), this.#augmented(drawn, random)];
    const judge = (images: Tensor) => compute(() => discriminator.forward(images, labels)).to("float32");
    const [onReal, onFake] = [judge(real), judge(fake)];
    let loss = this.#objective.discriminator(onReal, onFake);
    const own = loss.detach();
    if (r1 > 0 && turn % R1_EVERY === 0) loss = loss.add(r1Penalty(judge, real, r1 * R1_EVERY));
    if (weight > 0) {
      const shape = [x.shape[0]!, ...Array<number>(x.ndim - 1).fill(1)];
      const alpha = rand(shape, { generator: random, device: this.device });
      loss = loss.add(gradientPenalty(judge, real, fake, alpha, weight));
    }
    this.optimizer.discriminator.zeroGrad();
    loss.backward();
    this.optimizer.discriminator.step();
    const distance = this.#objective.isCrossEntropy
      ? jensenShannon(onReal.detach(), onFake.detach())
      : onReal.detach().mean().sub(onFake.detach().mean());
    return { discriminator: own, distance };
  }

  #generate(step: number): Tensor {
    const { generator, discriminator, batches, compute, seed } = this.#options;
    const random = this.#random.manualSeed(deriveSeed(seed, "generator", step));
    const { labels } = batches.at(step);
    const z = randn([labels.shape[0]!, generator.latentSize], { generator: random, device: this.device });
    const drawn = compute(() => generator.forward(z, labels)).to("float32");
    const augmented = this.#augmented(drawn, random);
    const loss = this.#objective.generator(
      compute(() => discriminator.forward(augmented, labels)).to("float32"),
    );
    this.optimizer.generator.zeroGrad();
    backward([loss], { inputs: this.#parameters }); // the discriminator's own gradients are not wanted
    this.optimizer.generator.step();
    return loss.detach();
  }

  #augmented(images: Tensor, random: Generator): Tensor {
    return this.#options.augment ? diffAugment(images, random) : images;
  }
}
