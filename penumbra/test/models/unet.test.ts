import { readFileSync } from "node:fs";
import { grad, manualSeed, noGrad, randn, tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { findNetwork, loadWeights, UNet2DConditionModel } from "../../src/models/index.ts";
import type { ImageTransformer } from "../../src/models/transformer.ts";
import { parseUNetConfig } from "../../src/models/unet-config.ts";
import { expectClose } from "../goldens.ts";
import { eachSdGolden, need } from "../sd-goldens.ts";

const tiny = {
  block_out_channels: [16, 32],
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  cross_attention_dim: 8,
  attention_head_dim: 4,
  norm_num_groups: 8,
  layers_per_block: 1,
} as const;

describe("UNet2DConditionModel", () => {
  eachSdGolden("grad_context", (golden, model) => {
    const { config, configFile, weightsFile } = findNetwork(`${model}/unet`);
    const unet = new UNet2DConditionModel(config, configFile).eval();
    loadWeights(unet, weightsFile);
    for (const memoryFormat of ["contiguous", "channelsLast"] as const) {
      unet.to({ memoryFormat });
      const context = need(golden, "context").detach().clone().requiresGrad_();
      const out = unet.forward(
        need(golden, "latents").to({ memoryFormat }),
        need(golden, "timesteps"),
        context,
      );
      expectClose(out, golden.tensors.out, golden.json.rtol, `${memoryFormat} output`);
      const [gradient] = grad(out.pow(2).mean(), [context]);
      expectClose(gradient!, golden.tensors.grad_context, golden.json.rtol, `${memoryFormat} gradient`);
    }
  });

  test("one timestep for all equals a tensor of it", () => {
    manualSeed(3);
    const unet = new UNet2DConditionModel(tiny).eval();
    const [sample, context] = [randn([2, 4, 8, 8]), randn([2, 5, 8])];
    noGrad(() =>
      expectClose(
        unet.forward(sample, 481, context),
        unet.forward(sample, tensor([481, 481], { dtype: "int64" }), context),
        1e-6,
      ),
    );
  });

  test("sizes that do not halve evenly come back as they went in", () => {
    const unet = new UNet2DConditionModel(tiny).eval();
    const out = noGrad(() => unet.forward(randn([1, 4, 7, 9]), 1, randn([1, 5, 8])));
    expect(out.shape).toEqual([1, 4, 7, 9]);
  });

  test("numbers of layers, heads and context sizes may differ by level", () => {
    const unet = new UNet2DConditionModel({
      ...tiny,
      down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
      layers_per_block: [1, 2],
      transformer_layers_per_block: [1, 2],
      attention_head_dim: [2, 8],
    });
    expect(unet.downBlocks.map((block) => block.resnets.length)).toEqual([1, 2]);
    expect(unet.upBlocks.map((block) => block.resnets.length)).toEqual([3, 2]);
    const transformers = unet.upBlocks.map((block) => block.attentions[0] as ImageTransformer);
    expect(transformers.map(({ transformerBlocks }) => transformerBlocks.length)).toEqual([2, 1]);
    expect(noGrad(() => unet.forward(randn([1, 4, 8, 8]), 1, randn([1, 5, 8]))).shape).toEqual([1, 4, 8, 8]);
  });

  test("SD-Turbo's, as diffusers 0.24 prints its configuration, is that of Stable Diffusion 2.1-base", () => {
    const fixture = (name: string) =>
      JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
    const base = fixture("published-models/stable-diffusion-2-1-base").files["unet/config.json"];
    expect(parseUNetConfig(fixture("sd-turbo-unet"))).toMatchObject(parseUNetConfig(base));
  });

  test("refuses values that are not implemented, naming file and field", () => {
    const build = (config: object) => () =>
      new UNet2DConditionModel({ ...tiny, ...config }, "unet/config.json");
    expect(build({ addition_embed_type: "text_time" })).toThrow(
      /unet\/config\.json: field "addition_embed_type" is "text_time": only null/,
    );
    expect(build({ down_block_types: ["AttnDownBlock2D", "DownBlock2D"] })).toThrow(
      /"down_block_types.0" is "AttnDownBlock2D"/,
    );
    expect(build({ norm_num_groups: 5 })).toThrow(/"norm_num_groups" is 5, which does not divide 16/);
    expect(build({ layers_per_block: [1] })).toThrow(/"layers_per_block" has 1 entries/);
    expect(build({ quantization: "int8" })).toThrow(/"quantization" is "int8": it is not known/);
  });
});
