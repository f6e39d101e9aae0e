import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nn } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  AutoencoderKL,
  CLIPTextModel,
  ownAttentionKey,
  ownTextKey,
  UNet2DConditionModel,
} from "../../src/models/index.ts";
import { goldenFolder } from "../goldens.ts";

// The configurations that Stable Diffusion 1.5 and 2.1 are published with.
const published: Record<string, () => nn.AnyModule> = {
  "sd15-unet": () =>
    new UNet2DConditionModel({ sample_size: 64, cross_attention_dim: 768, attention_head_dim: 8 }),
  "sd21-unet": () =>
    new UNet2DConditionModel({
      sample_size: 96,
      cross_attention_dim: 1024,
      attention_head_dim: [5, 10, 20, 20],
      use_linear_projection: true,
      upcast_attention: true,
    }),
  "sd-vae": () =>
    new AutoencoderKL({ block_out_channels: [128, 256, 512, 512], layers_per_block: 2, sample_size: 512 }),
  "sd15-text": () =>
    new CLIPTextModel({
      hidden_size: 768,
      intermediate_size: 3072,
      num_attention_heads: 12,
      num_hidden_layers: 12,
    }),
  "sd21-text": () =>
    new CLIPTextModel({
      hidden_size: 1024,
      intermediate_size: 4096,
      num_attention_heads: 16,
      num_hidden_layers: 23,
      hidden_act: "gelu",
    }),
};

describe("Parameter names and shapes of the published models", () => {
  for (const [name, build] of Object.entries(published)) {
    const file = join(goldenFolder, "shapes", `${name}.json`);
    test.skipIf(!existsSync(file))(`${name}: every name and shape is the reference's`, () => {
      const { shapes, parameters } = JSON.parse(readFileSync(file, "utf8")) as {
        shapes: Record<string, number[]>;
        parameters: number;
      };
      // Gigabytes of weights that nothing writes to never become resident.
      using model = nn.init.skip(build);
      const own = Object.fromEntries(
        Object.entries(model.stateDict()).map(([key, { shape }]) => [key, [...shape]]),
      );
      expect(own).toEqual(shapes);
      expect(model.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(parameters);
    });
  }
});

describe("Names under which weights are published", () => {
  test("old names of the autoencoder's attention become today's", () => {
    const old = "decoder.mid_block.attentions.0";
    expect(ownAttentionKey(`${old}.query.weight`)).toBe(`${old}.to_q.weight`);
    expect(ownAttentionKey(`${old}.proj_attn.bias`)).toBe(`${old}.to_out.0.bias`);
    expect(ownAttentionKey(`${old}.to_k.weight`)).toBe(`${old}.to_k.weight`);
    expect(ownAttentionKey("decoder.conv_in.weight")).toBe("decoder.conv_in.weight");
  });

  test("the text encoder's prefix and its numbered positions are left out", () => {
    expect(ownTextKey("text_model.final_layer_norm.weight")).toBe("final_layer_norm.weight");
    expect(ownTextKey("final_layer_norm.weight")).toBe("final_layer_norm.weight");
    expect(ownTextKey("text_model.embeddings.position_ids")).toBeNull();
  });
});
