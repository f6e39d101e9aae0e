import { cat, memory, noGrad, ones, randn, scope, type Tensor, zeros } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  beginImageToImage,
  encodeImages,
  encodePrompts,
  type ImageToImageOptions,
  imageToImage,
  readySampler,
  type SamplerChoice,
  StableDiffusion,
  textToImage,
} from "../../../src/diffusion/index.ts";
import { expectClose } from "../../goldens.ts";
import { eachSdGolden, need, tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const loaded = new Map<string, StableDiffusion>();
function load(folder: string): StableDiffusion {
  const known = loaded.get(folder);
  if (known) return known;
  const sd = StableDiffusion.load(folder, { tokenizer: tokenizerFolder });
  loaded.set(folder, sd);
  return sd;
}

const largestDifference = (a: Tensor, b: Tensor) => scope(() => a.sub(b).abs().max().item());

describe("imageToImage", () => {
  eachSdGolden("posterior_noise", (golden, model) => {
    const { json } = golden;
    const sd = load(model);
    const steps = json.steps as number;
    const strength = json.strength as number;
    const sampler = { name: json.scheduler } as SamplerChoice;
    const { timesteps, start } = readySampler(sampler).walk(sd.schedulerConfig, steps, strength);
    expect(timesteps.slice(start)).toEqual(need(golden, "timesteps").toNumbers());
    const redrawn = imageToImage(sd, need(golden, "image").add(1).div(2), {
      prompts: [json.prompt as string],
      negativePrompt: json.negative_prompt as string,
      strengths: [strength],
      seeds: [0],
      ...{ steps, sampler },
      guidanceScale: json.guidance as number,
      posteriorNoise: need(golden, "posterior_noise"),
      noise: need(golden, "noise"),
    });
    expectClose(redrawn, need(golden, "decoded").div(2).add(0.5).clamp({ min: 0, max: 1 }), json.rtol);
  });

  describe.skipIf(tinyModels.length === 0)("of a tiny model", () => {
    const folder = tinyModels[0] as string;
    const images = randn([5, 3, 16, 16]).mul(0.2).add(0.5).clamp({ min: 0, max: 1 });
    const options: ImageToImageOptions = {
      prompts: ["a relay", "a bolt", "a relay", "", "a photo of a nut"],
      strengths: [0.3, 1, 0, 0.7, 0.3],
      seeds: [11, 12, 13, 14, 15],
      steps: 10,
      guidanceScale: 5,
    };
    const pick = (items: number[], base = options) => ({
      ...base,
      prompts: items.map((i) => options.prompts?.[i] as string),
      strengths: items.map((i) => options.strengths[i] as number),
      seeds: items.map((i) => options.seeds[i] as number),
    });
    const rows = (items: number[]) => items.map((i) => images.narrow(0, i, 1));

    test("batch size and order change no image beyond rounding", () => {
      const sd = load(folder);
      const together = imageToImage(sd, images, options);
      let worst = 0;
      for (const items of [[0], [1], [2], [3], [4], [4, 1], [3, 0, 2], [2, 4, 3, 1, 0]]) {
        const alone = imageToImage(sd, cat(rows(items)), pick(items));
        items.forEach((item, row) => {
          const difference = largestDifference(alone.narrow(0, row, 1), together.narrow(0, item, 1));
          worst = Math.max(worst, difference);
        });
      }
      console.info(
        `largest difference of a pixel between batches and orders: ${worst.toExponential(1)} (of 0..1)`,
      );
      expect(worst).toBeLessThan(1e-4);
    });

    test("the same seeds give the same bits", () => {
      const sd = load(folder);
      const [once, twice] = [imageToImage(sd, images, options), imageToImage(sd, images, options)];
      expect(largestDifference(once, twice)).toBe(0);
      const other = imageToImage(sd, images, { ...options, seeds: [21, 22, 23, 24, 25] });
      expect(largestDifference(once, other)).toBeGreaterThan(0.01);
    });

    test("strength 0 is the autoencoder's round trip, and a higher strength changes more", () => {
      const sd = load(folder);
      const image = images.narrow(0, 0, 1);
      const draw = (strength: number) =>
        imageToImage(sd, image, {
          prompts: [""],
          strengths: [strength],
          seeds: [1],
          steps: 20,
          guidanceScale: 1,
        });
      const untouched = draw(0);
      const changes = [0.1, 0.5, 1].map((strength) => draw(strength).sub(untouched).abs().mean().item());
      expect(changes[0]).toBeLessThan(changes[1] as number);
      expect(changes[1]).toBeLessThan(changes[2] as number);
    });

    test("encoded prompts give the same as the prompts themselves", () => {
      const sd = load(folder);
      const { prompts = [], ...rest } = options;
      const context = encodePrompts(sd, prompts);
      const negativeContext = encodePrompts(sd, [""]);
      const given = imageToImage(sd, images, { ...rest, context, negativeContext });
      expect(largestDifference(given, imageToImage(sd, images, options))).toBeLessThan(1e-6);
    });

    test("guidance leads away from a negative prompt, and without guidance there is none", () => {
      const sd = load(folder);
      const draw = (negativePrompt: string, guidanceScale: number | number[]) =>
        imageToImage(sd, images, { ...options, negativePrompt, guidanceScale });
      expect(largestDifference(draw("", 3), draw("a red bolt", 3))).toBeGreaterThan(0);
      expect(() => draw("a red bolt", 1)).toThrow(
        /Nothing would lead away from the negative prompt "a red bolt"/,
      );
    });

    test("one tensor is left, the images; progress goes from the first step to the total", () => {
      const sd = load(folder);
      const seen: [number, number][] = [];
      const before = memory().tensors;
      const made = imageToImage(sd, images, {
        ...options,
        sampler: { name: "ddim" },
        onProgress: (done, total) => seen.push([done, total]),
      });
      // At most: the collector may release tensors of earlier tests meanwhile.
      expect(memory().tensors).toBeLessThanOrEqual(before + 1);
      made.dispose();
      expect(seen.at(0)).toEqual([1, 10]);
      expect(seen.at(-1)).toEqual([10, 10]);
    });

    test("eta adds noise of each image's own seed, whatever the batch", () => {
      const sd = load(folder);
      const noisy: ImageToImageOptions = { ...options, sampler: { name: "ddim", eta: 1 } };
      const together = imageToImage(sd, images, noisy);
      const alone = imageToImage(sd, images.narrow(0, 3, 1), pick([3], noisy));
      expect(largestDifference(alone, together.narrow(0, 3, 1))).toBeLessThan(1e-4);
      expect(largestDifference(together, imageToImage(sd, images, options))).toBeGreaterThan(1e-3);
    });

    test("bf16 comes near fp32", () => {
      const sd = load(folder);
      const difference = imageToImage(sd, images, { ...options, precision: "bf16" })
        .sub(imageToImage(sd, images, options))
        .abs()
        .mean()
        .item();
      expect(difference).toBeGreaterThan(0);
      expect(difference).toBeLessThan(0.02);
    });

    test("numbers that do not match are refused with what to do", () => {
      const sd = load(folder);
      expect(() => imageToImage(sd, images, { ...options, seeds: [1] })).toThrow(/5 images .* `seeds` has 1/);
      expect(() => imageToImage(sd, images, { ...options, prompts: undefined })).toThrow(
        /either `prompts` or `context`/,
      );
      expect(() => imageToImage(sd, images.to("uint8"), options)).toThrow(/was given uint8/);
      expect(() => imageToImage(sd, images.narrow(3, 0, 15), options)).toThrow(
        `multiples of ${sd.vae.factor}`,
      );
    });
  });
});

describe.skipIf(tinyModels.length === 0)("textToImage", () => {
  const folder = tinyModels[0] as string;

  test("an image depends on its prompt and seed, not on its neighbours", () => {
    const sd = load(folder);
    const draw = (prompts: string[], seeds: number[]) =>
      textToImage(sd, { prompts, seeds, steps: 5, size: [16, 16] });
    const both = draw(["a relay", "a bolt"], [1, 2]);
    expect(both.shape).toEqual([2, 3, 16, 16]);
    expect(largestDifference(both.narrow(0, 1, 1), draw(["a bolt"], [2]))).toBeLessThan(1e-4);
    expect(largestDifference(both.narrow(0, 1, 1), draw(["a bolt"], [3]))).toBeGreaterThan(0.01);
  });

  test("without a size it is the model's own", () => {
    const sd = load(folder);
    const image = textToImage(sd, { prompts: [""], seeds: [1], steps: 2, guidanceScale: 1 });
    expect(image.shape).toEqual([1, 3, sd.imageSize, sd.imageSize]);
  });
});

describe.skipIf(tinyModels.length === 0)("encodePrompts", () => {
  const folder = tinyModels[0] as string;

  test("encodes each distinct prompt once and puts it wherever it occurs", () => {
    const sd = load(folder);
    const context = encodePrompts(sd, ["a", "b", "a"]);
    expect(context.shape).toEqual([3, sd.tokenizer.maxLength, sd.textEncoder.config.hidden_size]);
    expect(largestDifference(context.at(0), context.at(2))).toBe(0);
    expect(context.requiresGrad).toBe(false);
  });

  test("a word with the vector of a known one means the same", () => {
    const sd = load(folder);
    const id = sd.tokenizer.idOf("relay</w>") as number;
    const vector = noGrad(() => sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id));
    const own = encodePrompts(sd, ["a photo of a <word>"], { words: [{ token: "<word>", vector }] });
    expectClose(own, encodePrompts(sd, ["a photo of a relay"]), 1e-6);
  });

  test("a vector of another model is refused", () => {
    const sd = load(folder);
    expect(() => encodePrompts(sd, ["<word>"], { words: [{ token: "<word>", vector: randn([3]) }] })).toThrow(
      /vector of the word "<word>" has the shape \[3\]/,
    );
  });
});

describe.skipIf(tinyModels.length === 0)("a drawing", () => {
  const folder = tinyModels[0] as string;
  const images = randn([2, 3, 16, 16]).mul(0.2).add(0.5).clamp({ min: 0, max: 1 });
  const options: ImageToImageOptions = {
    ...{ prompts: ["a relay", "a bolt"], strengths: [1, 0.5], seeds: [1, 2] },
    ...{ steps: 4, sampler: { name: "dpm-solver++" }, guidanceScale: 3 },
  };

  test("taken step by step ends where it ends in one go, and shows what it is going to be", () => {
    const sd = load(folder);
    const whole = imageToImage(sd, images, options);
    const before = memory().tensors;
    const drawing = beginImageToImage(sd, images, options);
    expect([drawing.done, drawing.total]).toEqual([0, 4]);
    const distances: number[] = [];
    while (drawing.step()) distances.push(scope(() => largestDifference(drawing.preview(), whole)));
    expect(distances).toHaveLength(4);
    expect(distances.at(-1)).toBeLessThan(1e-4); // the last step goes to what it predicts
    expect(distances[0]).toBeGreaterThan(1e-3);
    const made = drawing.images();
    expect(made.toNumbers()).toEqual(whole.toNumbers());
    for (const each of [drawing, made]) each[Symbol.dispose]();
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });

  test("leads each image by its own scale", () => {
    const sd = load(folder);
    const mixed = imageToImage(sd, images, { ...options, guidanceScale: [3, 1] });
    const weak = imageToImage(sd, images, { ...options, guidanceScale: 1 });
    expectClose(mixed.narrow(0, 0, 1), imageToImage(sd, images, options).narrow(0, 0, 1), 1e-4);
    expectClose(mixed.narrow(0, 1, 1), weak.narrow(0, 1, 1), 1e-4);
    expect(() => imageToImage(sd, images, { ...options, guidanceScale: [3] })).toThrow(
      /`guidanceScale` has 1/,
    );
  });

  test("keeps the very pixels that it is told to keep, and draws the others anew", () => {
    const sd = load(folder);
    const kept = cat([zeros([2, 1, 16, 8]), ones([2, 1, 16, 8])], { dim: 3 });
    const drawn = imageToImage(sd, images, { ...options, kept });
    const half = (t: Tensor, from: number) => t.narrow(3, from, 8);
    expect(largestDifference(half(drawn, 8), half(images, 8))).toBeLessThan(1e-6);
    expect(largestDifference(half(drawn, 0), half(images, 0))).toBeGreaterThan(0.01);
    const free = imageToImage(sd, images, options);
    expect(largestDifference(half(drawn, 0), half(free, 0))).toBeGreaterThan(1e-4); // it is led by what is kept
    const nothing = imageToImage(sd, images, { ...options, kept: kept.mul(0) });
    expectClose(nothing, free, 1e-5);
    expect(() => imageToImage(sd, images, { ...options, kept: kept.narrow(0, 0, 1) })).toThrow(/masks/);
  });

  test("goes on from what the autoencoder made of the images before", () => {
    const sd = load(folder);
    const posterior = encodeImages(sd, images);
    expectClose(imageToImage(sd, images, { ...options, posterior }), imageToImage(sd, images, options), 1e-6);
  });
});
