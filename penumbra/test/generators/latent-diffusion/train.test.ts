import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkpoints, safetensors } from "@penumbra/torch";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StableDiffusion, textToImage } from "../../../src/diffusion/index.ts";
import { type PretrainOptions, PretrainSettings, pretrain } from "../../../src/generators/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-pretrain-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const corpus = join(scratch, "corpus");
const STEPS = { autoencoder: 5, denoiser: 6 };

beforeAll(async () => {
  mkdirSync(corpus);
  const lines: string[] = [];
  for (let file = 0; file < 6; file++) {
    const pixels = Buffer.from(
      Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => (i * (file + 3) + (i >> 5)) % 256),
    );
    await sharp(pixels, { raw: { width: 32, height: 16, channels: 3 } })
      .png()
      .toFile(join(corpus, `${file}.png`));
    const caption = `a photo of a ${["relay", "fuse", "switch"][file % 3]}`;
    lines.push(JSON.stringify({ file: `${file}.png`, caption }));
  }
  writeFileSync(join(corpus, "captions.jsonl"), lines.join("\n"));
});

function options(out: string): PretrainOptions {
  return {
    corpus,
    out: join(scratch, out),
    dataNote: "Noise drawn for this test, CC0.",
    tokenizer: fileURLToPath(new URL("../../../mini/tokenizer", import.meta.url)),
    settings: PretrainSettings.parse({
      preset: "tiny",
      precision: "fp32",
      checkpointMinutes: 0, // after every step
      logSeconds: 0,
      sheetMinutes: 60,
      autoencoder: { steps: STEPS.autoencoder, batchSize: 4, crop: 8, fullEvery: 2 },
      denoiser: { steps: STEPS.denoiser, batchSize: 4, warmup: 2 },
    }),
  };
}

const parts = ["vae", "unet"].map((part) => join(part, "diffusion_pytorch_model.safetensors"));
const weightFiles = [...parts, join("text_encoder", "model.safetensors")];

test("trains both stages and writes a model that draws, with a card that says what ran", async () => {
  const lines: string[] = [];
  const given = options("whole");
  expect(await pretrain({ ...given, onLine: (line) => lines.push(line) })).toBe(given.out);
  const sd = StableDiffusion.load(given.out);
  expect(sd.imageSize).toBe(16);
  expect(sd.vae.config.scaling_factor).toBeGreaterThan(0);
  const image = textToImage(sd, { prompts: ["a photo of a relay"], steps: 2, guidanceScale: 2, seeds: [1] });
  expect(image.shape).toEqual([1, 3, 16, 16]);
  const { tensors } = safetensors.read(join(given.out, weightFiles[2]!));
  const table = Object.entries(tensors).find(([name]) => name.endsWith("token_embedding.weight"))![1];
  expect(table.dtype).toBe("float16");
  expect(table.shape[0]).toBe(49_408);
  const isSilent = (word: string) => table.select(0, sd.tokenizer.tokens(word)[0]!).abs().max().item() === 0;
  expect([isSilent("relay"), isSilent("elephant")]).toEqual([false, true]);
  const card = readFileSync(join(given.out, "README.md"), "utf8");
  expect(card).toContain(`| ${STEPS.denoiser} | 4 |`);
  expect(card).toContain("Noise drawn for this test, CC0.");
  for (const picture of ["samples.webp", "round-trip.webp"])
    expect(existsSync(join(given.out, picture))).toBe(true);
  const log = readFileSync(`${given.out}.work/log.jsonl`, "utf8").trim().split("\n");
  expect(log.every((line) => JSON.parse(line).step > 0)).toBe(true);
  expect(lines.some((line) => line.includes("images/s, ETA"))).toBe(true);
});

test("crashed in both stages and started again, it ends with the same weights", async () => {
  const given = options("crashed");
  for (const crash of ["autoencoder: step 3", "denoiser: step 2", "denoiser: step 5"]) {
    const onLine = (line: string) => {
      if (line.startsWith(crash)) throw new Error("the power went out");
    };
    await expect(pretrain({ ...given, onLine })).rejects.toThrow("the power went out");
    expect(existsSync(given.out)).toBe(false);
  }
  expect(await pretrain(given)).toBe(given.out);
  for (const file of weightFiles) {
    expect(readFileSync(join(given.out, file)).equals(readFileSync(join(scratch, "whole", file))), file).toBe(
      true,
    );
  }
});

test("goes on from a finished model: its weights are the first ones, and the card lists both trainings", async () => {
  const given = options("further");
  const origin = join(scratch, "whole");
  // So small a learning rate that what is learned cannot hide where it began.
  const settings = PretrainSettings.parse({
    ...given.settings,
    seed: 1,
    autoencoder: { ...given.settings.autoencoder, steps: 1, learningRate: 1e-9 },
    denoiser: { ...given.settings.denoiser, steps: 1, learningRate: 1e-9, weightDecay: 0 },
  });
  expect(await pretrain({ ...given, settings, from: origin })).toBe(given.out);
  for (const file of weightFiles) {
    const [before, after] = [origin, given.out].map((folder) => safetensors.read(join(folder, file)).tensors);
    for (const [name, tensor] of Object.entries(before!)) {
      const gap = after![name]!.to("float32").sub(tensor.to("float32")).abs().max().item();
      expect(gap, `${file} ${name}`).toBeLessThan(1e-3); // float16 on both sides
    }
  }
  const card = readFileSync(join(given.out, "README.md"), "utf8");
  expect(card).toContain(`| 1 | autoencoder | ${STEPS.autoencoder} | 4 |`);
  expect(card).toContain("| 2 | autoencoder | 1 | 4 |");
  expect(JSON.parse(readFileSync(join(given.out, "training.json"), "utf8")).runs).toHaveLength(2);
});

test("refuses to go on from a model of other sizes, or of unknown training, before anything is written", async () => {
  const given = options("misfit");
  const other = PretrainSettings.parse({ ...given.settings, preset: "mini" });
  const origin = join(scratch, "whole");
  await expect(pretrain({ ...given, settings: other, from: origin })).rejects.toThrow(
    /differs from preset "mini" in .*vae "block_out_channels"/,
  );
  const unstated = join(scratch, "unstated");
  cpSync(origin, unstated, { recursive: true });
  rmSync(join(unstated, "training.json"));
  await expect(pretrain({ ...given, from: unstated })).rejects.toThrow(/training.json is missing/);
  expect(existsSync(`${given.out}.work`)).toBe(false);
});

test("stops on a signal with a checkpoint, and refuses a checkpoint of other settings", async () => {
  const given = options("stopped");
  const stop = new AbortController();
  const onLine = (line: string) => {
    if (line.startsWith("autoencoder: step 2")) stop.abort();
  };
  expect(await pretrain({ ...given, onLine, signal: stop.signal })).toBeNull();
  expect(checkpoints.exists(`${given.out}.work/autoencoder`)).toBe(true);
  const other = PretrainSettings.parse({ ...given.settings, preset: "mini" });
  await expect(pretrain({ ...given, settings: other })).rejects.toThrow("does not fit");
});
