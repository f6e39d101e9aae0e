import * as torch from "@penumbra/torch";
import { chosenClock } from "./clock.ts";
import { compiled } from "./compiled.ts";
import { scaling } from "./distributed.ts";
import type { Measure } from "./measure.ts";
import { resident } from "./memory.ts";
import { predicting, predictingLarge, predictingTurned, serving } from "./serving.ts";
import { timed } from "./timing.ts";
import { withoutModel } from "./workloads/index.ts";
import { makeResNet18, RESNET_SHAPE } from "./workloads/resnet18.ts";
import { TRANSFORMER_SHAPE, Transformer } from "./workloads/transformer.ts";

/** Every measure of the benchmark, in the order in which they run. The goals are ratios to Python's cost. */
export const MEASURES: readonly Measure[] = [
  timed({
    name: "operators",
    title: "add, mul, relu, sum and mv on 4 numbers, per operator, no autograd",
    workload: "operators",
    unit: "µs",
    per: "operators",
    steps: 500,
    goal: 1.1,
  }),
  timed({
    name: "small-network",
    title: "training step of two small linear layers, batch 32: nearly all overhead",
    workload: "small-network",
    unit: "µs",
    steps: 200,
    goal: 1.1,
  }),
  timed({
    name: "to-typed",
    title: "toTyped(): a copy of 1,000,000 float32 elements that nobody keeps, beside numpy().copy()",
    workload: "to-typed",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "to-typed-kept",
    title: "the same while the last 8 copies are kept, on both sides",
    workload: "to-typed-kept",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "to-typed-into",
    title: "toTyped({ into }): a copy into an array that is there, beside numpy.copyto",
    workload: "to-typed-into",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "data",
    title:
      "await data(): a fresh copy while the event loop goes on, beside numpy().copy(), which holds Python up",
    workload: "data",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "data-into",
    title: "await data({ into }): the same into an array that is there, beside numpy.copyto",
    workload: "data-into",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "data-awaited",
    title:
      "await data() beside numpy().copy() in asyncio's run_in_executor: the event loop goes on, on both sides",
    workload: "data-awaited",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "data-into-awaited",
    title: "await data({ into }) beside numpy.copyto in run_in_executor",
    workload: "data-into-awaited",
    unit: "µs",
    steps: 100,
    goal: 1,
  }),
  timed({
    name: "data-loader",
    title: "an epoch of 2,048 images of 32 px in shuffled batches of 64, 2 workers, beside torch.utils.data",
    workload: "data-loader",
    unit: "ms",
    steps: 1,
    goal: 1,
    unavailable: withoutWallClock,
  }),
  timed({
    name: "resnet18",
    title: "training step of ResNet-18, CIFAR stem, 128 images of 32 px, channels-last, fp32",
    workload: "resnet18",
    unit: "ms",
    steps: 1,
    goal: 1,
  }),
  timed({
    name: "resnet18-bf16",
    title: "the same in bf16 autocast",
    workload: "resnet18-bf16",
    unit: "ms",
    steps: 1,
    goal: 1,
    unavailable: withoutBf16,
  }),
  timed({
    name: "unet-block",
    title: "training step of a UNet level, 8 x 128 channels of 16 x 16, attention to 77 words, fp32",
    workload: "unet-block",
    unit: "ms",
    steps: 5,
    goal: 1,
  }),
  timed({
    name: "transformer",
    title: "training step, 4 causal layers of 256 channels, 16 x 128 tokens, fp32",
    workload: "transformer",
    unit: "ms",
    steps: 2,
    goal: 1,
  }),
  timed({
    name: "lstm",
    title: "training step of an LSTM, 2 layers of 256, 32 sequences of 64 steps, fp32",
    workload: "lstm",
    unit: "ms",
    steps: 2,
    goal: 1,
  }),
  timed({
    name: "vae",
    title: "training step of a class-conditional VAE, 16 images of 32 px",
    workload: "vae",
    unit: "ms",
    steps: 4,
    goal: 1,
  }),
  timed({
    name: "gan",
    title: "training step of a class-conditional DCGAN with R1 every fourth step, 16 images of 32 px",
    workload: "gan",
    unit: "ms",
    steps: 4,
    goal: 1,
  }),
  timed({
    name: "ddpm",
    title: "training step of diffusion in pixels (UNet2DModel), 16 images of 32 px",
    workload: "ddpm",
    unit: "ms",
    steps: 4,
    goal: 1,
  }),
  timed({
    name: "supcon",
    title: "SupCon training step with augmentation, ResNet-10, 2 x 64 views and 32 negatives of 64 px, fp32",
    workload: "supcon",
    unit: "ms",
    steps: 2,
    goal: 1.1,
  }),
  timed({
    name: "supcon-bf16",
    title: "the same in bf16 autocast",
    workload: "supcon-bf16",
    unit: "ms",
    steps: 2,
    goal: 1.1,
    unavailable: withoutBf16,
  }),
  timed({
    name: "redraw",
    title: "one batch of 16 redraws, 20 steps, guidance, strengths 0.2 to 0.85, fp32",
    workload: "redraw",
    unit: "ms",
    steps: 1,
    goal: 1.1,
    unavailable: withoutModel,
  }),
  timed({
    name: "redraw-bf16",
    title: "the same with the UNet in bf16 autocast",
    workload: "redraw-bf16",
    unit: "ms",
    steps: 1,
    goal: 1.1,
    unavailable: () => withoutModel() ?? withoutBf16(),
  }),
  timed({
    name: "inversion",
    title: "one step of textual inversion, 4 words, 16 samples, fp32",
    workload: "inversion",
    unit: "ms",
    steps: 4,
    goal: 1.1,
    unavailable: withoutModel,
  }),
  timed({
    name: "inversion-bf16",
    title: "the same in bf16 autocast",
    workload: "inversion-bf16",
    unit: "ms",
    steps: 4,
    goal: 1.1,
    unavailable: () => withoutModel() ?? withoutBf16(),
  }),
  compiled({
    name: "compiled-resnet18",
    title: "inference of ResNet-18 as AOTInductor compiles it, CIFAR stem, 128 images of 32 px, fp32",
    network: "resnet18",
    shape: RESNET_SHAPE,
    steps: 2,
    goal: 1,
    build: makeResNet18,
    example() {
      const { batch, size } = RESNET_SHAPE;
      const images = torch
        .arange(batch * 3 * size ** 2)
        .remainder(255)
        .div(255);
      return images.reshape([batch, 3, size, size]).contiguous({ memoryFormat: "channelsLast" });
    },
  }),
  compiled({
    name: "compiled-transformer",
    title: "inference of the transformer as AOTInductor compiles it, 16 x 128 tokens, fp32",
    network: "transformer",
    shape: TRANSFORMER_SHAPE,
    steps: 5,
    goal: 1,
    build: () => new Transformer(TRANSFORMER_SHAPE),
    example() {
      const { batch, length, vocabulary } = TRANSFORMER_SHAPE;
      const ids = torch.arange(batch * length, { dtype: "int64" });
      return ids.remainder(vocabulary).reshape([batch, length]);
    },
  }),
  serving,
  predicting,
  predictingLarge,
  predictingTurned,
  resident({
    name: "memory-resnet18",
    title: "peak resident memory of a process that trains ResNet-18 as above",
    workload: "resnet18",
    warmUp: 1,
    steps: 4,
    goal: 0.8,
  }),
  resident({
    name: "memory-long-run",
    title: "peak resident memory of a process that trains the small network for 10,000 steps",
    workload: "small-network",
    warmUp: 1000,
    steps: 9000,
    goal: 0.8,
  }),
  resident({
    name: "memory-ways-out",
    title:
      "peak resident memory of a process in which elements leave tensors in every way, 100,000 synchronous turns",
    workload: "ways-out",
    warmUp: 10_000,
    steps: 90_000,
    goal: 1,
  }),
  scaling({
    name: "distributed",
    title:
      "training step of ResNet-18, width 32, 64 images of 32 px, in each of 2 processes of one thread, gradients averaged",
    processes: 2,
    images: 64,
    steps: 2,
    goal: 1.11, // an efficiency of 0.9
  }),
];

/** Why a measure with processes of the peer's own is not taken by processor time, which would leave them out. */
function withoutWallClock(): string | undefined {
  return chosenClock() === "wall"
    ? undefined
    : "the peer's workers are processes, whose time only the wall shows";
}

/** Why bf16 is not measured here; undefined where the processor computes in it. */
function withoutBf16(): string | undefined {
  const { dtype, reason } = torch.resolvePrecision("auto", "cpu");
  return dtype === "bfloat16" ? undefined : reason;
}
