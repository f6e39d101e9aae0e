import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { manualSeed, type nn, safetensors } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import { defaultSampler, findModel, StableDiffusion, textToImage } from "../../../src/diffusion/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../../src/models/index.ts";
import { tokenizerFolder } from "../../sd-goldens.ts";

// Configurations word for word as their publishers wrote them: numbers and names, no weights. To be loaded whole they
// are made small first; the weights are random.

const fixtures = fileURLToPath(new URL("../../fixtures/published-models", import.meta.url));
const aside = mkdtempSync(join(tmpdir(), "penumbra-published-"));
afterAll(() => rmSync(aside, { recursive: true }));

type Config = Record<string, unknown>;
interface Fixture {
  readonly expected: { imageSize: number; padId: number; prediction: string; sampler: string };
  readonly files: Readonly<Record<string, Config>>;
}

/** A tenth of the channels (in units of 32), contexts of 64, two layers of text; everything else stays. */
function shrunk(files: Fixture["files"]): Record<string, Config> {
  const unet = files["unet/config.json"]!;
  const heads = unet.attention_head_dim;
  return {
    ...files,
    "unet/config.json": {
      ...unet,
      block_out_channels: [32, 32, 64, 64],
      cross_attention_dim: 64,
      attention_head_dim: Array.isArray(heads) ? [1, 1, 2, 2] : heads,
    },
    "vae/config.json": { ...files["vae/config.json"], block_out_channels: [32, 32, 32, 32] },
    "text_encoder/config.json": {
      ...files["text_encoder/config.json"],
      ...{ hidden_size: 64, intermediate_size: 64, num_attention_heads: 1, num_hidden_layers: 2 },
    },
  };
}

function write(folder: string, files: Record<string, Config>): void {
  cpSync(tokenizerFolder, join(folder, "tokenizer"), { recursive: true });
  for (const [path, config] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), JSON.stringify(config, null, 2));
  }
  manualSeed(1);
  const weights = (path: string, network: nn.AnyModule) =>
    safetensors.write(join(folder, path), network.stateDict());
  weights("unet/diffusion_pytorch_model.safetensors", new UNet2DConditionModel(files["unet/config.json"]));
  weights("vae/diffusion_pytorch_model.safetensors", new AutoencoderKL(files["vae/config.json"]));
  weights("text_encoder/model.safetensors", new CLIPTextModel(files["text_encoder/config.json"]));
}

describe.each(readdirSync(fixtures))("the published configuration %s", (name) => {
  const { expected, files } = JSON.parse(readFileSync(join(fixtures, name), "utf8")) as Fixture;

  test("is loaded whole, with its size, padding, prediction and sampler", async () => {
    const folder = join(aside, name);
    write(folder, shrunk(files));
    const found = await findModel(folder, { base: "/" });
    expect(found.imageSize).toBe(expected.imageSize);
    expect(found.schedulerConfig.prediction_type).toBe(expected.prediction);
    expect(defaultSampler(found.schedulerConfig).name).toBe(expected.sampler);
    const sd = StableDiffusion.load(folder);
    expect(sd.imageSize).toBe(expected.imageSize);
    expect(sd.tokenizer.padId).toBe(expected.padId);
    expect(sd.tokenizer.encode("a").at(-1)).toBe(expected.padId);
    const images = textToImage(sd, { prompts: ["a relay"], seeds: [1], steps: 2, size: [64, 64] });
    expect(images.toNumbers().every((pixel) => pixel >= 0 && pixel <= 1)).toBe(true);
    sd.save(join(aside, "again"));
    expect(StableDiffusion.load(join(aside, "again")).hash).toBe(sd.hash);
  });
});
