import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualSeed, noGrad, safetensors, save, scope, type Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import { ClipTokenizer, findModel, StableDiffusion, textToImage } from "../../../src/diffusion/index.ts";
import {
  originalTextName,
  originalUNetName,
  originalVaeName,
} from "../../../src/diffusion/model/original-names.ts";
import { configsOf, type Shapes } from "../../../src/diffusion/model/single-file.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../../src/models/index.ts";
import { expectClose, goldenFolder, goldens } from "../../goldens.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const aside = mkdtempSync(join(tmpdir(), "penumbra-single-"));
afterAll(() => rmSync(aside, { recursive: true }));
const at = (name: string) => join(aside, name);

/** To six digits: weights that were built and those that were loaded lie differently in memory. */
const draw = (sd: StableDiffusion) =>
  textToImage(sd, { prompts: ["a relay"], seeds: [3], steps: 2, size: [16, 16] })
    .toNumbers()
    .map((pixel) => Math.round(pixel * 1e4));

/** A small model with the proportions that single files imply: 8 heads (1.x) or 64 channels each (2.x), 32 groups. */
function published(version: 1 | 2): StableDiffusion {
  manualSeed(version);
  const channels = version === 1 ? [32, 64] : [64, 128];
  return new StableDiffusion({
    tokenizer: ClipTokenizer.load(tokenizerFolder).withPadding(version === 1 ? "<|endoftext|>" : "!"),
    textEncoder: new CLIPTextModel({
      ...{ hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2 },
      num_attention_heads: version === 1 ? 12 : 1,
      hidden_act: version === 1 ? "quick_gelu" : "gelu",
      ...(version === 1 && { hidden_size: 48 }),
    }),
    unet: new UNet2DConditionModel({
      sample_size: 64,
      block_out_channels: channels,
      down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
      layers_per_block: 1,
      cross_attention_dim: version === 1 ? 48 : 64,
      attention_head_dim: version === 1 ? 8 : [1, 2],
      use_linear_projection: version === 2,
    }),
    vae: new AutoencoderKL({ block_out_channels: [32, 32], layers_per_block: 1 }),
    schedulerConfig: {
      ...{ skip_prk_steps: true, set_alpha_to_one: false, steps_offset: 1 },
      _class_name: version === 1 ? "PNDMScheduler" : "DDIMScheduler",
    },
  });
}

/** Writes a model as one file without what penumbra says in its metadata: as others distribute it. */
function asOthersWriteIt(sd: StableDiffusion, path: string, metadata: Record<string, string> = {}): void {
  scope(() => {
    sd.saveSingleFile(path);
    safetensors.write(`${path}.tmp`, safetensors.read(path).tensors, metadata);
    writeFileSync(path, readFileSync(`${path}.tmp`));
  });
}

test("names are those that diffusers' converter reads", () => {
  const { names, unet, vae } = JSON.parse(
    readFileSync(new URL("../../fixtures/original-names.json", import.meta.url), "utf8"),
  ) as {
    names: Record<string, Record<string, string>>;
    unet: { layers: number; hasAttentionUp: boolean[] };
    vae: { levels: number };
  };
  const own = (name: string) => name.replace(/^text_model\./, "");
  const forms: Record<string, (name: string) => string> = {
    unet: (name) => originalUNetName(name, unet),
    vae: (name) => originalVaeName(name, vae.levels),
    "text-transformers": (name) => originalTextName(own(name), "transformers"),
    "text-openclip": (name) => originalTextName(own(name), "openclip"),
  };
  expect(Object.keys(names).sort()).toEqual(Object.keys(forms).sort());
  for (const [part, table] of Object.entries(names))
    expect(Object.fromEntries(Object.keys(table).map((name) => [name, forms[part]!(name)]))).toEqual(table);
});

describe("a single file", () => {
  test("draws the images of the folder that it was converted from, whatever its sizes, and back", () => {
    for (const folder of tinyModels) {
      const sd = StableDiffusion.load(folder, { tokenizer: tokenizerFolder });
      sd.saveSingleFile(at("tiny.safetensors"));
      const read = StableDiffusion.load(at("tiny.safetensors"), { tokenizer: tokenizerFolder });
      expect(draw(read)).toEqual(draw(sd));
      expect(read.schedulerConfig).toEqual(sd.schedulerConfig);
      expect(read.imageSize).toBe(sd.imageSize);
      read.save(at("back"));
      expect(draw(StableDiffusion.load(at("back")))).toEqual(draw(read));
    }
  });

  test("by others is read by its shapes, as safetensors and as .ckpt: 1.x, and 2.x with what says its prediction", async () => {
    const first = published(1);
    asOthersWriteIt(first, at("v1.safetensors"));
    const read = StableDiffusion.load(at("v1.safetensors"));
    expect(draw(read)).toEqual(draw(first));
    expect(read.schedulerConfig).toMatchObject({ _class_name: "PNDMScheduler", prediction_type: "epsilon" });
    scope(() => {
      const { tensors } = safetensors.read(at("v1.safetensors"));
      const extra = { "model_ema.decay": tensors["model.diffusion_model.out.2.bias"] as Tensor };
      save({ state_dict: { ...tensors, ...extra }, global_step: 840000 }, at("v1.ckpt"));
    });
    expect(draw(StableDiffusion.load(at("v1.ckpt")))).toEqual(draw(first));
    const found = await findModel("v1.safetensors", { base: aside });
    expect(found.imageSize).toBe(128); // 64 latents by a tiny autoencoder of factor 2
    expect(found.denoiserParameters).toBe(first.unet.parameters().reduce((sum, { numel }) => sum + numel, 0));

    const second = published(2);
    asOthersWriteIt(second, at("v2.safetensors"));
    await expect(findModel("v2.safetensors", { base: aside })).rejects.toThrow(/--prediction epsilon/);
    expect(draw(StableDiffusion.load(at("v2.safetensors"), { prediction: "epsilon" }))).toEqual(draw(second));
    writeFileSync(at("v2.yaml"), 'model:\n  params:\n    parameterization: "v"\n');
    const velocity = StableDiffusion.load(at("v2.safetensors"));
    expect(velocity.schedulerConfig.prediction_type).toBe("v_prediction");
    expect(velocity.imageSize).toBe(192); // 96 latents, as 2.1 at 768 px
    asOthersWriteIt(second, at("spec.safetensors"), { "modelspec.prediction_type": "epsilon" });
    expect(draw(StableDiffusion.load(at("spec.safetensors")))).toEqual(draw(second));
  });

  test("of another kind, or without a part, is refused by its name", () => {
    const shapes: Record<string, number[]> = {
      "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
      "first_stage_model.post_quant_conv.weight": [4, 4, 1, 1],
    };
    const refused = (more: Record<string, number[]>): string => {
      try {
        configsOf("x.safetensors", { ...shapes, ...more } as Shapes, {});
      } catch (error) {
        return (error as Error).message;
      }
      return "read";
    };
    expect(refused({ "conditioner.embedders.0.x": [1] })).toMatch(
      /Stable Diffusion XL, which is not supported/,
    );
    expect(refused({ "model.diffusion_model.joint_blocks.0.x": [1] })).toMatch(/Stable Diffusion 3/);
    expect(refused({ "double_blocks.0.img_attn.qkv.weight": [1] })).toMatch(/Flux/);
    expect(refused({ "model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3] })).toMatch(
      /inpainting/,
    );
    expect(refused({})).toMatch(/has no text encoder/);
    expect(() => configsOf("x", { "lora_unet_x.alpha": [] }, {})).toThrow(
      /no checkpoint of Stable Diffusion: .*LoRA/,
    );
  });
});

describe("another autoencoder", () => {
  test("comes from a folder or from a file in either layout, and is part of the identity", async () => {
    const [sd, other] = [published(1), published(2)];
    sd.save(at("model"));
    other.save(at("other"));
    asOthersWriteIt(other, at("other.safetensors"), { "modelspec.prediction_type": "epsilon" });
    scope(() => {
      const { tensors } = safetensors.read(at("other.safetensors"));
      const alone = Object.entries(tensors).flatMap(([name, tensor]) =>
        name.startsWith("first_stage_model.") ? [[name.slice("first_stage_model.".length), tensor]] : [],
      );
      safetensors.write(at("vae.safetensors"), Object.fromEntries(alone));
    });
    const bias = (each: StableDiffusion) => each.vae.decoder.convOut.weight.toNumbers();
    const own = await findModel("model", { base: aside });
    for (const vae of ["other/vae", "other.safetensors", "vae.safetensors"]) {
      const found = await findModel("model", { base: aside, vae });
      expect(found.hash).not.toBe(own.hash);
      const changed = StableDiffusion.load(found.path, { vae: found.vae! });
      expect(bias(changed)).toEqual(bias(other));
      expect(changed.unet.convOut.weight.toNumbers()).toEqual(sd.unet.convOut.weight.toNumbers());
      expect(changed.hash).not.toBe(StableDiffusion.load(found.path).hash);
    }
    await expect(findModel("model", { base: aside, vae: "none" })).rejects.toThrow(/no autoencoder at/);
  });
});

describe("a LoRA", () => {
  const [golden] = goldens("lora");
  const { cases, timestep } = golden!.json as unknown as {
    cases: Record<string, { file: string; weight: number }>;
    timestep: number;
  };
  const folder = tinyModels[0] as string;
  const load = (loras: { file: string; weight: number }[]) =>
    StableDiffusion.load(folder, { tokenizer: tokenizerFolder, loras });
  const noiseOf = (sd: StableDiffusion) =>
    noGrad(() => {
      const { sample, ids } = golden!.tensors as { sample: Tensor; ids: Tensor };
      return sd.unet.forward(sample, timestep, sd.textEncoder.forward(ids));
    });

  test.each(Object.keys(cases))("changes the model as it does for diffusers: %s", (name) => {
    const { file, weight } = cases[name]!;
    const sd = load([{ file: join(goldenFolder, "lora", file), weight }]);
    expectClose(noiseOf(sd), golden!.tensors[name], golden!.json.rtol, "noise");
    expect(sd.hash).not.toBe(load([]).hash);
  });

  test("does nothing at weight 0, and is undone by its negative", () => {
    const { file } = cases["lora-kohya"]!;
    const path = join(goldenFolder, "lora", file);
    expectClose(noiseOf(load([{ file: path, weight: 0 }])), golden!.tensors.base, 1e-5);
    const undone = load([
      { file: path, weight: 0.5 },
      { file: path, weight: -0.5 },
    ]);
    expectClose(noiseOf(undone), golden!.tensors.base, 1e-4);
  });

  test("of another model, or of another method, is refused with the layers", () => {
    const path = join(goldenFolder, "lora", cases["lora-kohya"]!.file);
    scope(() => {
      const { tensors } = safetensors.read(path);
      const rename = (from: RegExp, to: string, file: string) =>
        safetensors.write(
          at(file),
          Object.fromEntries(
            Object.entries(tensors).map(([name, tensor]) => [name.replace(from, to), tensor]),
          ),
        );
      rename(/^lora_te_/, "lora_te2_", "xl.safetensors");
      rename(/lora_down/, "hada_w1_a", "loha.safetensors");
      rename(/down_blocks_0/, "down_blocks_7", "larger.safetensors");
    });
    const refusal = (file: string) => () => load([{ file: at(file), weight: 1 }]);
    expect(refusal("xl.safetensors")).toThrow(/made for Stable Diffusion XL/);
    expect(refusal("loha.safetensors")).toThrow(/is of LoHa .*not supported/);
    expect(refusal("larger.safetensors")).toThrow(/down_blocks_7_.* is not in the model/);
  });
});
