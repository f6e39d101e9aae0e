// Redraws that a judge leads to where known ends: by property, with judges that are plain formulas.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromTyped, Generator, rand, type Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test, vi } from "vitest";
import {
  type BoundaryGuide,
  type ChosenRecipe,
  imageToImage,
  type RedrawOptions,
  redraw,
  StableDiffusion,
} from "../../../src/diffusion/index.ts";
import { decodeImage, toUint8 } from "../../../src/images/index.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-boundary-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(tinyModels.length === 0)("boundary redraws", () => {
  const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
  const side = sd.imageSize;
  const vector = (id: number) => sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id).clone();
  const photos = ["bolt/0", "bolt/1", "nut/0", "nut/1"].map((object) => ({
    ...{ id: `${object}.png`, object, className: object.split("/")[0]! },
  }));
  const generator = () => new Generator({ seed: 5 });
  const pixels = rand([photos.length, 3, side, side], { generator: generator() }).mul(255).to("uint8");
  const centre = rand([1, 3, side, side], { generator: generator() });
  const parents: number[] = [];
  /** Twice the deviation from a picture, whatever the photo. */
  const guide: BoundaryGuide = {
    ...{ hash: "deviation", upper: 1.4 },
    distances(places, images01) {
      parents.push(...places);
      return images01.sub(centre).square().mean([1, 2, 3]).sqrt().mul(2);
    },
  };
  const recipe = (changes: object = {}): ChosenRecipe => ({
    ...{ name: "boundary", strengths: [0.75], variants: 1, weight: 1, aim: 0.5, ...changes },
  });
  const options = (folder: string, changes: object = {}): RedrawOptions => ({
    sd,
    words: {
      modelHash: sd.hash,
      words: [
        { className: "bolt", token: "<bolt>", vector: vector(320) },
        { className: "nut", token: "<nut>", vector: vector(1929) },
      ],
    },
    ...{ photos, pixels, recipes: [recipe(changes)], steps: 4, guidanceScale: 2, seed: 3, guide },
    ...{ batchSize: 2, folder: join(scratch, folder) },
  });
  const drawn = async (folder: string, lines: readonly { file: string }[]): Promise<Tensor> => {
    const images = await Promise.all(lines.map(({ file }) => decodeImage(join(scratch, folder, file), side)));
    return fromTyped(Uint8Array.from(images.flatMap((each) => [...each])), [lines.length, 3, side, side]);
  };
  const distances = (images: Tensor) => guide.distances([], images.to("float32").div(255)).toNumbers();

  test("come nearer to their aim than the same seeds without a guide, each of them", async () => {
    const free = distances(await drawn("free", await redraw(options("free", { weight: 0 }))));
    for (const aim of [0, 1]) {
      const lines = await redraw(options(`aim-${aim}`, { aim }));
      const led = distances(await drawn(`aim-${aim}`, lines));
      const target = 1 + 0.4 * aim;
      for (const [item, distance] of led.entries())
        expect(Math.abs(distance - target)).toBeLessThan(Math.abs(free[item]! - target));
      expect(lines[0]?.facts).toEqual({ judgeWeight: 1, aim });
    }
    expect(new Set(parents)).toEqual(new Set([0, 1, 2, 3]));
  });

  test("are the unguided walk to the bit at weight 0, for which no guide is needed", async () => {
    const { guide: _, ...without } = options("unled", { weight: 0 });
    const lines = await redraw({ ...without, batchSize: 8 });
    const { words } = without.words;
    const walked = imageToImage(sd, pixels.to("float32").div(255), {
      prompts: lines.map(({ prompt }) => prompt),
      ...{ words, strengths: lines.map(({ strength }) => strength), seeds: lines.map(({ seed }) => seed) },
      ...{ steps: 4, guidanceScale: 2 },
    });
    expect((await drawn("unled", lines)).toNumbers()).toEqual(toUint8(walked).toNumbers());
    await expect(redraw({ ...without, recipes: [recipe()] })).rejects.toThrow(
      /"boundary" leads images by a judge.*Pass `guide`.*weight to 0/,
    );
  });

  test("do not depend on batches, interruptions or memory, and another judge gives them other names", async () => {
    const lines = await redraw(options("whole"));
    const wholeBytes = lines.map(({ file }) => readFileSync(join(scratch, "whole", file), "base64"));
    const cut = redraw({
      ...options("cut"),
      onProgress: (done) => {
        if (done >= 2) throw new Error("interrupted");
      },
    });
    await expect(cut).rejects.toThrow("interrupted");
    expect(await redraw(options("cut"))).toEqual(lines);
    expect(lines.map(({ file }) => readFileSync(join(scratch, "cut", file), "base64"))).toEqual(wholeBytes);
    const free = vi.spyOn(process, "availableMemory").mockReturnValue(2 ** 16); // an image at a time
    const small = await redraw({ ...options("small"), batchSize: 4 }).finally(() => free.mockRestore());
    expect(small).toEqual(lines);
    const [a, b] = [await drawn("whole", lines), await drawn("small", small)];
    expect(a.to("int16").sub(b.to("int16")).abs().max().item()).toBeLessThanOrEqual(1);
    const others = await redraw({ ...options("other"), guide: { ...guide, hash: "another" } });
    expect(others.some(({ file }, i) => file === lines[i]!.file)).toBe(false);
  });

  test("stay beside images that no judge leads, and follow one that sees nothing nowhere", async () => {
    const drift: ChosenRecipe = { name: "drift", strengths: [0.75], variants: 1 };
    const [alone] = await redraw({
      ...options("drift"),
      recipes: [drift],
      photos: photos.slice(0, 1),
      pixels: pixels.narrow(0, 0, 1),
    });
    const mixed = await redraw({ ...options("mixed"), recipes: [drift, recipe()], batchSize: 12 });
    const own = mixed.find(({ file }) => file === alone!.file);
    const [a, b] = [await drawn("drift", [alone!]), await drawn("mixed", [own!])];
    expect(a.to("int16").sub(b.to("int16")).abs().max().item()).toBeLessThanOrEqual(1);
    const blind: BoundaryGuide = {
      ...guide,
      hash: "blind",
      distances: (_, images01) => images01.sum([1, 2, 3]).mul(0),
    };
    const unmoved = await redraw({ ...options("blind"), guide: blind });
    const unled = await redraw(options("unled", { weight: 0 }));
    expect((await drawn("blind", unmoved)).toNumbers()).toEqual((await drawn("unled", unled)).toNumbers());
  });
});
