import * as torch from "@penumbra/torch";
import { ResNet } from "../../penumbra/src/models/index.ts";
import { trainingStep, type Workload } from "./workload.ts";

const SHAPE = { batch: 128, size: 32, classes: 10 };

/** ResNet-18 with the CIFAR stem, channels-last. */
export function resnet18(precision: "fp32" | "bf16"): Workload {
  return {
    module: "resnet18",
    parameters: { ...SHAPE, precision },
    build() {
      const model = new ResNet({ depth: 18, stem: "cifar", classes: SHAPE.classes });
      model.to({ memoryFormat: "channelsLast" });
      const images = torch
        .randn([SHAPE.batch, 3, SHAPE.size, SHAPE.size])
        .contiguous({ memoryFormat: "channelsLast" });
      const labels = torch.randint(SHAPE.classes, [SHAPE.batch], { dtype: "int64" });
      const autocast = { device: "cpu", dtype: "bfloat16", enabled: precision === "bf16" } as const;
      return trainingStep(model, () =>
        torch.autocast(autocast, () => model.forward(images).to("float32").crossEntropyLoss(labels)),
      );
    },
  };
}
