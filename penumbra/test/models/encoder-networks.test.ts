import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as torch from "@penumbra/torch";
import { nn, scope } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  EfficientNetLite,
  encoderNetworkNames,
  encoderNetworks,
  type ImageEncoder,
  modulesOf,
  parametersOf,
  ResNet,
  VisionTransformer,
} from "../../src/models/index.ts";

const shapesOf = (network: ImageEncoder) =>
  Object.fromEntries(Object.entries(network.stateDict()).map(([key, { shape }]) => [key, [...shape]]));

/** Networks with timm's names, as timm makes them. */
const PUBLISHED: Readonly<Record<string, () => ImageEncoder>> = {
  resnet34: () => new ResNet({ depth: 34, classes: 1000 }),
  resnet50: () => new ResNet({ depth: 50, classes: 1000 }),
  resnet101: () => new ResNet({ depth: 101, classes: 1000 }),
  vit_small_patch16_224: () => new VisionTransformer({ classes: 1000 }),
  vit_base_patch16_224: () => new VisionTransformer({ dimensions: 768, classes: 1000 }),
  vit_large_patch16_224: () => new VisionTransformer({ dimensions: 1024, depth: 24, classes: 1000 }),
  vit_small_patch14_dinov2: () => new VisionTransformer({ patchSize: 14, imageSize: 518, layerScale: 1e-5 }),
  vit_small_patch14_reg4_dinov2: () =>
    new VisionTransformer({
      ...{ patchSize: 14, imageSize: 518, layerScale: 1e-5, registers: 4, embedsPrefix: false },
    }),
  tf_efficientnet_lite0: () => new EfficientNetLite({ classes: 1000 }),
};

describe("names, shapes and number of parameters are those of", () => {
  const folder = fileURLToPath(new URL("./encoder-shapes/", import.meta.url));
  for (const file of readdirSync(folder)) {
    const name = file.replace(/\.json$/, "");
    const { reference, parameters, shapes } = JSON.parse(readFileSync(`${folder}${file}`, "utf8"));
    test(reference, () => {
      const network = nn.init.skip(() => (PUBLISHED[name] as () => ImageEncoder)());
      expect(shapesOf(network)).toEqual(shapes);
      expect(network.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(parameters);
      network.dispose();
    });
  }
});

describe.each(encoderNetworkNames)("%s", (name) => {
  const { make, sizes, sizesOf } = encoderNetworks[name];
  const defaults = sizes.parse({});
  const side = 32;

  test("gives features, and stages that end with them", () =>
    scope(() => {
      torch.manualSeed(1);
      const network = make(defaults).eval();
      const images = torch.randn([2, 3, side, side], { generator: new torch.Generator({ seed: 1 }) });
      torch.noGrad(() => {
        const features = network.features(images);
        expect(features.shape).toEqual([2, network.dimensions]);
        const stages = network.stages(images);
        expect(stages.map(({ shape }) => shape)).toEqual(network.stageDimensions.map((width) => [2, width]));
        expect(stages.at(-1)?.toNumbers()).toEqual(features.toNumbers());
      });
      network.dispose();
    }));

  test("lists every parameter in one layer, and every module", () => {
    const network = nn.init.skip(() => make(defaults));
    const parameters = network.layers().flatMap(parametersOf);
    expect(new Set(parameters).size).toBe(parameters.length);
    expect(new Set(parameters)).toEqual(new Set(network.parameters()));
    const norms = network.modules().filter((module) => module instanceof nn.BatchNorm2d);
    expect(network.layers().flatMap(modulesOf)).toEqual(expect.arrayContaining(norms));
    network.dispose();
  });

  test("is recognised by the shapes of its own weights", () => {
    const network = nn.init.skip(() => make(defaults));
    expect(sizes.parse(sizesOf(network.stateDict()))).toEqual(defaults);
    network.dispose();
  });
});

describe("gradient checkpointing", () => {
  test.each(["resnet10", "vit-small", "efficientnet-lite0"] as const)(
    "gives the same loss, gradients and batch norm's statistics to the bit (%s)",
    (name) =>
      scope(() => {
        const run = (recomputes: boolean) => {
          torch.manualSeed(3);
          const network = encoderNetworks[name].make(encoderNetworks[name].sizes.parse({}));
          network.recomputes = recomputes;
          network.train();
          const images = torch.randn([4, 3, 32, 32], { generator: new torch.Generator({ seed: 2 }) });
          const loss = network.features(images).square().mean();
          loss.backward();
          const sums = [
            ...network.parameters().map(({ grad }) => grad as torch.Tensor),
            ...network.buffers(),
          ];
          return [loss.item(), ...sums.map((tensor) => tensor.to("float64").sum().item())];
        };
        expect(run(true)).toEqual(run(false));
      }),
  );
});
