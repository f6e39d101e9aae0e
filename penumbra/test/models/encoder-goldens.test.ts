import * as torch from "@penumbra/torch";
import { noGrad, scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  EfficientNetLite,
  type ImageEncoder,
  interpolatePositions,
  ResNet,
  VisionTransformer,
} from "../../src/models/index.ts";
import { eachGolden, expectClose, type Golden } from "../goldens.ts";

// Outputs of timm's networks at tiny sizes, with their weights. Every size is read from the JSON and the tensors.

/** The golden's weights in the network: all of them, and all that the network has but for the counters of batches. */
function load<Network extends ImageEncoder>(network: Network, tensors: Record<string, Tensor>): Network {
  const counters = Object.entries(network.stateDict()).filter(([key]) => key.endsWith("num_batches_tracked"));
  const weights = Object.entries(tensors).flatMap(([key, tensor]) =>
    key.startsWith("weight.") ? [[key.slice("weight.".length), tensor] as const] : [],
  );
  network.loadStateDict(Object.fromEntries([...counters, ...weights]));
  network.requiresGrad_(false); // the gradient is of the input; kernels of few channels are for use only
  return network.eval() as Network;
}

/** Features, logits, stages and the gradient of the input. */
function expectAgrees(network: ImageEncoder, { tensors, json }: Golden): void {
  scope(() => {
    const input = (tensors.input as Tensor).clone().requiresGrad_();
    const pooled = network.features(input);
    expectClose(pooled, tensors.pooled, json.rtol, "pooled features");
    pooled.square().mean().backward();
    expectClose(input.grad as Tensor, tensors.grad_input, json.rtol, "gradient of the input");
    noGrad(() => {
      expectClose(network.forward(input), tensors.logits, json.rtol, "logits");
      const stages = network.stages(input);
      expect(stages.map(({ shape }) => shape[1])).toEqual(network.stageDimensions);
      expect(stages.at(-1)?.toNumbers()).toEqual(pooled.toNumbers());
    });
  });
}

const classesOf = ({ logits }: Record<string, Tensor>) => logits?.shape[1] as number;

describe("a ResNet with timm's weights", () => {
  eachGolden("encoders", "resnet-", (golden) => {
    const { block, layers, channels } = golden.json as unknown as {
      block: string;
      layers: [number, number, number, number];
      channels: [number, number, number, number];
    };
    const stemChannels = (golden.tensors["weight.conv1.weight"] as Tensor).shape[0] as number;
    const kind = block === "Bottleneck" ? "bottleneck" : "basic";
    const design = { block: kind, blocks: layers, channels, stemChannels } as const;
    expectAgrees(load(new ResNet({ design, classes: classesOf(golden.tensors) }), golden.tensors), golden);
  });
});

describe("a vision transformer with timm's weights", () => {
  eachGolden("encoders", "vit", (golden) => {
    const { arguments: given, pos_embed_prefix: prefix } = golden.json as unknown as {
      arguments: Record<string, number>;
      pos_embed_prefix: number;
    };
    const network = new VisionTransformer({
      imageSize: given.img_size as number,
      patchSize: given.patch_size as number,
      dimensions: given.embed_dim as number,
      depth: given.depth as number,
      heads: given.num_heads as number,
      registers: given.reg_tokens ?? 0,
      layerScale: given.init_values ?? null,
      embedsPrefix: prefix > 0,
      classes: given.num_classes as number,
    });
    load(network, golden.tensors);
    expectAgrees(network, golden);
    scope(() => {
      const pooled = noGrad(() => network.features(golden.tensors.large_input as Tensor));
      expectClose(pooled, golden.tensors.large_pooled, golden.json.rtol, "features of a larger image");
      for (const [key, wanted] of Object.entries(golden.tensors)) {
        const [, rows, columns, plain] = /^pos_embed_(\d+)x(\d+)(_plain)?$/.exec(key) ?? [];
        if (rows === undefined) continue;
        const grid = [Number(rows), Number(columns)] as const;
        const embedding = golden.tensors["weight.pos_embed"] as Tensor;
        const got = interpolatePositions(embedding, grid, { prefix, antialias: plain === undefined });
        expectClose(got, wanted, golden.json.rtol, key);
      }
    });
  });
});

describe("an EfficientNet-Lite with timm's weights", () => {
  eachGolden("encoders", "efficientnet-lite-tiny", (golden) => {
    const { arch } = golden.json as unknown as { arch: [string][] };
    const stages = arch.map(([stage]) => {
      const [kind] = stage.split("_");
      const value = (letter: string) => Number(new RegExp(`_${letter}(\\d+)`).exec(stage)?.[1]);
      expect(kind).toBe(value("e") === 1 ? "ds" : "ir");
      return {
        ...{ blocks: value("r"), kernel: value("k"), stride: value("s") },
        ...{ expansion: value("e"), channels: value("c") },
      };
    });
    const channels = (key: string) => (golden.tensors[key] as Tensor).shape[0] as number;
    const design = {
      stages,
      stemChannels: channels("weight.conv_stem.weight"),
      headChannels: channels("weight.conv_head.weight"),
    };
    const network = new EfficientNetLite({ design, classes: classesOf(golden.tensors) });
    expectAgrees(load(network, golden.tensors), golden);
  });

  eachGolden("encoders", "efficientnet-lite0", ({ json, tensors }) =>
    scope(() => {
      const { order, shapes } = json as unknown as { order: string[]; shapes: Record<string, number[]> };
      const network = new EfficientNetLite({ classes: classesOf(tensors) });
      const weights = Object.fromEntries(
        order.map((key, place) => [
          `weight.${key}`,
          torch.fromTyped(weightsByFormula(key, place, shapes[key] as number[]), shapes[key] as number[]),
        ]),
      );
      load(network, weights);
      noGrad(() => {
        const input = tensors.input as Tensor;
        expectClose(network.features(input), tensors.pooled, json.rtol, "pooled features");
        expectClose(network.forward(input), tensors.logits, json.rtol, "logits");
        const stages = network.stages(input);
        for (const [index, stage] of stages.slice(0, -1).entries()) {
          expectClose(stage, tensors[`stage${index + 1}_mean`], json.rtol, `stage ${index + 1}`);
        }
      });
    }),
  );
});

/** The weights that the golden's "formula" describes. */
function weightsByFormula(key: string, place: number, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
  const shapeTo = (u: number) => {
    if (key.endsWith("running_var")) return 1 + 0.2 * u;
    if (key.endsWith("running_mean")) return 0.1 * u;
    if (shape.length > 1) return Math.sqrt(6 / fanIn) * u;
    return key.endsWith("weight") ? 1 + 0.1 * u : 0.05 * u;
  };
  return Float32Array.from({ length: count }, (_, i) => {
    let hash = (Math.imul(i, 0x9e3779b1) + Math.imul(place, 0x85ebca77) + 1) >>> 0;
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b) >>> 0;
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35) >>> 0;
    hash = (hash ^ (hash >>> 16)) >>> 0;
    return shapeTo(hash / 2 ** 31 - 1);
  });
}

test("an image that the patches do not divide is refused with a size that they do", () => {
  const network = new VisionTransformer({ dimensions: 16, depth: 1, heads: 2, patchSize: 14, imageSize: 28 });
  expect(() => network.features(torch.zeros([1, 3, 30, 28]))).toThrow(/30 x 28 px.*14 x 14.*such as 28/);
});
