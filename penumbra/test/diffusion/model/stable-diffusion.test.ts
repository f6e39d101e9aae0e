import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualSeed, nn, noGrad, safetensors, save, scope } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import { ClipTokenizer, findModel, StableDiffusion, textToImage } from "../../../src/diffusion/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../../src/models/index.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const aside = mkdtempSync(join(tmpdir(), "penumbra-sd-"));
afterAll(() => rmSync(aside, { recursive: true }));

let copies = 0;
/** A copy of a tiny model that a test may damage. */
function copy(change: (folder: string) => void = () => {}): string {
  const folder = join(aside, `copy-${copies++}`);
  cpSync(tinyModels[0] as string, folder, { recursive: true });
  change(folder);
  return folder;
}

const load = (folder: string) => StableDiffusion.load(folder, { tokenizer: tokenizerFolder });
const draw = (sd: StableDiffusion) =>
  textToImage(sd, { prompts: ["a relay"], seeds: [3], steps: 3, size: [16, 16] }).toNumbers();

/** A model that is built, not loaded. */
function built(): StableDiffusion {
  manualSeed(5);
  return new StableDiffusion({
    tokenizer: ClipTokenizer.load(tokenizerFolder),
    textEncoder: new CLIPTextModel({
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
    }),
    unet: new UNet2DConditionModel({
      sample_size: 4,
      in_channels: 6,
      out_channels: 6,
      block_out_channels: [8, 16],
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
      layers_per_block: 1,
      cross_attention_dim: 8,
      attention_head_dim: 2,
      norm_num_groups: 4,
    }),
    vae: new AutoencoderKL({
      latent_channels: 6,
      block_out_channels: [4, 8, 8],
      norm_num_groups: 4,
      scaling_factor: 0.7,
    }),
    schedulerConfig: { prediction_type: "v_prediction" },
  });
}

describe("A model that was built", () => {
  test("is loaded again with the same images and the same hash", () => {
    const sd = built();
    const folder = join(aside, "built");
    sd.save(folder);
    const read = StableDiffusion.load(folder);
    expect(read.hash).toBe(sd.hash);
    expect(read.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(read.imageSize).toBe(16);
    expect(read.schedulerConfig.prediction_type).toBe("v_prediction");
    expect(read.vae.config.scaling_factor).toBe(0.7);
    const [expected, images] = [draw(sd), draw(read)];
    expect(Math.max(...images.map((pixel, i) => Math.abs(pixel - (expected[i] as number))))).toBeLessThan(
      1e-4,
    );
  });

  test("is stored in half precision where asked, and used in float32", () => {
    const folder = join(aside, "half");
    built().save(folder, { dtype: "float16" });
    const stored = safetensors.read(join(folder, "unet", "diffusion_pytorch_model.safetensors"));
    expect(new Set(Object.values(stored.tensors).map(({ dtype }) => dtype))).toEqual(new Set(["float16"]));
    expect(StableDiffusion.load(folder).unet.convIn.weight.dtype).toBe("float32");
  });

  test("lies in diffusers' layout with the names that other programs read", () => {
    const folder = join(aside, "layout");
    built().save(folder);
    expect(readdirSync(folder).sort()).toEqual(
      ["model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"].sort(),
    );
    const read = (name: string) =>
      JSON.parse(readFileSync(join(folder, name), "utf8")) as Record<string, unknown>;
    expect(read("model_index.json").unet).toEqual(["diffusers", "UNet2DConditionModel"]);
    expect(read("unet/config.json")._class_name).toBe("UNet2DConditionModel");
    // diffusers takes a missing list for one level.
    expect(read("vae/config.json").down_block_types).toEqual(Array(3).fill("DownEncoderBlock2D"));
    expect(read("text_encoder/config.json").model_type).toBe("clip_text_model");
    const { tensors, metadata } = safetensors.read(join(folder, "text_encoder", "model.safetensors"));
    expect(Object.keys(tensors)).toContain("text_model.final_layer_norm.weight");
    expect(metadata).toEqual({ format: "pt" });
  });

  test("replaces an older one as a whole, and leaves nothing aside", () => {
    const folder = join(aside, "again");
    const sd = built();
    sd.save(folder);
    writeFileSync(join(folder, "left-over"), "");
    sd.save(folder);
    expect(existsSync(join(folder, "left-over"))).toBe(false);
    expect(readdirSync(aside).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("a save that fails leaves the old model and nothing else", () => {
    const folder = join(aside, "failing");
    const sd = built();
    sd.save(folder);
    expect(() => sd.save(folder, { dtype: "nothing" as "float16" })).toThrow();
    expect(StableDiffusion.load(folder).hash).toBe(sd.hash);
    expect(readdirSync(aside).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("has another hash when one weight or one field differs", () => {
    const [sd, other] = [built(), built()];
    noGrad(() => scope(() => void other.unet.convOut.bias?.setAt(0, 1)));
    expect(other.hash).not.toBe(sd.hash);
    expect(built().hash).toBe(sd.hash);
  });

  test("parts of different models are refused, all misfits at once", () => {
    const sd = built();
    const vae = new AutoencoderKL({ latent_channels: 4, block_out_channels: [8], norm_num_groups: 4 });
    const textEncoder = new CLIPTextModel({
      vocab_size: 10,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
    });
    expect(
      () => new StableDiffusion({ ...sd, tokenizer: sd.tokenizer, unet: sd.unet, vae, textEncoder }),
    ).toThrow(/49408 ids.*only 10.*context of 8.*gives 16.*maps 6 to 6 channels.*has 4/);
  });
});

describe.skipIf(tinyModels.length === 0)("A folder with a mistake", () => {
  const replace = (file: string, from: string | RegExp, to: string) => (folder: string) => {
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
  };

  test("that is missing or no model is named with what to give", () => {
    expect(() => load(join(aside, "nowhere"))).toThrow(
      /nowhere is no Stable Diffusion model: model_index\.json is missing/,
    );
  });

  test.each([
    [
      "model_index.json",
      '"UNet2DConditionModel"',
      '"Kandinsky"',
      /model_index\.json: field "unet" is .*Kandinsky/,
    ],
    [
      "unet/config.json",
      '"silu"',
      '"mish"',
      /unet.config\.json: field "act_fn" is "mish": only "silu" or "swish"/,
    ],
    ["vae/config.json", "{", "[", /vae.config\.json is no JSON/],
    [
      "text_encoder/config.json",
      /"intermediate_size": \d+/,
      '"intermediate_size": 1',
      /text_encoder.model\.safetensors: .*\n.*another shape/s,
    ],
    [
      "scheduler/scheduler_config.json",
      "scaled_linear",
      "cubic",
      /scheduler_config\.json: field "beta_schedule"/,
    ],
  ])("%s: %s instead of %s", (file, from, to, message) => {
    expect(() => load(copy(replace(file, from, to)))).toThrow(message);
  });

  test("a truncated safetensors file is refused by its name", () => {
    const folder = copy((path) =>
      truncateSync(join(path, "unet", "diffusion_pytorch_model.safetensors"), 100_000),
    );
    expect(() => load(folder)).toThrow(/unet.diffusion_pytorch_model\.safetensors/);
  });

  test("weights that are missing, or damaged as a pickle, are named", () => {
    const folder = copy((path) => rmSync(join(path, "vae", "diffusion_pytorch_model.safetensors")));
    expect(() => load(folder)).toThrow(/vae holds no weights/);
    writeFileSync(join(folder, "vae", "diffusion_pytorch_model.bin"), "");
    expect(() => load(folder)).toThrow(/vae.diffusion_pytorch_model\.bin: file: is no file of torch\.save/);
  });
});

describe.skipIf(tinyModels.length === 0)("A published folder", () => {
  test("may have the prefix and old names, and its weights in half precision", () => {
    const folder = copy((path) => {
      const rewrite = (file: string, rename: (key: string) => string) => {
        const { tensors } = safetensors.read(join(path, file));
        const renamed = Object.entries(tensors).map(([key, tensor]) => [rename(key), tensor.clone()]);
        safetensors.write(join(path, file), Object.fromEntries(renamed));
      };
      rewrite("text_encoder/model.safetensors", (key) => `text_model.${key}`);
      rewrite("vae/diffusion_pytorch_model.safetensors", (key) =>
        key.replace(/(attentions\.0\.)to_q/, "$1query"),
      );
    });
    expect(draw(load(folder))).toEqual(draw(load(tinyModels[0] as string)));
    expect(load(folder).hash).toBe(load(tinyModels[0] as string).hash);
  });

  test("may have its weights as files of torch.save", async () => {
    const folder = copy((path) => {
      for (const [from, to] of [
        ["text_encoder/model", "text_encoder/pytorch_model"],
        ["unet/diffusion_pytorch_model", "unet/diffusion_pytorch_model"],
        ["vae/diffusion_pytorch_model", "vae/diffusion_pytorch_model"],
      ]) {
        const safe = join(path, `${from}.safetensors`);
        save(safetensors.read(safe).tensors, join(path, `${to}.bin`));
        rmSync(safe);
      }
    });
    expect(draw(load(folder))).toEqual(draw(load(tinyModels[0] as string)));
    expect(load(folder).hash).toBe(load(tinyModels[0] as string).hash);
    cpSync(tokenizerFolder, join(folder, "tokenizer"), { recursive: true });
    expect((await findModel(folder, { base: "/" })).imageSize).toBe(load(folder).imageSize);
    rmSync(join(folder, "unet", "diffusion_pytorch_model.bin"));
    await expect(findModel(folder, { base: "/" })).rejects.toThrow(/has no weights in unet/);
  });

  test.each([
    "diffusion_pytorch_model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.fp16.safetensors.index.json",
  ])("may have its weights as shards of a variant, under %s", async (index) => {
    const folder = copy((path) => {
      const safe = join(path, "unet", "diffusion_pytorch_model.safetensors");
      const { tensors } = safetensors.read(safe);
      rmSync(safe);
      const names = Object.keys(tensors);
      const shards = [names.slice(0, 5), names.slice(5)].map((own, place) => ({
        file: `diffusion_pytorch_model-0000${place + 1}-of-00002.fp16.safetensors`,
        own,
      }));
      for (const { file, own } of shards)
        safetensors.write(
          join(path, "unet", file),
          Object.fromEntries(own.map((name) => [name, tensors[name]!])),
        );
      const map = Object.fromEntries(shards.flatMap(({ file, own }) => own.map((name) => [name, file])));
      writeFileSync(join(path, "unet", index), JSON.stringify({ metadata: {}, weight_map: map }));
    });
    expect(load(folder).hash).toBe(load(tinyModels[0] as string).hash);
    cpSync(tokenizerFolder, join(folder, "tokenizer"), { recursive: true });
    expect((await findModel(folder, { base: "/" })).imageSize).toBe(load(folder).imageSize);
  });

  test("is the same with and without channels-last, up to rounding", () => {
    const folder = tinyModels[0] as string;
    const plain = StableDiffusion.load(folder, { tokenizer: tokenizerFolder, channelsLast: false });
    const [a, b] = [draw(plain), draw(load(folder))];
    expect(Math.max(...a.map((pixel, i) => Math.abs(pixel - (b[i] as number))))).toBeLessThan(1e-4);
    expect(plain.unet).toBeInstanceOf(nn.Module);
  });
});
