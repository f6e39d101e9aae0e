import { join } from "node:path";
import { manualSeed, noGrad, randn, type Tensor, tensor, zeros } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  findNetwork,
  loadWeights,
  PriorTransformer,
  UNet2DConditionModel,
  UnCLIPTextProjModel,
} from "../../src/models/index.ts";
import { expectClose, type Golden } from "../goldens.ts";
import { eachSdGolden, need } from "../sd-goldens.ts";

const eachUnclip = (tensorName: string, body: (golden: Golden, model: string) => void) =>
  eachSdGolden(tensorName, body, undefined, "UnCLIPPipeline");

function decoderOf(folder: string): UNet2DConditionModel {
  const { config, configFile, weightsFile } = findNetwork(folder);
  const unet = new UNet2DConditionModel(config, configFile).eval();
  loadWeights(unet, weightsFile);
  return unet;
}

describe("CLIP with projections", () => {
  eachUnclip("image_last_hidden_state", (golden, model) =>
    noGrad(() => {
      const { rtol } = golden.json;
      const text = CLIPTextModelWithProjection.load(join(model, "text_encoder"));
      const { embeds, hidden } = text.forward(need(golden, "ids"));
      expectClose(hidden, golden.tensors.last_hidden_state, rtol, "text's hidden states");
      expectClose(embeds, golden.tensors.text_embeds, rtol, "text's embeddings");
      const image = CLIPVisionModelWithProjection.load(join(model, "image_encoder"));
      const seen = image.forward(need(golden, "pixel_values"));
      expectClose(seen.hidden, golden.tensors.image_last_hidden_state, rtol, "image's hidden states");
      expectClose(seen.embeds, golden.tensors.image_embeds, rtol, "image's embeddings");
    }),
  );

  test("a text's embedding is its end mark's: what follows changes nothing", () => {
    manualSeed(1);
    const sizes = { vocab_size: 12, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1 };
    const text = new CLIPTextModelWithProjection({
      ...{ ...sizes, num_attention_heads: 2, projection_dim: 6, eos_token_id: 5 },
    });
    const embed = (ids: number[]) => text.forward(tensor([ids], { dtype: "int64" })).embeds;
    expectClose(embed([1, 2, 5, 9, 9]), embed([1, 2, 5, 3, 11]), 1e-6);
    expect(
      embed([1, 2, 5, 9])
        .sub(embed([1, 3, 5, 9]))
        .abs()
        .max()
        .item(),
    ).toBeGreaterThan(1e-4);
  });

  test("refuses an image that patches do not divide, and other activations", () => {
    const build = (config: object) => () => new CLIPVisionModelWithProjection(config, "config.json");
    expect(build({ image_size: 30, patch_size: 8 })).toThrow(
      /"patch_size" is 8, which does not divide "image_size" 30/,
    );
    expect(build({ hidden_act: "relu" })).toThrow(
      /field "hidden_act" is "relu": only "quick_gelu" or "gelu"/,
    );
  });
});

describe("PriorTransformer", () => {
  eachUnclip("out_no_mask", (golden, model) =>
    noGrad(() => {
      const prior = PriorTransformer.load(join(model, "prior")).eval();
      const told = {
        textEmbeds: need(golden, "proj_embedding"),
        textHidden: need(golden, "encoder_hidden_states"),
      };
      const run = (textMask: Tensor | null) =>
        prior.forward(need(golden, "hidden_states"), need(golden, "timesteps"), { ...told, textMask });
      expectClose(run(need(golden, "attention_mask")), golden.tensors.out, golden.json.rtol, "masked");
      expectClose(run(null), golden.tensors.out_no_mask, golden.json.rtol, "without a mask");
    }),
  );

  test("its scale and the image encoder's are each other's inverse", () => {
    manualSeed(2);
    const prior = new PriorTransformer({
      num_layers: 1,
      attention_head_dim: 4,
      num_attention_heads: 1,
      embedding_dim: 6,
    });
    noGrad(() => {
      prior.clipMean.copy_(randn([1, 6]));
      prior.clipStd.copy_(randn([1, 6]).abs().add(0.1));
    });
    const embeds = randn([3, 6]);
    expectClose(prior.embedsOf(prior.normalised(embeds)), embeds, 1e-6);
  });

  test("refuses what is not implemented, naming the field", () => {
    expect(() => new PriorTransformer({ added_emb_type: null }, "prior/config.json")).toThrow(
      /prior\/config\.json: field "added_emb_type" is null: a prior without that part/,
    );
    expect(() => new PriorTransformer({ norm_in_type: "layer" })).toThrow(/"norm_in_type" is "layer"/);
  });
});

describe("unCLIP's decoder", () => {
  eachUnclip("variation_context", (golden, model) =>
    noGrad(() => {
      const { rtol } = golden.json;
      const projection = UnCLIPTextProjModel.load(join(model, "text_proj"));
      const images = need(golden, "image_embeddings");
      const count = images.shape[0]!;
      const [textEmbeds, textHidden] = [
        need(golden, "prompt_embeds"),
        need(golden, "text_encoder_hidden_states"),
      ];
      const without = projection.forward({
        imageEmbeds: projection.unconditional(count),
        textEmbeds: textEmbeds.narrow(0, 0, count),
        textHidden: textHidden.narrow(0, 0, count),
      });
      const told = projection.forward({
        imageEmbeds: images,
        textEmbeds: textEmbeds.narrow(0, count, count),
        textHidden: textHidden.narrow(0, count, count),
      });
      const halves = [without, told];
      for (const [half, { context, classLabels }] of halves.entries()) {
        const rows = (name: string) => need(golden, name).narrow(0, half * count, count);
        expectClose(context, rows("context"), rtol, `context ${half}`);
        expectClose(classLabels, rows("class_embeddings"), rtol, `class embeddings ${half}`);
      }
      const unet = decoderOf(join(model, "decoder"));
      for (const memoryFormat of ["contiguous", "channelsLast"] as const) {
        unet.to({ memoryFormat });
        const out = unet.forward(
          need(golden, "sample").to({ memoryFormat }),
          need(golden, "timesteps"),
          told.context,
          {
            classLabels: told.classLabels,
            contextMask: need(golden, "attention_mask").narrow(0, count, count),
          },
        );
        expectClose(out, golden.tensors.out, rtol, `${memoryFormat} output`);
      }
    }),
  );

  eachSdGolden(
    "noised_embeds",
    (golden, model) =>
      noGrad(() => {
        const unet = decoderOf(join(model, "unet"));
        const out = unet.forward(need(golden, "sample"), need(golden, "timesteps"), need(golden, "context"), {
          classLabels: need(golden, "noised_embeds"),
        });
        expectClose(out, golden.tensors.out, golden.json.rtol);
      }),
    undefined,
    "StableUnCLIPImg2ImgPipeline",
  );

  const tiny = {
    ...{
      in_channels: 3,
      out_channels: 6,
      block_out_channels: [8, 16],
      norm_num_groups: 4,
      layers_per_block: 1,
    },
    down_block_types: ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
    up_block_types: ["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
    ...{ mid_block_type: "UNetMidBlock2DSimpleCrossAttn", cross_attention_dim: 6, attention_head_dim: 4 },
    ...{ class_embed_type: "identity", resnet_time_scale_shift: "scale_shift" },
  } as const;

  test("does not look at context that the mask takes away, and comes back in the size that went in", () => {
    manualSeed(3);
    const unet = new UNet2DConditionModel(tiny).eval();
    const [sample, context, classLabels] = [randn([1, 3, 7, 9]), randn([1, 3, 6]), randn([1, 32])];
    const draw = (context: Tensor) =>
      noGrad(() => unet.forward(sample, 400, context, { classLabels, contextMask: tensor([[1, 1, 0]]) }));
    const changed = context.clone();
    noGrad(() => changed.narrow(1, 2, 1).copy_(zeros([1, 1, 6])));
    const out = draw(context);
    expect(out.shape).toEqual([1, 6, 7, 9]);
    expectClose(draw(changed), out, 1e-6);
  });

  test("refuses what it does not know, naming the field", () => {
    const build = (config: object) => () =>
      new UNet2DConditionModel({ ...tiny, ...config }, "decoder/config.json");
    expect(build({ mid_block_type: "UNetMidBlock2DCrossAttn" })).toThrow(
      /decoder\/config\.json: field "mid_block_type"/,
    );
    expect(build({ attention_head_dim: [4, 8] })).toThrow(/"attention_head_dim" is a list/);
    expect(build({ class_embed_type: "projection" })).toThrow(/"projection" needs the size/);
    expect(build({ class_embed_type: "timestep" })).toThrow(/"class_embed_type" is "timestep"/);
    expect(() =>
      noGrad(() => new UNet2DConditionModel(tiny).forward(randn([1, 3, 8, 8]), 1, randn([1, 3, 6]))),
    ).toThrow(/needs classLabels/);
  });
});
