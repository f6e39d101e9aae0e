// What is computed on both sides: our half of every measure, by name.
import { operators } from "./operators.ts";
import { resnet18 } from "./resnet18.ts";
import { smallNetwork } from "./small-network.ts";
import { transformer } from "./transformer.ts";
import type { Workload } from "./workload.ts";

export type { Built, Workload } from "./workload.ts";

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  operators,
  "small-network": smallNetwork,
  resnet18: resnet18("fp32"),
  "resnet18-bf16": resnet18("bf16"),
  transformer,
};
