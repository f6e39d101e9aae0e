import {
  cat,
  keep,
  noGrad,
  type PrecisionSetting,
  resolvePrecision,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { autocastTo } from "../../models/index.ts";
import type { StableDiffusion } from "../model/index.ts";
import { decodeLatents } from "./autoencode.ts";
import { movedOutput, predictionOf } from "./prediction.ts";
import { type AfterStep, type Predict, rows, Walking, type WalkOptions } from "./walk-down.ts";

export interface DrawingParts extends WalkOptions {
  readonly sd: StableDiffusion;
  /** [B, L, D] */
  readonly context: Tensor;
  /** [B, L, D] or [1, L, D]: what guidance leads away from; not looked at where all scales are up to 1. */
  readonly negativeContext: () => Tensor;
  /** One for each item. */
  readonly guidanceScales: readonly number[];
  /** What the networks are computed in: "auto" is bf16 where the processor or device is fast at it, else fp32. */
  readonly precision: PrecisionSetting;
  /** What stays as it is. */
  readonly kept?: KeptLatents;
  readonly steer?: Steer;
}

/**
 * Leads images on their way: at each step it is shown what the denoiser takes them for, and says where they shall go
 * instead. The step then goes there, whatever the sampler.
 *
 * @param items places in the batch
 * @param images float32 [n, c, h, w]: the latents that the images of these items look like at this step
 * @param room deviation of what is still open of them, in units of the image: sqrt((1 - abar) / abar)
 * @returns what is added to them, of their shape, or null where they go on as they are
 */
export type Steer = (items: readonly number[], images: Tensor, room: number) => Tensor | null;

/** Parts of images that are not redrawn: latents are put back there after each step, noised as the rest is. */
export interface KeptLatents {
  /** [B, 1, h, w], 1 where the image is kept, 0 where it is redrawn. */
  readonly mask: Tensor;
  /** [B, c, h, w]: the latents without noise. */
  readonly clean: Tensor;
  /** [B, c, h, w]: the noise that the items began with. */
  readonly noise: Tensor;
}

/**
 * Images on their way from noise: each `step` calls the denoiser once, and between two of them anything may happen, an
 * interruption or a look at what the images are going to be.
 *
 * @example
 * using drawing = beginTextToImage(sd, { prompts: ["a photo of a relay"], seeds: [7] });
 * while (drawing.step()) console.log(`${drawing.done} of ${drawing.total}`);
 * const images = drawing.images();
 */
export class Drawing implements Disposable {
  readonly #sd: StableDiffusion;
  readonly #precision: PrecisionSetting;
  readonly #walking: Walking;
  readonly #predict: Predict;
  readonly #held: readonly Tensor[];

  /** @internal Made by `beginTextToImage` and `beginImageToImage`. */
  constructor(parts: DrawingParts) {
    const { sd, precision, kept, guidanceScales } = parts;
    this.#sd = sd;
    this.#precision = precision;
    const compute = autocastTo(sd.device, resolvePrecision(precision, sd.device).dtype);
    this.#walking = new Walking(parts, afterStep(parts));
    const { order } = this.#walking;
    const contexts = keep(
      noGrad(() =>
        scope(() => {
          const context = rows(parts.context, order);
          if (guidanceScales.every((scale) => scale <= 1)) return [context];
          return [context, rows(parts.negativeContext().expand([order.length, -1, -1]), order)];
        }),
      ),
    );
    const [context, negative] = contexts as [Tensor, Tensor?];
    const scales = order.map((item) => guidanceScales[item] as number);
    const predict = guidedDenoiser(sd, context, negative, scales);
    const denoise: Predict = (sample, timesteps) => compute(() => predict(sample, timesteps));
    this.#predict = parts.steer ? steered(denoise, parts, parts.steer, order) : denoise;
    this.#held = [...contexts, ...(kept ? keep([kept.mask, kept.clean, kept.noise]) : [])];
  }

  /** Calls of the denoiser from beginning to end. */
  get total(): number {
    return this.#walking.total;
  }

  /** Calls of the denoiser so far. */
  get done(): number {
    return this.#walking.done;
  }

  /** Takes a step; false where none is left. */
  step(): boolean {
    return this.#walking.step(this.#predict);
  }

  /** [B, c, h, w]: the scaled latents as they are between two steps. */
  latents(): Tensor {
    return this.#walking.now();
  }

  /** What the last step took the images for: float32 [B, 3, H, W] in 0..1, soft at first and sharp at the end. */
  preview(): Tensor {
    return noGrad(() => scope(() => decodeLatents(this.#sd, this.#walking.now("image"), this.#precision)));
  }

  /** The images: float32 [B, 3, H, W] in 0..1; steps that are left are taken first. */
  images(): Tensor {
    while (this.step());
    return noGrad(() => scope(() => decodeLatents(this.#sd, this.#walking.now(), this.#precision)));
  }

  [Symbol.dispose](): void {
    for (const held of [this.#walking, ...this.#held]) held[Symbol.dispose]();
  }
}

/** Puts back what is kept, at the noise of the timestep that a step has come to, and tells what the image looks like. */
function afterStep({ sampler, kept }: DrawingParts): AfterStep {
  return (next, { walk, items, index, sample, output }) => {
    const { config, timesteps } = walk;
    const abar = sampler.alphaAt(config, timesteps[index] as number);
    const image = abar > 0 ? predictionOf(config, sample, output, abar).image : sample;
    if (!kept) return { sample: next, image };
    const timestep = timesteps[index + 1];
    const after = timestep === undefined ? 1 : sampler.alphaAt(config, timestep);
    const [mask, clean, noise] = [kept.mask, kept.clean, kept.noise].map((each) => rows(each, items)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const original = clean.mul(Math.sqrt(after)).add(noise.mul(Math.sqrt(1 - after)));
    return { sample: mask.mul(original).add(mask.neg().add(1).mul(next)), image };
  };
}

/**
 * The denoiser under guidance (Ho and Salimans 2022): eps = eps_negative + scale (eps_prompt - eps_negative), both in one
 * batch; without `negative` the prompt alone.
 *
 * @param scales one for each row of the contexts
 */
function guidedDenoiser(
  sd: StableDiffusion,
  context: Tensor,
  negative: Tensor | undefined,
  scales: readonly number[],
): Predict {
  if (!negative)
    return (sample, timesteps) =>
      predict(sd, sample, timesteps, context.narrow(0, 0, sample.shape[0] as number));
  const scaleOf = (count: number): Tensor | number =>
    new Set(scales).size === 1
      ? (scales[0] as number)
      : tensor(scales.slice(0, count), { device: sd.device }).reshape([-1, 1, 1, 1]);
  return (sample, timesteps) => {
    const twice = typeof timesteps === "number" ? timesteps : [...timesteps, ...timesteps];
    const count = sample.shape[0] as number;
    const both = cat([negative.narrow(0, 0, count), context.narrow(0, 0, count)]); // [2 n, L, D]
    const [away, toward] = predict(sd, cat([sample, sample]), twice, both).chunk(2) as [Tensor, Tensor];
    return away.add(toward.sub(away).mul(scaleOf(count)));
  };
}

/** The denoiser, with outputs that lead where `steer` says. */
function steered(
  denoise: Predict,
  { sampler, walks }: DrawingParts,
  steer: Steer,
  order: readonly number[],
): Predict {
  const { config } = walks[0]!; // one model, one noise schedule
  return (sample, timesteps) => {
    const output = denoise(sample, timesteps);
    const all = typeof timesteps === "number" ? order.map(() => timesteps) : timesteps;
    const count = sample.shape[0] as number;
    const parts: Tensor[] = [];
    for (let start = 0, end = 0; start < count; start = end) {
      const timestep = all[start] as number;
      for (end = start; end < count && all[end] === timestep; ) end++;
      const abar = sampler.alphaAt(config, timestep);
      const [before, own] = [sample, output].map((each) => each.narrow(0, start, end - start)) as [
        Tensor,
        Tensor,
      ];
      const { image } = abar > 0 ? predictionOf(config, before, own, abar) : { image: null };
      const move = image && steer(order.slice(start, end), image, Math.sqrt((1 - abar) / abar));
      parts.push(move ? movedOutput(config, own, move, abar) : own);
    }
    return parts.length === 1 ? parts[0]! : cat(parts);
  };
}

/** The denoiser's output in float32: rounding in the sampler itself would add up. */
function predict(
  sd: StableDiffusion,
  sample: Tensor,
  timesteps: number | readonly number[],
  context: Tensor,
): Tensor {
  const weights = sd.unet.convIn.weight.dtype;
  const input = sample.to({ dtype: weights, memoryFormat: "channelsLast" });
  const steps = typeof timesteps === "number" ? timesteps : tensor([...timesteps], { device: sample.device });
  return sd.unet.forward(input, steps, context.to(weights)).to("float32");
}
