import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { ClipTokenizer, StableDiffusion } from "../../src/diffusion/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../src/models/index.ts";

/** Saves a Stable Diffusion model of random weights: 16 px images, a few thousand parameters, letters for tokens. */
export function saveTinyModel(folder: string, seed = 0): void {
  const letters = mkdtempSync(join(tmpdir(), "penumbra-letters-"));
  try {
    writeLetterVocabulary(letters);
    torch.manualSeed(seed);
    const tokenizer = ClipTokenizer.load(letters);
    const textEncoder = new CLIPTextModel({
      vocab_size: tokenizer.vocabSize,
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: 77,
      hidden_act: "quick_gelu",
      bos_token_id: tokenizer.startId,
      eos_token_id: tokenizer.endId,
    });
    const unet = new UNet2DConditionModel({
      sample_size: 4,
      in_channels: 4,
      out_channels: 4,
      block_out_channels: [16, 32],
      layers_per_block: 1,
      down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
      cross_attention_dim: 16,
      attention_head_dim: 2,
      norm_num_groups: 8,
    });
    const vae = new AutoencoderKL({
      in_channels: 3,
      out_channels: 3,
      latent_channels: 4,
      block_out_channels: [8, 16, 16],
      layers_per_block: 1,
      down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
      up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
      norm_num_groups: 4,
      sample_size: 16,
    });
    new StableDiffusion({ tokenizer, textEncoder, unet, vae }).save(folder);
  } finally {
    rmSync(letters, { recursive: true, force: true });
  }
}

/** A vocabulary without merges: every byte is a token, inside a word and at its end (GPT-2's printable bytes). */
function writeLetterVocabulary(folder: string): void {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  const letters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  );
  const pieces = [
    ...letters,
    ...letters.map((letter) => `${letter}</w>`),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "vocab.json"),
    JSON.stringify(Object.fromEntries(pieces.map((piece, index) => [piece, index]))),
  );
  writeFileSync(join(folder, "merges.txt"), "#version: 0.2\n");
}
