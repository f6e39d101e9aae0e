import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { safetensors, type Tensor, tensor, zeros } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  copySuperResolution,
  decode,
  embedImages,
  enlarge,
  type ReadText,
  readSuperResolution,
  readTexts,
  readUnclip,
  samplePrior,
  writeUnclip,
} from "../../../src/generators/unclip/index.ts";
import { eachGolden, expectClose, type Golden, goldenFolder, goldens } from "../../goldens.ts";
import { eachSdGolden, modelOf, need, tinyModelsOf, tokenizerFolder } from "../../sd-goldens.ts";

const eachUnclip = (tensorName: string, body: (golden: Golden, model: string) => void) =>
  eachSdGolden(tensorName, body, undefined, "UnCLIPPipeline");

/** Noise row i goes into step i; the last step takes none. */
const noiseOf =
  (golden: Golden, name = "noise") =>
  (which: readonly number[], step: number) => {
    const noise = need(golden, name);
    const ofStep = noise.select(0, Math.min(step, noise.shape[0]! - 1));
    return ofStep.indexSelect(0, tensor([...which], { dtype: "int64" }));
  };

// The published models share the tokenizer of Stable Diffusion; the tiny ones know fewer ids and come without.
const load = (model: string) => readUnclip(model, { tokenizer: tokenizerFolder });

eachUnclip("uncond_ids", (golden, model) => {
  const parts = load(model);
  const read = (ids: string, mask: string): ReadText =>
    readTexts(parts, { ids: need(golden, ids), mask: need(golden, mask).to("float32") });
  const told = read("ids", "attention_mask");
  const embeds = samplePrior(parts, [told], read("uncond_ids", "uncond_attention_mask"), {
    ...{ steps: golden.json.steps as number, guidanceScale: golden.json.guidance as number },
    ...{ latents: need(golden, "latents"), stepNoise: noiseOf(golden) },
  });
  expectClose(embeds, golden.tensors.image_embeddings, golden.json.rtol);
  // Two texts of which nothing is the second one's are the first one alone.
  const crossed = samplePrior(parts, [told, read("ids", "attention_mask")], told, {
    ...{ steps: 2, guidanceScale: 1, share: tensor([[0], [0]], { dtype: "float32" }) },
    ...{ latents: need(golden, "latents"), stepNoise: noiseOf(golden) },
  });
  const alone = samplePrior(parts, [told], told, {
    ...{ steps: 2, guidanceScale: 1, latents: need(golden, "latents"), stepNoise: noiseOf(golden) },
  });
  expectClose(crossed, alone, 1e-6);
});

eachUnclip("image", (golden, model) => {
  const parts = load(model);
  const [prior] = goldens("sd", `${basename(model)}-prior-loop`) as [Golden];
  const read = (ids: string, mask: string): ReadText =>
    readTexts(parts, { ids: need(prior, ids), mask: need(prior, mask).to("float32") });
  const noise = need(golden, "latents");
  const options = {
    ...{ embeds: need(prior, "image_embeddings"), text: read("ids", "attention_mask") },
    ...{ noText: read("uncond_ids", "uncond_attention_mask"), sampler: "ddpm" as const },
    ...{ steps: golden.json.steps as number, guidanceScale: golden.json.guidance as number },
    ...{ from: zeros(noise.shape), noise, stepNoise: noiseOf(golden) },
  };
  const images = decode(parts, { ...options, strengths: [1, 1] });
  expectClose(images.clamp({ min: -1, max: 1 }), golden.tensors.image, golden.json.rtol);
  // What one looks like does not depend on how far the other one goes.
  const apart = decode(parts, { ...options, strengths: [0, 1] });
  expect(apart.select(0, 0).abs().max().item()).toBe(0);
  expectClose(apart.select(0, 1), images.select(0, 1), 1e-4);
});

// Written by super_resolution.py.
eachGolden("generators", "unclip-super-resolution", (golden) => {
  const { model, superResolution, steps, largeSteps, guidance, rtol } = golden.json as unknown as Record<
    "model" | "superResolution",
    string
  > &
    Record<"steps" | "largeSteps" | "guidance" | "rtol", number>;
  const parts = load(join(goldenFolder, model));
  const larger = readSuperResolution(join(goldenFolder, superResolution))!;
  const text = readTexts(parts, {
    ids: need(golden, "ids"),
    mask: need(golden, "attention_mask").to("float32"),
  });
  const small = decode(parts, {
    ...{ embeds: need(golden, "image_embeddings"), text, steps, guidanceScale: guidance, sampler: "ddpm" },
    ...{ from: zeros(need(golden, "latents").shape), strengths: [1, 1] },
    ...{ noise: need(golden, "latents"), stepNoise: noiseOf(golden) },
  });
  const from = need(golden, "images").mul(2).sub(1);
  const options = {
    ...{ small, from, noise: need(golden, "large_latents") },
    ...{ steps: largeSteps, stepNoise: noiseOf(golden, "large_noise") },
  };
  const images = (strengths: number[]) => enlarge(larger, { ...options, strengths });
  const drawn = images([1, 1]);
  expectClose(drawn.add(1).div(2).clamp({ min: 0, max: 1 }), golden.tensors.images, rtol);
  // What one looks like does not depend on how far the other one goes, and nothing of a photo is drawn at strength 0.
  const apart = images([0, 1]);
  expectClose(apart.select(0, 0), from.select(0, 0), 0);
  expectClose(apart.select(0, 1), drawn.select(0, 1), 1e-4);
  const partly = images([0.5, 1]);
  expectClose(partly.select(0, 1), drawn.select(0, 1), 1e-4);
  const gap = (x: Tensor, y: Tensor) => x.sub(y).abs().max().item();
  expect(gap(partly.select(0, 0), drawn.select(0, 0))).toBeGreaterThan(0.01);
  expect(gap(partly.select(0, 0), from.select(0, 0))).toBeGreaterThan(0.01);
});

test("embeddings are those of the image encoder's own pixels", () => {
  const [golden] = goldens("sd", "unclip-tiny-clip") as [Golden];
  const parts = load(modelOf(golden));
  const row = (values: readonly number[]) => tensor([...values], { dtype: "float32" }).view([1, 3, 1, 1]);
  const pixels = need(golden, "pixel_values").mul(row(parts.std)).add(row(parts.mean));
  expectClose(embedImages(parts, pixels.mul(2).sub(1)), golden.tensors.image_embeds, 1e-3);
});

describe("a super-resolution that is taken into another model", () => {
  eachGolden("generators", "unclip-super-resolution", (golden) => {
    const scratch = mkdtempSync(join(tmpdir(), "penumbra-unclip-large-"));
    try {
      const published = join(goldenFolder, golden.json.superResolution as string);
      writeUnclip(scratch, load(join(goldenFolder, golden.json.model as string)));
      expect(readSuperResolution(scratch)).toBeNull();
      copySuperResolution(scratch, scratch);
      copySuperResolution(published, scratch);
      // As diffusers names the parts of a pipeline.
      expect(JSON.parse(readFileSync(join(scratch, "model_index.json"), "utf8"))).toMatchObject({
        ...{ decoder: ["diffusers", "UNet2DConditionModel"], super_res_first: ["diffusers", "UNet2DModel"] },
        ...{
          super_res_last: ["diffusers", "UNet2DModel"],
          super_res_scheduler: ["diffusers", "UnCLIPScheduler"],
        },
      });
      const [one, other] = [published, scratch].map((folder) => readSuperResolution(folder)!);
      expect(other!.imageSize).toBe(one!.imageSize);
      for (const [name, weights] of Object.entries(one!.last.stateDict()))
        expectClose(other!.last.stateDict()[name]!, weights, 0, name);
      rmSync(join(scratch, "super_res_last"), { recursive: true });
      expect(() => readSuperResolution(scratch)).toThrow(
        /lacks super_res_last of its super-resolution\. Copy what is missing/,
      );
      cpSync(join(goldenFolder, "generators", "tiny-ddpm", "unet"), join(scratch, "super_res_last"), {
        recursive: true,
      });
      expect(() => readSuperResolution(scratch)).toThrow(/super_res_last\/ takes 3 channels/);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
});

test("what is written is what diffusers and transformers wrote: the same files, names, shapes and numbers", () => {
  const scratch = mkdtempSync(join(tmpdir(), "penumbra-unclip-layout-"));
  const [published] = tinyModelsOf("UnCLIPPipeline") as [string];
  writeUnclip(scratch, load(published));
  const files = readdirSync(published, { recursive: true, encoding: "utf8" });
  const weights = files.filter((file) => file.endsWith(".safetensors"));
  expect(weights).toHaveLength(5);
  for (const file of weights) {
    const [theirs, ours] = [published, scratch].map((folder) => safetensors.read(join(folder, file)).tensors);
    expect(Object.keys(ours!).sort(), file).toEqual(Object.keys(theirs!).sort());
    for (const [name, tensor] of Object.entries(theirs!))
      expectClose(ours![name]!, tensor, 0, `${file} ${name}`);
  }
  const read = (folder: string, file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const index = read(published, "model_index.json");
  expect(read(scratch, "model_index.json")).toMatchObject(index);
  for (const file of ["prior_scheduler", "decoder_scheduler"].map(
    (part) => `${part}/scheduler_config.json`,
  )) {
    const { _diffusers_version: _, ...fields } = read(published, file);
    expect(read(scratch, file)).toMatchObject(fields);
  }
  rmSync(scratch, { recursive: true, force: true });
});
