import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { describe, expect, it, test } from "vitest";
import { Encoder, extractStages } from "../../../src/contrast/index.ts";
import { type ExportPrecision, PRECISIONS } from "../../../src/deploy/export/arithmetic.ts";
import { loadExportedEncoder, rangesOf } from "../../../src/deploy/export/encoder-numbers.ts";
import { drawNetwork } from "../../../src/deploy/export/networks.ts";
import { Graph } from "../../../src/deploy/export/onnx/graph.ts";
import type { ClassifierParts } from "../../../src/deploy/index.ts";
import {
  EfficientNetLite,
  encoderNetworkNames,
  encoderNetworks,
  ImageEncoder,
  ResNet,
  VisionTransformer,
} from "../../../src/models/index.ts";

/** A small one of each family, and of each part that only some have. */
const FAMILIES: Readonly<Record<string, { readonly size: number; readonly make: () => ImageEncoder }>> = {
  "ResNet-10 of small images": { size: 16, make: () => new ResNet({ depth: 10, stem: "cifar", width: 8 }) },
  "ResNet-18": { size: 33, make: () => new ResNet({ depth: 18, width: 8 }) },
  "ResNet-50": { size: 32, make: () => new ResNet({ depth: 50, width: 8 }) },
  "EfficientNet-Lite": {
    size: 30, // odd sides on the way down
    make: () =>
      new EfficientNetLite({
        design: {
          stemChannels: 8,
          stages: [
            { blocks: 1, kernel: 3, stride: 1, expansion: 1, channels: 8 },
            { blocks: 2, kernel: 5, stride: 2, expansion: 6, channels: 16 },
            { blocks: 2, kernel: 3, stride: 2, expansion: 6, channels: 24 },
          ],
          headChannels: 32,
        },
      }),
  },
  ViT: {
    size: 24,
    make: () => new VisionTransformer({ imageSize: 24, patchSize: 8, dimensions: 16, depth: 5, heads: 2 }),
  },
  "DINOv2's ViT at another size": {
    size: 40,
    make: () =>
      new VisionTransformer({
        ...{ imageSize: 24, patchSize: 8, dimensions: 16, depth: 4, heads: 4, registers: 2, layerScale: 0.3 },
        embedsPrefix: false,
      }),
  },
  "DINOv3's ViT": {
    size: 24,
    make: () =>
      new VisionTransformer({
        ...{ patchSize: 8, dimensions: 32, depth: 4, heads: 2, registers: 4, layerScale: 0.3 },
        ...{ positions: "rotary", qkvBias: false },
      }),
  },
};

function made(name: string): {
  readonly parts: ClassifierParts;
  readonly photos: Uint8Array[];
  size: number;
} {
  const { size, make } = FAMILIES[name]!;
  torch.manualSeed(4);
  const network = make();
  for (const module of network.modules()) {
    // As after a training: norms that change something.
    if (!(module instanceof nn.BatchNorm2d)) continue;
    module.runningMean!.normal_({ std: 0.3 });
    module.runningVar!.uniform_({ from: 0.5, to: 2 });
    torch.noGrad(() => [module.weight!.uniform_({ from: 0.5, to: 1.5 }), module.bias!.normal_({ std: 0.3 })]);
  }
  const encoder = new Encoder({ mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] }, network.eval());
  const photos = Array.from(
    { length: 3 },
    () => torch.randint(0, 256, [3, size, size], { dtype: "uint8" }).toTyped() as Uint8Array,
  );
  const parts = {
    encoder,
    preprocessing: { imageSize: size, fit: "squash", interpolation: "lanczos3" },
  } as unknown as ClassifierParts;
  return { parts, photos, size };
}

async function stagesOf(name: string, precision: ExportPrecision) {
  const { parts, photos, size } = made(name);
  const ranges = PRECISIONS[precision].needsRanges ? await rangesOf(parts, photos) : [];
  const exported = await loadExportedEncoder(parts, { precision, ranges });
  const stages = await exported.stages(photos);
  await exported.release();
  const pixels = torch.stack(photos.map((photo) => torch.fromTyped(photo, [3, size, size])));
  return { stages, wanted: extractStages(parts.encoder, pixels) };
}

/** |a - b| / |b|, the largest over the stages. */
function apart(a: readonly Tensor[], b: readonly Tensor[]): number {
  return Math.max(
    ...b.map((wanted, i) => {
      const exact = wanted.to("float64");
      return a[i]!.sub(exact).norm().item() / exact.norm().item();
    }),
  );
}

describe.each(Object.keys(FAMILIES))("%s", (name) => {
  it("says the same of photos, at every stage", async () => {
    const { stages, wanted } = await stagesOf(name, "fp32");
    expect(stages.map(({ shape }) => shape)).toEqual(wanted.map(({ shape }) => shape));
    expect(apart(stages, wanted)).toBeLessThan(5e-6);
  });

  it.each([
    { precision: "fp16", most: 0.01 }, // 11 bits, over some 50 layers
    { precision: "int8", most: 0.3 }, // random weights use every bit of a range
  ] as const)("says nearly the same in fewer bits: $precision", async ({ precision, most }) => {
    const { stages, wanted } = await stagesOf(name, precision);
    const difference = apart(stages, wanted);
    expect(difference).toBeLessThan(most);
    expect(difference).toBeGreaterThan(1e-6); // it does compute in fewer bits
  });
});

test("every network of the table is of a family that is drawn", () => {
  const families = [ResNet, EfficientNetLite, VisionTransformer];
  for (const name of encoderNetworkNames) {
    const { make, sizes } = encoderNetworks[name];
    using network = nn.init.skip(() => make(sizes.parse({})));
    expect(families.map((family) => network instanceof family)).toContain(true);
  }
});

test("a network that nobody has drawn is refused by name", () => {
  class Strange extends ImageEncoder {
    readonly dimensions = 1;
    readonly stageDimensions = [1];
    features = (images: Tensor) => images;
    stages = (images: Tensor) => [images];
    layers = () => [];
  }
  const graph = new Graph();
  const pen = PRECISIONS.fp32.arithmetic(graph, []);
  const images = graph.input("images", "float32", [1, 3, 8, 8]);
  expect(() => drawNetwork(pen, new Strange(), images, 8)).toThrow(
    /Strange has no form in ONNX. Those that have one: ResNet, EfficientNetLite, VisionTransformer/,
  );
});
