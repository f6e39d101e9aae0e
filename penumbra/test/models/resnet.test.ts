import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as torch from "@penumbra/torch";
import { nn, noGrad, scope } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { ProjectionHead, ResNet } from "../../src/models/index.ts";

/** Names and shapes of a published network's state dict. */
function published(name: string): { parameters: number; shapes: Record<string, number[]> } {
  const path = fileURLToPath(new URL(`./resnet-shapes/${name}.json`, import.meta.url));
  return JSON.parse(readFileSync(path, "utf8"));
}

const shapesOf = (module: nn.Module) =>
  Object.fromEntries(Object.entries(module.stateDict()).map(([key, tensor]) => [key, [...tensor.shape]]));

const countOf = (module: nn.Module) => module.parameters().reduce((sum, tensor) => sum + tensor.numel, 0);

const draw = (shape: number[], seed = 1) => torch.randn(shape, { generator: new torch.Generator({ seed }) });

describe("ResNet-18", () => {
  test("has timm's and torchvision's names and shapes with the ImageNet stem", () => {
    const { parameters, shapes } = published("timm-resnet18");
    const network = new ResNet({ depth: 18, stem: "imagenet", classes: 1000 });
    expect(shapesOf(network)).toEqual(shapes);
    expect(countOf(network)).toBe(parameters);
  });

  test("has SupContrast's shapes with the CIFAR stem and the projection head, its shortcuts called downsample", () => {
    const { parameters, shapes } = published("supcon-resnet18");
    class SupConNetwork extends nn.Module {
      readonly encoder = new ResNet({ depth: 18, stem: "cifar" });
      readonly head = new ProjectionHead(512);
      override forward(images: torch.Tensor): torch.Tensor {
        return this.head.forward(this.encoder.forward(images));
      }
    }
    const network = new SupConNetwork();
    const renamed = Object.fromEntries(
      // An empty `shortcut` there is no module here, and holds no tensors in either.
      Object.entries(shapes).map(([key, shape]) => [key.replace("shortcut", "downsample"), shape]),
    );
    expect(shapesOf(network)).toEqual(renamed);
    expect(countOf(network)).toBe(parameters);
  });
});

describe("any ResNet", () => {
  test("maps images to 8 x width features, whatever their size", () =>
    scope(() => {
      const network = new ResNet({ depth: 10, stem: "cifar", width: 8 });
      expect(network.dimensions).toBe(64);
      for (const side of [32, 48]) expect(network.forward(draw([2, 3, side, side])).shape).toEqual([2, 64]);
      const large = new ResNet({ depth: 10, stem: "imagenet", width: 8, classes: 5 });
      expect(large.forward(draw([2, 3, 64, 64])).shape).toEqual([2, 5]);
      expect(large.features(draw([2, 3, 64, 64])).shape).toEqual([2, 64]);
    }));

  test("ResNet-10 is ResNet-18 with one block a stage", () => {
    const keys = (depth: 10 | 18) => Object.keys(new ResNet({ depth, width: 8 }).stateDict());
    expect(keys(10)).toEqual(keys(18).filter((key) => !/layer\d\.1\./.test(key)));
  });

  test("the same seed gives the same weights, another seed others", () => {
    const weights = (seed: number) => {
      torch.manualSeed(seed);
      return new ResNet({ depth: 10, width: 8 }).conv1.weight.toNumbers();
    };
    expect(weights(3)).toEqual(weights(3));
    expect(weights(3)).not.toEqual(weights(4));
  });

  test("computes the same in channels-last memory", () =>
    scope(() => {
      torch.manualSeed(1);
      const network = new ResNet({ depth: 10, stem: "cifar", width: 8 }).eval();
      const images = draw([3, 3, 32, 32]);
      const [plain, last] = noGrad(() => {
        const before = network.forward(images).toNumbers();
        network.to({ memoryFormat: "channelsLast" });
        return [before, network.forward(images.to({ memoryFormat: "channelsLast" })).toNumbers()];
      });
      const largest = Math.max(...plain.map(Math.abs));
      for (const [i, value] of plain.entries()) {
        expect(Math.abs((last[i] as number) - value)).toBeLessThan(1e-5 * largest); // summation order differs
      }
    }));

  test("agrees with the residual formula written out, in evaluation mode", () =>
    scope(() => {
      torch.manualSeed(2);
      const network = new ResNet({ depth: 10, stem: "cifar", width: 8 }).eval();
      const state = network.stateDict();
      const weight = (name: string) => state[`${name}.weight`] as torch.Tensor;
      // Fresh batch norms in evaluation mode only divide by sqrt(1 + eps).
      const conv = (x: torch.Tensor, name: string, stride: number) =>
        torch
          .conv2d(x, weight(name), { stride, padding: (weight(name).shape[2] as number) >> 1 })
          .div(Math.sqrt(1 + 1e-5));
      noGrad(() => {
        const images = draw([2, 3, 16, 16]);
        let x = conv(images, "conv1", 1).relu();
        for (const [i, stride] of [1, 2, 2, 2].entries()) {
          const name = `layer${i + 1}.0`;
          const shortcut = stride === 1 ? x : conv(x, `${name}.downsample.0`, stride);
          x = conv(conv(x, `${name}.conv1`, stride).relu(), `${name}.conv2`, 1)
            .add(shortcut)
            .relu();
        }
        const wanted = x.mean([2, 3]).toNumbers();
        const got = network.forward(images).toNumbers();
        for (const [j, value] of wanted.entries()) expect(got[j]).toBeCloseTo(value, 4);
      });
    }));

  test("gives every parameter a gradient", () =>
    scope(() => {
      const network = new ResNet({ depth: 10, stem: "cifar", width: 8 });
      network
        .forward(draw([4, 3, 16, 16]))
        .square()
        .sum()
        .backward();
      for (const [key, parameter] of network.namedParameters()) expect(parameter.grad, key).not.toBeNull();
    }));
});
