import { Generator, manualSeed, noGrad, randn, scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { encoderNetworks, ownTransformerWeights, VisionTransformer } from "../../src/models/index.ts";
import { eachGolden, expectClose } from "../goldens.ts";

// Outputs of transformers' and timm's DINOv2 and DINOv3 at tiny sizes, with their weights under the published names.

describe("a vision transformer with weights as they are published", () => {
  eachGolden("encoders", "published-", ({ tensors, json }) => {
    const {
      kind,
      depth,
      heads,
      antialias = true,
    } = json as unknown as {
      kind: string;
      depth: number;
      heads: number;
      antialias?: boolean;
    };
    expect(kind).toBe("published-transformer");
    scope(() => {
      const published = Object.fromEntries(
        Object.entries(tensors).flatMap(([key, tensor]) =>
          key.startsWith("weight.") ? [[key.slice("weight.".length), tensor]] : [],
        ),
      );
      const own = ownTransformerWeights(published);
      const { hasLayerScale, ...sizes } = encoderNetworks["vit-small"].sizes.parse(
        encoderNetworks["vit-small"].sizesOf(own),
      ) as { hasLayerScale: boolean };
      expect(hasLayerScale).toBe(true);
      const dimensions = own.cls_token!.shape[2] as number;
      const network = new VisionTransformer({ ...sizes, dimensions, depth, heads, layerScale: 1 });
      network.loadStateDict(own);
      network.eval();
      const pooled = noGrad(() => network.features(tensors.input as Tensor));
      expectClose(pooled, tensors.pooled, json.rtol, "class token");
      // Where the reference interpolates without widening its kernel, only its own size can be compared.
      if (antialias) {
        const large = noGrad(() => network.features(tensors.large_input as Tensor));
        expectClose(large, tensors.large_pooled, json.rtol, "class token of a larger image");
      }
    });
  });
});

test("rotary positions and gradient checkpointing give the gradients that they give without it", () => {
  const gradientsOf = (recomputes: boolean) => {
    manualSeed(3);
    const network = new VisionTransformer({
      ...{ dimensions: 16, depth: 2, heads: 2, patchSize: 8, imageSize: 16, registers: 2 },
      ...{ positions: "rotary", qkvBias: false },
    });
    network.recomputes = recomputes;
    network.train();
    const images = randn([2, 3, 32, 16], { generator: new Generator({ seed: 1 }) });
    network.features(images).square().mean().backward();
    return network.parameters().map(({ grad }) => grad!.toNumbers());
  };
  expect(gradientsOf(true)).toEqual(gradientsOf(false));
});
