import * as torch from "@penumbra/torch";
import { nn, noGrad, scope } from "@penumbra/torch";
import { expect, test } from "vitest";
import { EfficientNetLite, foldBatchNorms, ResNet } from "../../src/models/index.ts";

const NETWORKS = {
  "ResNet of basic blocks": () => new ResNet({ depth: 10, stem: "cifar", width: 8 }),
  "ResNet of bottlenecks": () => new ResNet({ depth: 50, width: 8 }),
  EfficientNet: () => new EfficientNetLite(),
};

test.each(Object.entries(NETWORKS))("a %s gives the same features with its batch norms folded", (_, make) => {
  scope(() => {
    torch.manualSeed(0);
    const network = make().eval();
    const norms = [...network.modules()].filter((module) => module instanceof nn.BatchNorm2d);
    noGrad(() => {
      for (const { weight, bias, runningMean, runningVar } of norms) {
        weight!.uniform_({ from: 0.5, to: 1.5 });
        bias!.uniform_({ from: -0.5, to: 0.5 });
        runningMean!.uniform_({ from: -0.5, to: 0.5 });
        runningVar!.uniform_({ from: 0.5, to: 2 });
      }
    });
    const images = torch.randn([2, 3, 32, 32]);
    const kernels = norms.map(({ kernel }) => kernel);
    const before = noGrad(() => network.stages(images));
    foldBatchNorms(network);
    // Each is passed over.
    expect(norms.every(({ kernel }, i) => kernel !== kernels[i])).toBe(true);
    const after = noGrad(() => network.stages(images));
    for (const [stage, rows] of after.entries()) {
      const largest = before[stage]!.abs().max().item();
      expect(rows.sub(before[stage]!).abs().max().item() / largest).toBeLessThan(1e-5);
    }
  });
});
