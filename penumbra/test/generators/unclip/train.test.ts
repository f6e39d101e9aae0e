import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { generatorNamed } from "../../../src/generators/index.ts";
import { indices } from "../../../src/generators/trainer/crops.ts";
import { asFloat } from "../../../src/generators/trainer/photo-batches.ts";
import {
  embedImages,
  newUnclip,
  readSuperResolution,
  readTexts,
  readUnclip,
  tokensOf,
  UnclipSettings,
} from "../../../src/generators/unclip/index.ts";
import { encodePng } from "../../../src/images/index.ts";
import { eachGolden, goldenFolder } from "../../goldens.ts";
import { tinyModelsOf } from "../../sd-goldens.ts";
import { discsAndFrames, toyCorpus } from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-unclip-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const tiny = {
  ...{ imageSize: 16, precision: "fp32", batchSize: 8, learningRate: 3e-3, warmup: 2, channels: [8, 16] },
  ...{ embeddingSize: 16, clipLayers: 1, priorLayers: 1, textLength: 8, emaDecay: 0.9, timesteps: 50 },
  ...{ sampleSteps: 3, priorSteps: 3, checkpointMinutes: 0, logSeconds: 0, sheetMinutes: 60 },
};
const options = (out: string, changes: object = {}) => ({
  corpus: toyCorpus,
  out: join(scratch, out),
  tokenizer: scratch,
  settings: UnclipSettings.parse({ ...tiny, steps: 20, clipShare: 0.3, priorShare: 0.3, ...changes }),
});
const train = (given: ReturnType<typeof options> & { from?: string; onLine?: (line: string) => void }) =>
  generatorNamed("unclip").train(given);
const { artist } = generatorNamed("unclip");

const photos = asFloat(discsAndFrames(16).images);
const item = { photo: 0, otherPhoto: 1, label: 0, otherLabel: 1, dial: 0.5, seed: 3 };
const gap = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item();

test("trains encoders, prior and decoder one after the other, and draws by every way", async () => {
  const given = options("first");
  const lines: string[] = [];
  expect(await train({ ...given, onLine: (line) => lines.push(line) })).toBe(given.out);
  for (const [stage, steps] of [
    ["clip", 6],
    ["prior", 6],
    ["decoder", 8],
  ] as const) {
    expect(
      lines.some((line) => line.startsWith(`${stage}: step ${steps} (100.0 %`)),
      stage,
    ).toBe(true);
    expect(readFileSync(join(given.out, "README.md"), "utf8")).toContain(`| ${stage} | ${steps} | 8 |`);
  }
  const model = artist!.load(given.out);
  const images = Object.fromEntries(
    Object.keys(artist!.ways).map((way) => {
      const alone = model.draw(way, [item], photos);
      const among = model.draw(way, [{ ...item, seed: 4, dial: 0.8 }, item, { ...item, photo: 1 }], photos);
      expect(alone.shape, way).toEqual([1, 3, 16, 16]);
      expect(gap(among.select(0, 1), alone.select(0, 0)), way).toBeLessThan(1e-4);
      return [way, alone];
    }),
  );
  const ways = Object.keys(images);
  for (const [i, way] of ways.entries())
    for (const other of ways.slice(i + 1))
      expect(gap(images[way]!, images[other]!), `${way} ${other}`).toBeGreaterThan(0);
});

test("at the dial's beginning every way from an embedding is the variation from noise, at its end the other photo's", () => {
  const model = artist!.load(join(scratch, "first"));
  const draw = (way: string, changes: object) => model.draw(way, [{ ...item, ...changes }], photos);
  const own = draw("variation", { dial: 1 });
  for (const way of ["drift", "interpolation", "text-difference"])
    expect(gap(draw(way, { dial: 0 }), own), way).toBeLessThan(1e-4);
  const other = draw("variation", { dial: 1, photo: 1 });
  expect(gap(draw("interpolation", { dial: 1 }), other)).toBeLessThan(1e-4);
  // Words alone decide, whatever the photo, and nothing of the other class is in it at 0.
  expect(
    gap(draw("crossed", { dial: 0 }), draw("crossed", { dial: 0, photo: 5, otherLabel: 0 })),
  ).toBeLessThan(1e-4);
  expect(gap(draw("crossed", { dial: 1 }), draw("crossed", { dial: 0, label: 1 }))).toBeLessThan(1e-4);
  expect(gap(draw("variation", { dial: 0 }), photos.narrow(0, 0, 1))).toBe(0);
});

test("crashed in each stage and started again, it ends with the same bits", async () => {
  const given = options("crashed");
  for (const crash of ["clip: step 4 ", "prior: step 3 ", "decoder: step 5 "]) {
    const onLine = (line: string) => {
      if (line.startsWith(crash)) throw new Error("the power went out");
    };
    await expect(train({ ...given, onLine })).rejects.toThrow("the power went out");
    expect(existsSync(given.out)).toBe(false);
  }
  await train(given);
  for (const part of [
    "text_encoder/model",
    "image_encoder/model",
    ...["prior", "text_proj", "decoder"].map((name) => `${name}/diffusion_pytorch_model`),
  ]) {
    const [one, other] = ["first", "crashed"].map((name) =>
      readFileSync(join(scratch, name, `${part}.safetensors`)),
    );
    expect(one!.equals(other!), part).toBe(true);
  }
});

test("on two classes within seconds, texts find their images, and variations look like their own class", async () => {
  const given = options("toy", {
    ...{ steps: 360, batchSize: 16, learningRate: 8e-3, warmup: 5, clipShare: 0.15, priorShare: 0.1 },
    ...{ channels: [16, 16], attentionLevels: 0, emaDecay: 0.95, timesteps: 100, sampleSteps: 10 },
    ...{ guidanceScale: 3, checkpointMinutes: 60, logSeconds: 60 },
  });
  await train(given);
  const parts = readUnclip(given.out);
  const texts = readTexts(
    parts,
    tokensOf(parts.tokenizer, ["a photo of a disc", "a photo of a frame"], "cpu"),
  );
  const unit = (x: Tensor) => x.div(x.square().sum([1], { keepdim: true }).sqrt());
  const found = unit(embedImages(parts, photos))
    .matmul(unit(texts.embeds).t())
    .argmax({ dim: 1 })
    .toNumbers();
  const places = found.map((_, i) => i);
  const shareOf = (isRight: (place: number) => boolean) => places.filter(isRight).length / places.length;
  expect(shareOf((i) => found[i] === i % 2)).toBeGreaterThan(0.8); // 0.5 by chance, here and below

  const model = artist!.load(given.out);
  const ofClass = (label: number) =>
    indices(
      places.filter((i) => i % 2 === label),
      "cpu",
    );
  const means = [0, 1].map((label) => photos.indexSelect(0, ofClass(label)).mean([0]));
  const likeOwn = (way: string, dial: number) => {
    const items = places.map((photo) => ({
      ...{ photo, otherPhoto: (photo + 1) % places.length, label: photo % 2, otherLabel: 1 - (photo % 2) },
      ...{ dial, seed: photo },
    }));
    const distances = model
      .draw(way, items, photos)
      .unbind()
      .map((image) => means.map((mean) => image.sub(mean).square().mean().item()));
    return shareOf((i) => distances[i]![i % 2]! < distances[i]![1 - (i % 2)]!);
  };
  expect(likeOwn("variation", 1)).toBeGreaterThan(0.7);
  // What tells the other class's words from the own ones turns images into the other class.
  expect(likeOwn("text-difference", 0.5)).toBeLessThan(0.3);
});

test("a loss that is no longer finite stops with stage, step and remedy", async () => {
  const given = options("diverged", { learningRate: 1e30, warmup: 0, logSeconds: 60, checkpointMinutes: 60 });
  await expect(train(given)).rejects.toThrow(/The \w+ stage diverged at step \d+: .* Lower its learningRate/);
});

test("a published folder loads, draws under any words, and can be learned on", async () => {
  const published = join(scratch, "published");
  cpSync(join(scratch, "first"), published, { recursive: true });
  rmSync(join(published, "generator.json"));
  const model = artist!.load(published, { classes: ["relay", "fuse"] });
  expect([model.imageSize, model.classes]).toEqual([16, ["relay", "fuse"]]);
  expect(model.draw("crossed", [item], photos).shape).toEqual([1, 3, 16, 16]);
  const larger = options("larger", { imageSize: 32 });
  await expect(train({ ...larger, from: published })).rejects.toThrow(
    /draws images of 16 px, imageSize is 32\. Set imageSize to 16/,
  );
  const given = options("adapted", { steps: 4 });
  await train({ ...given, from: published });
  const card = readFileSync(join(given.out, "README.md"), "utf8");
  expect(card).toContain('the published weights in "published"');
});

describe("a published model with a super-resolution draws large images, and so does what begins with it", () => {
  eachGolden("generators", "unclip-super-resolution", async ({ json }) => {
    const published = join(scratch, "enlarging");
    cpSync(join(scratch, "published"), published, { recursive: true });
    const parts = join(goldenFolder, json.superResolution as string);
    cpSync(parts, published, { recursive: true });
    const { imageSize } = readSuperResolution(parts)!;
    // Learned on at the decoder's size, what it draws is as large as what it began with.
    const given = options("adapted-large", { steps: 4 });
    await train({ ...given, from: published });
    const large = asFloat(discsAndFrames(imageSize).images);
    for (const model of [artist!.load(published, { classes: ["disc", "frame"] }), artist!.load(given.out)]) {
      expect(model.imageSize).toBe(imageSize);
      for (const way of ["variation", "crossed"]) {
        const alone = model.draw(way, [item], large);
        const among = model.draw(way, [{ ...item, seed: 4, dial: 0.8 }, item, { ...item, photo: 1 }], large);
        expect(alone.shape, way).toEqual([1, 3, imageSize, imageSize]);
        expect(gap(among.select(0, 1), alone.select(0, 0)), way).toBeLessThan(1e-4);
      }
      expect(gap(model.draw("variation", [{ ...item, dial: 0 }], large), large.narrow(0, 0, 1))).toBe(0);
    }
  });
});

test("the configuration for a corpus is one that pretrain takes, and its model stays below 20 MB", async () => {
  const corpus = mkdtempSync(join(scratch, "corpus-"));
  const { images } = discsAndFrames(16, 2);
  const captions = ["a photo of a white disc", "a photo of a white frame"];
  for (const [i, image] of images.unbind().entries()) {
    await encodePng(image, join(corpus, `${i}.png`));
    const line = JSON.stringify({ file: `${i}.png`, caption: captions[i % 2] });
    appendFileSync(join(corpus, "captions.jsonl"), `${line}\n`);
  }
  const file = fileURLToPath(new URL("../../../mini/unclip.yaml", import.meta.url));
  const settings = UnclipSettings.parse(parse(readFileSync(file, "utf8")));
  const texts = ["a photo of a white disc", "a photo of a white frame"];
  const { text, image, prior, projection, decoder } = newUnclip(settings, texts);
  const parameters = [text, image, prior, projection, decoder].flatMap((network) => [
    ...network.parameters(),
  ]);
  expect(4 * parameters.reduce((sum, { numel }) => sum + numel, 0)).toBeLessThan(20e6 - 4 * 1026 * 128);
  const out = join(scratch, "pretrained");
  const small = { ...settings, ...UnclipSettings.parse({ ...tiny, steps: 3, prompt: settings.prompt }) };
  expect(await generatorNamed("unclip").train({ corpus, out, tokenizer: scratch, settings: small })).toBe(
    out,
  );
  // What was learned from captions goes on to photos of classes.
  const given = options("from-captions", { steps: 3 });
  await train({ ...given, from: out });
  expect(artist!.load(given.out).classes).toEqual(["disc", "frame"]);
  expect(readFileSync(join(given.out, "README.md"), "utf8")).toContain("| 2 | decoder |");
});

test("refuses folders of other kinds and folders that lack a part, naming it", () => {
  const broken = join(scratch, "broken");
  cpSync(join(scratch, "published"), broken, { recursive: true });
  rmSync(join(broken, "prior"), { recursive: true });
  expect(() => readUnclip(broken)).toThrow(/lacks prior\. .*copy what is missing/);
  writeFileSync(join(broken, "model_index.json"), '{"_class_name": "KandinskyV22Pipeline"}');
  expect(() => readUnclip(broken)).toThrow(
    /is a model of diffusers' KandinskyV22Pipeline, which is no unCLIP in pixels/,
  );
  expect(() => readUnclip(scratch)).toThrow(/has no model_index.json/);
  const [stable] = tinyModelsOf("StableUnCLIPImg2ImgPipeline");
  expect(() => readUnclip(stable!)).toThrow(/StableUnCLIPImg2ImgPipeline/);
  expect(() => UnclipSettings.parse({ clipShare: 0.5, priorShare: 0.5 })).toThrow(
    /leave the decoder nothing/,
  );
  expect(() => UnclipSettings.parse({ prompt: "a photo" })).toThrow(/write {} where/);
});
