import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rand, zeros } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import {
  type DrawnImage,
  type DrawToFilesOptions,
  drawToFiles,
  type Provenance,
  provenanceOf,
  StableDiffusion,
} from "../../../src/diffusion/index.ts";
import { decodeWhole, encodePng, growMask, keptOf } from "../../../src/images/index.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-draw-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(tinyModels.length === 0)("drawToFiles", () => {
  const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
  const options = (folder: string): DrawToFilesOptions => ({
    ...{ sd, modelName: "tiny", folder: join(scratch, folder), steps: 3, size: [16, 16], batchSize: 2 },
    requests: [1, 2, 3].map((seed) => ({ prompt: 'a <b> & "c"', seed })),
    words: [
      { token: "<b>", vector: sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(320).clone() },
    ],
  });
  const provenance = ({ file: _, ...rest }: DrawnImage): Provenance => rest;

  test.each(["png", "webp"] as const)(
    "each %s says how it was made, as the manifest does",
    async (format) => {
      const drawn = await drawToFiles({ ...options(format), format });
      const { folder } = options(format);
      const lines = readFileSync(join(folder, "manifest.jsonl"), "utf8").trim().split("\n");
      expect(lines.map((line) => JSON.parse(line) as DrawnImage)).toEqual(drawn);
      for (const line of drawn) {
        expect(await provenanceOf(join(folder, line.file))).toEqual(provenance(line));
        const { width, height } = await decodeWhole(join(folder, line.file));
        expect([height, width]).toEqual(line.size);
      }
      expect(drawn[0]).toMatchObject({ prompt: 'a <b> & "c"', seed: 1, size: [16, 16], modelHash: sd.hash });
      expect(drawn[0]?.words[0]?.token).toBe("<b>");
      expect(existsSync(join(folder, "sheet.png"))).toBe(true);
    },
  );

  test("stops between two steps, and goes on with what is not there yet, to the same files", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const given = options("stopped");
    const stopped = drawToFiles({
      ...given,
      previewEvery: 2,
      signal: stop.signal,
      onProgress: ({ done, step }) => {
        seen.push(step);
        if (done === 2) stop.abort(new Error("enough"));
      },
    });
    await expect(stopped).rejects.toThrow("enough");
    expect(seen).toEqual([1, 2, 3, 4, 1]); // PNDM calls once more than there are steps
    expect(existsSync(join(given.folder, "preview.png"))).toBe(false); // it shows what is being drawn
    const steps: number[] = [];
    const drawn = await drawToFiles({ ...given, onProgress: ({ step }) => steps.push(step) });
    expect(steps).toEqual([1, 2, 3, 4, 0]);
    const whole = await drawToFiles({ ...options("whole"), batchSize: 3 });
    expect(drawn).toEqual(whole);
    for (const { file } of drawn) {
      const [a, b] = await Promise.all(
        [given.folder, options("whole").folder].map((folder) => decodeWhole(join(folder, file))),
      );
      const differences = a!.data.map((value, i) => Math.abs(value - b!.data[i]!));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    }
  });

  test("a redraw names its photo, its timestep and what was kept, and keeps these very pixels", async () => {
    const pixels = rand([3, 16, 16]).mul(255).to("uint8");
    const mask = zeros([1, 16, 16]);
    mask.narrow(2, 0, 8).fill_(1);
    const photo = { name: "p.png", hash: "h", pixels, strength: 0.7, kept: { mask, what: "object" } };
    const given = { ...options("redrawn"), requests: [{ prompt: "", seed: 5, photo }] };
    const [line] = await drawToFiles(given);
    expect(line?.redraw).toMatchObject({ photo: "p.png", photoHash: "h", strength: 0.7, kept: "object" });
    expect(line?.redraw?.timestep).toBeGreaterThan(0);
    const { data } = await decodeWhole(join(given.folder, line!.file));
    const planes = pixels.toNumbers();
    const changed = [0, 0];
    for (let y = 0; y < 16; y++)
      for (let x = 0; x < 16; x++)
        for (let c = 0; c < 3; c++)
          changed[x < 8 ? 0 : 1]! += Math.abs(data[(y * 16 + x) * 3 + c]! - planes[(c * 16 + y) * 16 + x]!);
    expect(changed[0]).toBe(0);
    expect(changed[1]).toBeGreaterThan(100);
  });

  test("refuses a strength without a step", async () => {
    const photo = { name: "p", hash: "h", pixels: zeros([3, 16, 16], { dtype: "uint8" }), strength: 0.2 };
    await expect(
      drawToFiles({ ...options("never"), requests: [{ prompt: "", seed: 0, photo }] }),
    ).rejects.toThrow(/0.2 takes no step of 3.*0.334/);
  });
});

test("an image without a provenance of ours has none", async () => {
  const path = join(scratch, "plain.png");
  await encodePng(zeros([3, 4, 4]), path);
  expect(await provenanceOf(path)).toBeUndefined();
  await encodePng(zeros([3, 4, 4]), path, { description: "{ a holiday }" });
  expect(await provenanceOf(path)).toBeUndefined();
  await encodePng(zeros([3, 4, 4]), path, { description: '{"penumbra":2}' });
  await expect(provenanceOf(path)).rejects.toThrow(/newer version/);
});

test("masks grow by a window, and what is kept is the object or the rest", () => {
  const mask = zeros([1, 64, 64]);
  mask.narrow(1, 30, 1).narrow(2, 30, 1).fill_(1);
  expect(growMask(mask, 1)).toBe(mask);
  expect(growMask(mask, 16).sum().item()).toBe(256);
  expect(keptOf(mask, "object", 16).sum().item()).toBe(4); // 16 of 512 pixels are 2 of 64
  expect(keptOf(mask, "ground", 16).sum().item()).toBe(64 * 64 - 4);
  expect(growMask(mask, 3).at(0, 29).toNumbers().slice(28, 33)).toEqual([0, 1, 1, 1, 0]);
});
