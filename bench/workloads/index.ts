// What is computed on both sides: our half of every measure, by name.
import { dataLoader } from "./data-loader.ts";
import { ddpmStep, ganStep, vaeStep } from "./generators.ts";
import { inversion } from "./inversion.ts";
import { lstm } from "./lstm.ts";
import { operators } from "./operators.ts";
import {
  data,
  dataAwaited,
  dataInto,
  dataIntoAwaited,
  toTyped,
  toTypedInto,
  toTypedKept,
} from "./reading.ts";
import { redraw } from "./redraw.ts";
import { resnet18 } from "./resnet18.ts";
import { smallNetwork } from "./small-network.ts";
import { supcon } from "./supcon.ts";
import { transformer } from "./transformer.ts";
import { unetBlock } from "./unet-block.ts";
import { allWaysOut } from "./ways-out.ts";
import type { Workload } from "./workload.ts";

export { withoutModel } from "./stable-diffusion.ts";
export type { Built, Workload } from "./workload.ts";

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  operators,
  "small-network": smallNetwork,
  "to-typed": toTyped,
  "to-typed-kept": toTypedKept,
  "to-typed-into": toTypedInto,
  data,
  "data-into": dataInto,
  "data-awaited": dataAwaited,
  "data-into-awaited": dataIntoAwaited,
  "data-loader": dataLoader,
  "ways-out": allWaysOut,
  resnet18: resnet18("fp32"),
  "resnet18-bf16": resnet18("bf16"),
  "unet-block": unetBlock,
  transformer,
  lstm,
  vae: vaeStep,
  gan: ganStep,
  ddpm: ddpmStep,
  supcon: supcon("fp32"),
  "supcon-bf16": supcon("bf16"),
  redraw: redraw("fp32"),
  "redraw-bf16": redraw("bf16"),
  inversion: inversion("fp32"),
  "inversion-bf16": inversion("bf16"),
};
