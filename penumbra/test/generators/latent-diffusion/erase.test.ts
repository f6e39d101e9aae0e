import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Generator,
  manualSeed,
  noGrad,
  randn,
  safetensors,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ClipTokenizer, encodePrompts, StableDiffusion } from "../../../src/diffusion/index.ts";
import {
  ARCHITECTURES,
  type EraseOptions,
  EraseSettings,
  eraseConcepts,
  erasureTarget,
} from "../../../src/generators/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../../../src/models/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-erase-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const model = join(scratch, "model");

beforeAll(() => {
  manualSeed(3);
  const { text, unet, vae } = ARCHITECTURES.tiny;
  const tokenizer = ClipTokenizer.load(fileURLToPath(new URL("../../../mini/tokenizer", import.meta.url)));
  const parts = {
    textEncoder: new CLIPTextModel({ ...text, max_position_embeddings: tokenizer.maxLength }),
    unet: new UNet2DConditionModel(unet),
    vae: new AutoencoderKL(vae),
  };
  new StableDiffusion({ tokenizer, ...parts }).save(model);
  writeFileSync(join(model, "README.md"), "Noise drawn for this test, CC0.");
});

function erasure(out: string, settings: Partial<EraseSettings> = {}): EraseOptions {
  return {
    ...{ model, name: "tiny", concepts: ["relay"], out: join(scratch, out) },
    settings: EraseSettings.parse({
      ...{ steps: 60, batchSize: 4, learningRate: 5e-3, images: 4, drawSteps: 2, precision: "fp32" },
      ...{ checkpointMinutes: 60, logSeconds: 0, ...settings },
    }),
  };
}

/** What a model predicts of the same noise under a prompt. */
function predicted(sd: StableDiffusion, prompt: string): Tensor {
  return noGrad(() =>
    scope(() => {
      const noise = randn([8, 4, 4, 4], { generator: new Generator({ seed: 5 }) });
      const timesteps = tensor([50, 200, 350, 500, 650, 800, 900, 990], { dtype: "int64" });
      return sd.unet.forward(noise, timesteps, encodePrompts(sd, [prompt]).expand([8, -1, -1]));
    }),
  );
}

const distance = (a: Tensor, b: Tensor) => scope(() => a.sub(b).square().mean().item());

test("the target lies as far beyond the prediction without the prompt as that with it is before it", () => {
  const target = erasureTarget(tensor([3, 1]), tensor([1, 1]), 1);
  expect(target.toNumbers()).toEqual([-1, 1]);
  expect(erasureTarget(tensor([3]), tensor([1]), 2).toNumbers()).toEqual([-3]);
});

test("under the concept's name the model comes to predict what the frozen one was led to; only cross-attention changes", async () => {
  const given = erasure("erased");
  const lines: string[] = [];
  expect(await eraseConcepts({ ...given, onLine: (line) => lines.push(line) })).toBe(given.out);
  const before = StableDiffusion.load(model);
  const after = StableDiffusion.load(given.out);
  const [prompted, unprompted] = [predicted(before, "a photo of a relay"), predicted(before, "")];
  const target = erasureTarget(prompted, unprompted, 1);
  expect(distance(predicted(after, "a photo of a relay"), target)).toBeLessThan(
    0.3 * distance(prompted, target),
  );
  const weights = (folder: string) =>
    safetensors.read(join(folder, "unet", "diffusion_pytorch_model.safetensors")).tensors;
  const [old, fresh] = [weights(model), weights(given.out)];
  const changed = Object.keys(old).filter((name) => old[name]!.eq(fresh[name]!).all().item() === 0);
  expect(changed.length).toBeGreaterThan(0);
  expect(changed.every((name) => name.includes(".attn2."))).toBe(true);
  const card = readFileSync(join(given.out, "README.md"), "utf8");
  expect(card).toContain('# tiny without "relay"');
  expect(card).toContain("Noise drawn for this test, CC0.");
  expect(lines.at(-1)).toContain("wrote");
});

test.each([
  ["others", (name: string) => !name.includes(".attn2.")],
  ["all", () => true],
] as const)("layers: %s trains these", async (layers, isTrained) => {
  const given = erasure(layers, { layers, steps: 2 });
  await eraseConcepts(given);
  const state = (folder: string) => StableDiffusion.load(folder).unet.stateDict();
  const [old, fresh] = [state(model), state(given.out)];
  const changed = Object.keys(old).filter((name) => old[name]!.eq(fresh[name]!).all().item() === 0);
  expect(changed.length).toBeGreaterThan(20);
  expect(changed.every(isTrained)).toBe(true);
});

test("stopped while it trains and started again, it ends with the same bits", async () => {
  await eraseConcepts(erasure("whole", { steps: 8 }));
  const stop = new AbortController();
  const given = erasure("stopped", { steps: 8 });
  const onLine = (line: string) => {
    if (line.includes("step 3")) stop.abort();
  };
  expect(await eraseConcepts({ ...given, onLine, signal: stop.signal })).toBe(null);
  const lines: string[] = [];
  await eraseConcepts({ ...given, onLine: (line) => lines.push(line) });
  expect(lines.some((line) => line.includes("resumed at step 3"))).toBe(true);
  expect(StableDiffusion.load(given.out).hash).toBe(StableDiffusion.load(join(scratch, "whole")).hash);
});

test("nothing to erase, and a work folder of another erasure, are refused", async () => {
  await expect(eraseConcepts({ ...erasure("none"), concepts: [] })).rejects.toThrow(/nothing to erase/);
  const given = erasure("twice", { steps: 1 });
  await eraseConcepts(given);
  await expect(eraseConcepts({ ...given, concepts: ["fuse"] })).rejects.toThrow(/another erasure/);
});
