import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scope, type Tensor } from "@penumbra/torch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type DrawnLine,
  type DrawOptions,
  drawFromPhotos,
  type Generated,
  generate,
  generatorNamed,
  type LoadedGenerator,
  measureImages,
  pixelFeatures,
  qualityOf,
  waysOf,
} from "../../../src/generators/index.ts";
import { asFloat } from "../../../src/generators/trainer/photo-batches.ts";
import { encodePng } from "../../../src/images/index.ts";
import { saveTinyModel } from "../../study/tiny-model.ts";
import { discsAndFrames, normal } from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-draw-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const photosFolder = join(scratch, "photos");
const settings = {
  ...{ imageSize: 16, precision: "fp32", steps: 6, batchSize: 8, latentSize: 4, width: 8, emaDecay: 0.5 },
  ...{ logSeconds: 60, checkpointMinutes: 60, sheetMinutes: 60 },
};
const vae = generatorNamed("vae");
const options = (out: string) => ({
  ...{ name: "vae", generator: vae, photos: photosFolder, count: 12, out: join(scratch, out) },
  ...{ settings: vae.settings.parse(settings), tokenizer: scratch, seed: 1 },
});

let made: Generated | null;
let model: LoadedGenerator;
let pixels: Tensor;

beforeAll(async () => {
  const { images, captions, captionOf } = discsAndFrames(16, 4);
  pixels = images;
  for (const caption of captions) mkdirSync(join(photosFolder, caption), { recursive: true });
  for (const [i, caption] of captionOf.entries()) {
    const path = join(photosFolder, captions[caption]!, `${i}.png`);
    await encodePng(images.select(0, i), path);
  }
  made = await generate(options("made"));
  model = vae.artist!.load(join(scratch, "made", "model"));
});

test("photos become a model, images of both kinds, their lines, a sheet and figures", async () => {
  expect(made!.lines).toHaveLength(24);
  const { faithful, "near-ood": flawed } = made!.quality;
  expect([faithful!.images, flawed!.images, faithful!.photos]).toEqual([12, 12, 8]);
  for (const figures of [faithful!, flawed!]) {
    expect(figures.fid).toBeGreaterThan(0);
    for (const share of [figures.precision!, figures.recall!]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  }
  const folder = join(scratch, "made");
  expect(existsSync(join(folder, "samples.png"))).toBe(true);
  expect(await readdir(join(folder, "images"))).toHaveLength(24);
  const written = JSON.parse(readFileSync(join(folder, "quality.json"), "utf8"));
  expect(written).toMatchObject({ generator: "vae", against: "the photos that were learned from" });
  for (const line of made!.lines as readonly DrawnLine[]) {
    expect(line.recipe).toBe(`vae-${line.way}`);
    expect(line.modelHash).toBe(model.hash);
    expect(line.wordClass === line.className).toBe(line.partner === null);
  }
});

test("what is there is kept, and the same call makes the same images", async () => {
  const again: number[] = [];
  const told: string[] = [];
  const onLine = (line: string) => told.push(line);
  await generate({ ...options("made"), onProgress: (done) => again.push(done), onLine });
  expect(again).toEqual([24]);
  expect(told[0]).toMatch(/vae: draws with the model that is in .*made\/model; remove it/);
  const onSheet = told.find((line) => line.includes("samples.png"));
  expect(onSheet).toMatch(/4 vae-interpolation, 4 vae-noise, 12 vae-posterior, 4 vae-prior, row by row/);
  await generate({ ...options("other"), model: join(scratch, "made", "model") });
  for (const { file } of made!.lines) {
    const [one, other] = ["made", "other"].map((folder) => readFileSync(join(scratch, folder, file)));
    expect(one!.equals(other!)).toBe(true);
  }
});

test("few images are of all classes in turn", () => {
  for (const kind of ["faithful", "near-ood"] as const) {
    const classes = made!.lines.filter((line) => line.kind === kind).map(({ className }) => className);
    expect(classes.filter((name) => name === "disc")).toHaveLength(6);
  }
});

test("stopped while it draws, it keeps what is drawn, and the same call ends with the same images", async () => {
  const given = { ...options("stopped"), model: join(scratch, "made", "model") };
  const stop = new AbortController();
  const counts: number[] = [];
  const onProgress = (done: number) => {
    counts.push(done);
    if (done > 0) stop.abort();
  };
  expect(await generate({ ...given, onProgress, signal: stop.signal })).toBeNull();
  expect(counts).toEqual([0, 16]);
  const folder = join(scratch, "stopped");
  expect(await readdir(join(folder, "images"))).toHaveLength(16);
  expect(existsSync(join(folder, "quality.json"))).toBe(false);
  const { lines } = (await generate(given))!;
  expect(lines.map(({ file }) => file)).toEqual(made!.lines.map(({ file }) => file));
  for (const { file } of lines)
    expect(readFileSync(join(folder, file)).equals(readFileSync(join(scratch, "made", file))), file).toBe(
      true,
    );
});

test("a generator that draws by words learns one for each class, and redraws photos with them", async () => {
  const modelFolder = join(scratch, "tiny-sd");
  saveTinyModel(modelFolder);
  const generator = generatorNamed("latent-diffusion");
  const given = {
    ...{ ...options("words"), name: "latent-diffusion", generator, model: modelFolder, count: 3 },
    settings: generator.byWords!.settings.parse({ steps: 2, batchSize: 1, drawSteps: 6, precision: "fp32" }),
  };
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  expect(await generate({ ...given, signal: stop.signal, onProgress })).toBeNull();
  const { lines, quality } = (await generate(given))!;
  expect(lines.map(({ kind }) => kind)).toEqual([...Array(3).fill("faithful"), ...Array(3).fill("near-ood")]);
  expect(new Set(lines.map(({ recipe }) => recipe))).toEqual(new Set(["faithful", "drift", "crossed"]));
  expect(quality.faithful!.images).toBe(3);
  const words = readFileSync(join(scratch, "words", "words.safetensors"));
  await generate(given);
  expect(readFileSync(join(scratch, "words", "words.safetensors")).equals(words)).toBe(true);
});

test("figures are by the features that are asked for, and say which", async () => {
  const features = {
    ...{ title: "brightness of corners", size: 8 },
    of: (images: Tensor) => {
      expect(images.shape.slice(1)).toEqual([3, 8, 8]);
      return asFloat(images).narrow(2, 0, 2).narrow(3, 0, 2).flatten({ startDim: 1 });
    },
  };
  const { quality } = (await generate({ ...options("made"), features }))!;
  expect(quality.faithful!.fid).not.toBe(made!.quality.faithful!.fid);
  const written = JSON.parse(readFileSync(join(scratch, "made", "quality.json"), "utf8")) as object;
  expect(written).toMatchObject({ features: "brightness of corners", quality });
});

test("images of another tool are measured where they lie", async () => {
  const out = join(scratch, "measured");
  const quality = await measureImages({
    photos: photosFolder,
    images: photosFolder,
    kinds: ["faithful"],
    out,
  });
  expect(quality).toEqual({
    faithful: {
      images: 8,
      photos: 8,
      fid: expect.closeTo(0, 6),
      kid: expect.any(Number),
      precision: 1,
      recall: 1,
    },
  });
  expect(existsSync(join(out, "samples.png"))).toBe(true);
  // As generate writes it: each image with its kind.
  const both = await measureImages({ photos: photosFolder, images: join(scratch, "other"), out });
  expect([both.faithful!.images, both["near-ood"]!.images]).toEqual([12, 12]);
  const [fid, own] = [both.faithful!.fid!, made!.quality.faithful!.fid!];
  expect(Math.abs(fid / own - 1)).toBeLessThan(0.2); // of pictures that were enlarged before
});

describe("drawing from photos", () => {
  const photos = Array.from({ length: 8 }, (_, i) => ({
    ...{ id: `${i}.png`, object: `object ${i}`, className: i % 2 === 0 ? "disc" : "frame", hash: `${i}` },
  }));
  const base = (folder: string, changes: Partial<DrawOptions> = {}): DrawOptions => ({
    ...{ generator: "vae", artist: vae.artist!, model, photos, pixels, seed: 2 },
    ...{ folder: join(scratch, folder), requests: [{ photo: 0, way: "posterior", variant: 0 }] },
    ...changes,
  });

  test("follows a dial, and refuses one that is out of range", async () => {
    const requests = [0, 1].map((dial) => ({ photo: 3, way: "interpolation", variant: 0, dial }));
    const lines = await drawFromPhotos(base("dial", { requests }));
    expect(lines.map(({ strength, dial }) => [strength, dial])).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(lines[0]!.partnerObject).toMatch(/^object [0246]$/);
    const far = [{ photo: 0, way: "interpolation", variant: 0, dial: 1.5 }];
    await expect(drawFromPhotos(base("far", { requests: far }))).rejects.toThrow(/goes from 0 to 1/);
  });

  test("another attempt is another image", async () => {
    const requests = [0, 1].map((attempt) => ({ photo: 0, way: "prior", variant: 0, attempt }));
    const [one, other] = await drawFromPhotos(base("attempts", { requests }));
    expect(one!.seed).not.toBe(other!.seed);
    expect(one!.file).not.toBe(other!.file);
  });

  test("refuses unknowns, classes that were not learned, and pixels of another size", async () => {
    const near = photos.map((photo) => ({ ...photo, role: "near" as const }));
    await expect(drawFromPhotos(base("near", { photos: near }))).rejects.toThrow(/may not be drawn from/);
    const relays = photos.map((photo) => ({ ...photo, className: "relay" }));
    await expect(drawFromPhotos(base("relays", { photos: relays }))).rejects.toThrow(
      /of the class "relay", which the model has not learned/,
    );
    const small = base("small", { pixels: pixels.narrow(2, 0, 8) });
    await expect(drawFromPhotos(small)).rejects.toThrow(/the model draws 16 x 16/);
  });

  test("ways that need another class are left out where there is one", () => {
    expect(waysOf(vae.artist!, "near-ood", 2)).toContain("interpolation");
    expect(waysOf(vae.artist!, "near-ood", 1)).toEqual(["noise", "prior"]);
  });
});

test("figures: photos are as good as themselves, noise is not, and too few give none", () => {
  scope(() => {
    const features = pixelFeatures(discsAndFrames(16).images);
    const same = qualityOf(features, features);
    expect(same.fid).toBeLessThan(1e-2);
    expect([same.precision, same.recall]).toEqual([1, 1]);
    const noise = qualityOf(normal(features.shape, 3).mul(3), features);
    expect(noise.fid).toBeGreaterThan(1);
    expect(noise.precision).toBe(0);
    const few = qualityOf(features.narrow(0, 0, 1), features);
    expect([few.fid, few.precision]).toEqual([null, null]);
  });
});
