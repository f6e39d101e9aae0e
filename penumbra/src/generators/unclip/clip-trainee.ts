import { deriveSeed, Generator, nn, noGrad, optim, scope, type Tensor, tensor } from "@penumbra/torch";
import type {
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  Compute,
} from "../../models/index.ts";
import { diffAugment } from "../gan/diff-augment.ts";
import { indices } from "../trainer/crops.ts";
import type { Batches } from "../trainer/photo-batches.ts";
import type { Trainee } from "../trainer/trainee.ts";
import { infoNce } from "./info-nce.ts";

/** The two encoders, which see images in -1..1 and token ids. */
export interface ClipPair {
  readonly image: CLIPVisionModelWithProjection;
  readonly text: CLIPTextModelWithProjection;
}

export interface ClipTraineeOptions {
  readonly encoders: ClipPair;
  /** Others of the same kind: they become the averages. */
  readonly averages: ClipPair;
  /** Labels are rows of `ids`. */
  readonly batches: Batches;
  /** int64 [texts, L] on the device */
  readonly ids: Tensor;
  readonly compute: Compute;
  readonly seed: number;
  readonly learningRate: number;
  readonly emaDecay: number;
  /** Of telling images apart by a changed copy of each. */
  readonly viewWeight: number;
}

/** The logit scale of CLIP: e^s, learned, at most 100 (Radford et al. 2021, section 2.4). */
class LogitScale extends nn.Module<[], Tensor> {
  readonly logitScale = nn.parameter(tensor(Math.log(1 / 0.07), { dtype: "float32" }));

  forward(): Tensor {
    return this.logitScale.exp();
  }

  clamp(): void {
    noGrad(() => this.logitScale.clamp_({ max: Math.log(100) }));
  }
}

/** Temperature of telling copies of images apart (Mu et al. 2022). */
const VIEW_SCALE = 10;

/**
 * Image and text encoder learn which text belongs to which image (Radford et al. 2021); and, so that embeddings of few
 * classes say more than the class, which changed copy belongs to which image (SLIP, Mu et al. 2022).
 */
export class ClipTrainee implements Trainee {
  readonly name = "clip";
  readonly lossNames = ["texts", "copies"];
  readonly device: string;
  readonly networks: Trainee["networks"];
  readonly averages: { readonly image: optim.Ema; readonly text: optim.Ema };
  readonly optimizer: optim.AdamW;
  readonly #options: ClipTraineeOptions;
  readonly #scale = new LogitScale();
  readonly #random: Generator;

  constructor(options: ClipTraineeOptions) {
    const { encoders, averages, batches, learningRate, emaDecay: decay } = options;
    this.#options = options;
    this.device = batches.device;
    this.#scale.to({ device: this.device });
    this.networks = { image: encoders.image, text: encoders.text, scale: this.#scale };
    const averaged = (part: keyof ClipPair) =>
      new optim.Ema(encoders[part], { decay, warmup: true, average: averages[part] });
    this.averages = { image: averaged("image"), text: averaged("text") };
    this.optimizer = new optim.AdamW(this.#parameters(), {
      lr: learningRate,
      weightDecay: 0.05,
      betas: [0.9, 0.98],
    });
    this.#random = new Generator({ seed: 0, device: this.device });
  }

  #parameters(): Tensor[] {
    return Object.values(this.networks).flatMap((network) => [...network.parameters()]);
  }

  step(step: number, learningRate: number): Tensor[] {
    const { encoders, batches, ids, compute, seed, viewWeight } = this.#options;
    const { x, labels } = batches.at(step);
    const random = this.#random.manualSeed(deriveSeed(seed, "clip", "copies", step));
    const embed = (images: Tensor) => compute(() => encoders.image.forward(images).embeds).to("float32");
    const images = embed(x);
    const texts = compute(() => encoders.text.forward(ids.indexSelect(0, labels)).embeds).to("float32");
    const told = infoNce(images, texts, this.#scale.forward(), labels);
    const places = indices(
      Array.from({ length: labels.shape[0]! }, (_, i) => i),
      this.device,
    );
    const copies =
      viewWeight === 0
        ? null
        : infoNce(images, embed(scope(() => diffAugment(x, random))), VIEW_SCALE, places);
    this.optimizer.zeroGrad();
    (copies ? told.add(copies.mul(viewWeight)) : told).backward();
    optim.clipGradNorm_(this.#parameters(), 1);
    this.optimizer.lr = learningRate;
    this.optimizer.step();
    this.#scale.clamp();
    for (const average of Object.values(this.averages)) average.update();
    return [told.detach(), copies ? copies.detach() : told.detach().mul(0)];
  }
}
