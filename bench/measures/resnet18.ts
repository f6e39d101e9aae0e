import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { ResNet } from "../../penumbra/src/models/index.ts";
import type { Measure } from "../measure.ts";
import type { Peer } from "../peer.ts";
import { trainingSides, withoutBf16 } from "./training.ts";

const SHAPE = { batch: 128, size: 32, classes: 10 };

export const resnet18: Measure = {
  name: "resnet18",
  title: "training step of ResNet-18, CIFAR stem, 128 images of 32 px, channels-last, fp32",
  unit: "ms",
  goal: 1.0,
  prepare: (peer) => prepare(peer, "fp32"),
};

export const resnet18InBf16: Measure = {
  name: "resnet18-bf16",
  title: "the same in bf16 autocast",
  unit: "ms",
  goal: 1.0,
  unavailable: withoutBf16,
  prepare: (peer) => prepare(peer, "bf16"),
};

function prepare(peer: Peer, precision: "fp32" | "bf16") {
  const model = new ResNet({ depth: 18, stem: "cifar", classes: SHAPE.classes });
  model.to({ memoryFormat: "channelsLast" });
  const images = torch
    .randn([SHAPE.batch, 3, SHAPE.size, SHAPE.size])
    .contiguous({ memoryFormat: "channelsLast" });
  const labels = torch.randint(SHAPE.classes, [SHAPE.batch], { dtype: "int64" });
  const autocast = { device: "cpu", dtype: "bfloat16", enabled: precision === "bf16" } as const;
  const loss = (): Tensor =>
    torch.autocast(autocast, () => model.forward(images).to("float32").crossEntropyLoss(labels));
  const parameters = { ...SHAPE, precision };
  return trainingSides({ peer, module: "resnet18", parameters, model, loss, steps: 1, note: precision });
}
