import * as torch from "@penumbra/torch";
import { ResNet } from "../../penumbra/src/models/index.ts";
import { trainingStep, type Workload } from "./workload.ts";

export const RESNET_SHAPE = { batch: 128, size: 32, classes: 10 };

export function makeResNet18(): ResNet {
  const model = new ResNet({ depth: 18, stem: "cifar", classes: RESNET_SHAPE.classes });
  return model.to({ memoryFormat: "channelsLast" });
}

/** ResNet-18 with the CIFAR stem, channels-last. */
export function resnet18(precision: "fp32" | "bf16"): Workload {
  return {
    module: "resnet18",
    parameters: { ...RESNET_SHAPE, precision },
    build() {
      const model = makeResNet18();
      const images = torch
        .randn([RESNET_SHAPE.batch, 3, RESNET_SHAPE.size, RESNET_SHAPE.size])
        .contiguous({ memoryFormat: "channelsLast" });
      const labels = torch.randint(RESNET_SHAPE.classes, [RESNET_SHAPE.batch], { dtype: "int64" });
      const autocast = { device: "cpu", dtype: "bfloat16", enabled: precision === "bf16" } as const;
      return trainingStep(model, () =>
        torch.autocast(autocast, () => model.forward(images).to("float32").crossEntropyLoss(labels)),
      );
    },
  };
}
