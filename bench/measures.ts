import * as torch from "@penumbra/torch";
import type { Measure } from "./measure.ts";
import { resident } from "./memory.ts";
import { timed } from "./timing.ts";

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
    name: "transformer",
    title: "training step, 4 causal layers of 256 channels, 16 x 128 tokens, fp32",
    workload: "transformer",
    unit: "ms",
    steps: 2,
    goal: 1,
  }),
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
];

/** Why bf16 is not measured here; undefined where the processor computes in it. */
function withoutBf16(): string | undefined {
  const { dtype, reason } = torch.resolvePrecision("auto", "cpu");
  return dtype === "bfloat16" ? undefined : reason;
}
