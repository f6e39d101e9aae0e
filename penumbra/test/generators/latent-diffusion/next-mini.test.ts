import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rand } from "@penumbra/torch";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import {
  ClipTokenizer,
  resolveStrength,
  StableDiffusion,
  textToImage,
} from "../../../src/diffusion/index.ts";
import { type PretrainOptions, PretrainSettings, pretrain } from "../../../src/generators/index.ts";
import { ARCHITECTURES } from "../../../src/generators/latent-diffusion/architectures.ts";
import { runSeed } from "../../../src/generators/latent-diffusion/origin.ts";
import { encodePng } from "../../../src/images/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../../src/models/index.ts";

const miniFolder = fileURLToPath(new URL("../../../mini", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "penumbra-next-mini-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const corpus = join(scratch, "corpus");
const CAPTIONS = ["a photo of a relay", "a photo of a fuse", "a photo of a switch"];
beforeAll(async () => {
  mkdirSync(corpus);
  const lines: string[] = [];
  for (let file = 0; file < 6; file++) {
    await encodePng(rand([3, 16, 16]), join(corpus, `${file}.png`));
    lines.push(JSON.stringify({ file: `${file}.png`, caption: CAPTIONS[file % 3] }));
  }
  writeFileSync(join(corpus, "captions.jsonl"), lines.join("\n"));
});

interface Kept {
  readonly autoencoder?: boolean | "encoder";
  readonly denoiser?: boolean;
}

function options(out: string, kept: Kept = {}): PretrainOptions {
  return {
    corpus,
    out: join(scratch, out),
    tokenizer: "not looked at",
    settings: PretrainSettings.parse({
      ...{ preset: "tiny", precision: "fp32", logSeconds: 0, sheetMinutes: 60 },
      ...{ vocabulary: 24, captionLength: 16 },
      autoencoder: { steps: 2, batchSize: 4, crop: 8, latentNoise: 0.2, keep: kept.autoencoder },
      denoiser: { steps: 2, batchSize: 4, warmup: 1, timestepSpacing: "trailing", keep: kept.denoiser },
    }),
  };
}

const weightsOf = (folder: string, part: string) =>
  readFileSync(join(folder, part, "diffusion_pytorch_model.safetensors"));

test("a model with a vocabulary of its own draws, and a second run can keep its autoencoder", async () => {
  const first = options("first");
  await pretrain(first);
  const sd = StableDiffusion.load(first.out);
  expect(sd.tokenizer.vocabSize).toBeLessThan(540);
  expect(sd.textEncoder.config).toMatchObject({
    vocab_size: sd.tokenizer.vocabSize,
    max_position_embeddings: 16,
  });
  expect(sd.tokenizer.decode(sd.tokenizer.encode("a photo of a fuse"))).toBe("a photo of a fuse");
  expect(sd.schedulerConfig.timestep_spacing).toBe("trailing");
  const starts = [10, 20, 50].map((steps) => resolveStrength(sd.schedulerConfig, steps, 0.4).timestep);
  expect(new Set(starts)).toEqual(new Set([399])); // the same at any number of steps
  const image = textToImage(sd, { prompts: [CAPTIONS[0]!], steps: 2, seeds: [0] });
  expect(image.isfinite().all().item()).toBe(1);

  const second = { ...options("second", { autoencoder: true }), from: first.out };
  await pretrain(second);
  expect(weightsOf(second.out, "vae")).toEqual(weightsOf(first.out, "vae"));
  expect(weightsOf(second.out, "unet")).not.toEqual(weightsOf(first.out, "unet"));
  const after = StableDiffusion.load(second.out);
  expect(after.vae.config.scaling_factor).toBe(sd.vae.config.scaling_factor);
  expect(after.tokenizer.fingerprint).toBe(sd.tokenizer.fingerprint);
  const card = readFileSync(join(second.out, "README.md"), "utf8");
  expect(card).toMatch(/vocabulary in `tokenizer\/` was learned from the captions/);
  expect(card.match(/\| autoencoder \|/g)).toHaveLength(1); // of the first run
});

test("a decoder can be trained on alone, so that latents and UNet stay what they are", async () => {
  const first = options("before");
  await pretrain(first);
  const second = { ...options("after", { autoencoder: "encoder", denoiser: true }), from: first.out };
  await pretrain(second);
  for (const part of ["unet/diffusion_pytorch_model", "text_encoder/model"].map((p) => `${p}.safetensors`))
    expect(readFileSync(join(second.out, part))).toEqual(readFileSync(join(first.out, part)));
  const [before, after] = [first, second].map(({ out }) => StableDiffusion.load(out).vae) as [
    AutoencoderKL,
    AutoencoderKL,
  ];
  expect(after.config).toEqual(before.config);
  const [old, trained] = [before.stateDict(), after.stateDict()];
  const changed = Object.keys(old).filter((key) => !old[key]!.equal(trained[key]!));
  expect(changed).toEqual(expect.arrayContaining(["decoder.conv_in.weight", "decoder.conv_out.weight"]));
  expect(changed.filter((key) => !/^(decoder|post_quant_conv)\./.test(key))).toEqual([]);
  const card = readFileSync(join(second.out, "README.md"), "utf8");
  expect(card.match(/^\| 2 \|.*\|$/gm)).toEqual([
    expect.stringMatching(/^\| 2 \| decoder of the autoencoder \| 2 \|/),
  ]);
});

test.each<[Kept, RegExp]>([
  [{ autoencoder: true }, /autoencoder\.keep.*--from/],
  [{ autoencoder: "encoder" }, /autoencoder\.keep.*--from/],
  [{ denoiser: true }, /denoiser\.keep.*--from/],
])("keeping %j needs a finished model", async (kept, message) => {
  await expect(pretrain(options("none", kept))).rejects.toThrow(message);
});

test.each<[Kept, RegExp]>([
  [{ denoiser: true }, /latents of its own encoder.*autoencoder\.keep: encoder/],
  [{ autoencoder: true, denoiser: true }, /nothing is trained.*autoencoder\.keep: encoder/],
])("what is kept must fit what is trained: %j", async (kept, message) => {
  const base = options("misfit", kept);
  const settings = { ...base.settings, preset: "mini", vocabulary: "clip" } as const;
  await expect(pretrain({ ...base, settings, from: miniFolder })).rejects.toThrow(message);
});

test("a run that goes on sees other items and noise, the first one those of its seed", () => {
  expect(runSeed(7, 0)).toBe(7);
  expect(new Set([0, 1, 2].map((runs) => runSeed(7, runs))).size).toBe(3);
});

test("a vocabulary learned from texts writes them with few ids, and any text at all", () => {
  const learned = ClipTokenizer.learn(CAPTIONS, { pairs: 100, maxLength: 20 });
  expect(learned.tokens("a photo of a relay").length).toBeLessThanOrEqual(5 + "relay".length);
  expect(learned.decode(learned.tokens("Überspannung 42 µF"))).toBe("überspannung 4 2 µf");
  learned.save(join(scratch, "tokenizer"));
  const read = ClipTokenizer.load(join(scratch, "tokenizer"));
  expect(read.fingerprint).toBe(learned.fingerprint);
  expect(read.encode(CAPTIONS[1]!)).toEqual(learned.encode(CAPTIONS[1]!));
});

test("the configuration of the next mini is one that pretrain takes, of a size that fits into 40 MB", () => {
  const settings = PretrainSettings.parse(parse(readFileSync(join(miniFolder, "pretrain.yaml"), "utf8")));
  const { vae, unet } = ARCHITECTURES[settings.preset];
  expect(vae.block_out_channels).toEqual([32, 64, 128]);
  const count = (network: AutoencoderKL | CLIPTextModel | UNet2DConditionModel) =>
    network.parameters().reduce((sum, { numel }) => sum + numel, 0);
  const parameters = { vae: count(new AutoencoderKL(vae)), unet: count(new UNet2DConditionModel(unet)) };
  expect(parameters.unet).toBeGreaterThan(13e6);
  expect(parameters.unet).toBeLessThan(18e6);
  const text = new CLIPTextModel({ ...ARCHITECTURES[settings.preset].text, vocab_size: 514 + 512 });
  expect(2 * (parameters.vae + parameters.unet + count(text))).toBeLessThan(40e6); // bytes in fp16
  expect(settings.denoiser.steps * settings.denoiser.batchSize).toBeGreaterThanOrEqual(10e6);
});
