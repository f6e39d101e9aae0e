// The suite that every source of images passes: a new one is tested as soon as it is listed.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromTyped, tensor } from "@penumbra/torch";
import { afterAll, describe, expect, it } from "vitest";
import { type ImageLine, imageLines, type Photo } from "../../../src/data/index.ts";
import { StableDiffusion } from "../../../src/diffusion/index.ts";
import { generatorNamed, type LoadedGenerator, photoCorpus } from "../../../src/generators/index.ts";
import { decodeImage } from "../../../src/images/index.ts";
import {
  type ImageRequest,
  type ImageSource,
  parseSettings,
  type SourceTraining,
  type SourceWork,
  sourceOf,
  sources,
  studySchema,
  trainingSettings,
} from "../../../src/study/index.ts";
import { saveTinyModel } from "../tiny-model.ts";
import { tinySettings } from "../tiny-study.ts";

const scratch = await mkdtemp(join(tmpdir(), "penumbra-sources-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const SIZE = 16;
const classes = ["a", "b", "c"];
const train = classes.flatMap((className) =>
  [0, 1].map((object): Photo => {
    const id = `${className}/${object}/view.png`;
    return {
      ...{ id, className, object: `${className}/${object}`, role: "known", hash: `${className}${object}` },
      ...{ width: SIZE, height: SIZE },
    } as Photo;
  }),
);
const pixels = Uint8Array.from(
  { length: train.length * 3 * SIZE * SIZE },
  (_, i) => (i * 37 + (i >> 8)) % 256,
);

const modelFolder = join(scratch, "model");
saveTinyModel(modelFolder);
const sd = StableDiffusion.load(modelFolder);
const width = sd.textEncoder.config.hidden_size;
const words = {
  modelHash: sd.hash,
  words: classes.map((className, index) => ({
    className,
    token: `<${className}>`,
    vector: tensor(Array.from({ length: width }, (_, i) => Math.sin(i + index))),
  })),
};
/** Trainings of two steps. */
const training = {
  ...{ steps: 2, batchSize: 2, logSeconds: 60, checkpointMinutes: 60, sheetMinutes: 60 },
  emaDecay: 0.5,
};
const sizes: Readonly<Record<string, object>> = {
  ...{ autoencoder: { width: 8, latentSize: 4 }, vae: { width: 8, latentSize: 4 } },
  ...{ gan: { width: 8, latentSize: 4 }, ddpm: { channels: [8, 8], timesteps: 20, sampleSteps: 4 } },
  unclip: {
    ...{ channels: [8, 8], timesteps: 20, sampleSteps: 4, priorSteps: 4, embeddingSize: 16 },
    ...{ clipLayers: 1, priorLayers: 1, textLength: 8 },
  },
};
const sections = Object.fromEntries(
  Object.entries(sources as Readonly<Record<string, ImageSource>>).flatMap(([name, { trains, sifts }]) =>
    trains && sifts === undefined
      ? [[name, { training: { ...training, ...sizes[name.split("-")[0]!] } }]]
      : [],
  ),
);
const config = {
  // Every way to make a collage, those too that nobody gets without asking.
  ...parseSettings({ ...tinySettings, sources: { ...sections, collage: { elastic: 1 } } }, "test"),
  imageSize: SIZE,
};

/** Finished models by their trainings. */
const trained = new Map<string, Promise<LoadedGenerator>>();

function trainOnce({ generator, settings }: SourceTraining): Promise<LoadedGenerator> {
  const { artist, train: trainModel } = generatorNamed(generator);
  const key = JSON.stringify({ generator, settings });
  const out = join(scratch, `generator-${trained.size}`);
  const made = async () => {
    const study = { config, device: "cpu", precision: "fp32" as const };
    const images = async () => fromTyped(pixels, [train.length, 3, SIZE, SIZE]);
    await trainModel({
      ...{ corpus: photoCorpus(train, images), out, tokenizer: scratch },
      settings: trainingSettings(generator, settings, study, 3),
    });
    return artist!.load(out);
  };
  if (!trained.has(key)) trained.set(key, made());
  return trained.get(key)!;
}

async function workOf(name: string, source: ImageSource, folder: string): Promise<SourceWork> {
  const study = {
    config,
    folder: scratch,
    classes,
    device: "cpu",
    model: { schedulerConfig: sd.schedulerConfig, imageSize: SIZE, hash: sd.hash },
    precision: "fp32" as const,
  };
  const wanted = source.trains?.(config.sources[name] ?? null) ?? null;
  const generator = wanted && (await trainOnce(wanted));
  return {
    ...{ study, train, seed: 3, settings: source.settings(study, config.sources[name] ?? null) },
    withPixels: async (size, use) => {
      expect(size).toBe(SIZE);
      return use(fromTyped(pixels, [train.length, 3, SIZE, SIZE]));
    },
    model: () => ({ model: { imageSize: SIZE, hash: sd.hash }, get: () => sd }),
    words: () => words,
    generator: () => generator!,
    brought: () => [],
    // Bright images lie far out.
    judges: async () => ({
      ...{ hash: "bright", upper: 2 },
      distances: (_, images01) => images01.mean([1, 2, 3]).mul(2),
    }),
    folder: join(scratch, folder),
  };
}

const keyOf = ({ parent, recipe, variant, attempt }: ImageLine) =>
  `${parent} ${recipe} ${variant} ${attempt}`;

/** Those that draw; beside each stands one that takes only some of its images. */
const drawn = (Object.entries(sources) as [string, ImageSource][]).filter(
  ([, { sifts }]) => sifts === undefined,
);

it("beside every source there is one that sifts it", () => {
  const sifted = (Object.values(sources) as ImageSource[]).flatMap(({ sifts }) => sifts ?? []);
  expect(sifted.sort()).toEqual(drawn.map(([name]) => name).sort());
});

it("no two sources share a recipe", () => {
  const names = drawn.flatMap(([, { recipes }]) => Object.keys(recipes));
  expect(new Set(names).size).toBe(names.length);
});

it("a source that is not there is refused with those that are", () => {
  expect(() => sourceOf("dreams")).toThrow(/no source "dreams"\. Choose faithful, near-ood/);
});

describe.each(drawn)("the source %s", (name, source) => {
  const draw = async (folder: string, some?: (all: ImageRequest[]) => ImageRequest[]) => {
    const work = await workOf(name, source, folder);
    const all = source.requests(work);
    const requests = some ? some(all) : all;
    return { work, requests, lines: await source.draw(work, requests) };
  };
  const bytesOf = (folder: string, lines: readonly ImageLine[]) =>
    Promise.all(
      lines.map(async (line) => [keyOf(line), await readFile(join(scratch, folder, line.file), "base64")]),
    );

  it("says what it is, and has its section exactly where it has settings of its own", () => {
    expect(source.title).not.toBe("");
    expect(source.description).toMatch(/^[A-Z].*[^.]$/);
    const { sources: sections } = parseSettings({ photos: "p" }, "test");
    expect(name in sections).toBe(source.section !== null);
    expect(studySchema.safeParse({ photos: "p", sources: { [name]: { nonsense: 1 } } }).success).toBe(false);
  });

  it("draws what is requested, a line and an image each, of the training photos in the requests' order", async () => {
    const { requests, lines } = await draw(`${name}-all`);
    expect(lines).toHaveLength(requests.length);
    for (const [index, line] of lines.entries()) {
      const request = requests[index]!;
      const parent = train[request.photo]!;
      expect(line).toMatchObject({
        ...{ parent: parent.id, object: parent.object, className: parent.className, parentHash: parent.hash },
        ...{ kind: source.kind, recipe: request.recipe, variant: request.variant, attempt: 0 },
      });
      expect(Object.keys(source.recipes)).toContain(line.recipe);
      expect(classes).toContain(line.wordClass);
      expect(line.generator).not.toBe("");
      const image = await decodeImage(join(scratch, `${name}-all`, line.file), SIZE);
      expect(image).toHaveLength(3 * SIZE * SIZE);
    }
    const stored = await imageLines(join(scratch, `${name}-all`));
    expect(new Set(stored.map(({ file }) => file))).toEqual(new Set(lines.map(({ file }) => file)));
    expect(await readdir(join(scratch, `${name}-all`, "images"))).toHaveLength(lines.length);
  });

  it("draws each image whatever else is requested, and no image twice", async () => {
    const all = await draw(`${name}-all`);
    const few = await draw(`${name}-few`, (requests) => requests.filter((_, i) => i % 3 === 1).reverse());
    const expected = Object.fromEntries(await bytesOf(`${name}-all`, all.lines));
    for (const [key, bytes] of await bytesOf(`${name}-few`, few.lines)) expect(bytes).toBe(expected[key!]);
    const again: [number, number][] = [];
    await source.draw({ ...all.work, onProgress: (done, total) => again.push([done, total]) }, all.requests);
    expect(again).toEqual([[all.requests.length, all.requests.length]]);
  });

  it("draws another image at another attempt, unless the photo alone decides", async () => {
    const { requests, lines } = await draw(`${name}-all`, (all) => all.slice(0, 3));
    const work = await workOf(name, source, `${name}-again`);
    const second = await source.draw(
      work,
      requests.map((request) => ({ ...request, attempt: 1 })),
    );
    expect(second.map(({ attempt }) => attempt)).toEqual(second.map(() => 1));
    expect(second.map(({ seed }) => seed)).not.toEqual(lines.map(({ seed }) => seed));
  });

  it("follows a strength where its recipes have one", async () => {
    const strong = await draw(`${name}-strong`, (all) =>
      all
        .filter(({ recipe }) => source.recipes[recipe]?.hasStrength)
        .slice(0, 2)
        .map((request) => ({ ...request, strength: 1 })),
    );
    expect(strong.lines.map(({ strength }) => strength)).toEqual(strong.requests.map(() => 1));
  });
});

describe("collages", () => {
  it("mix training photos of two classes, and name the other one", async () => {
    const lines = await imageLines(join(scratch, "collage-all"));
    const recipes = Object.keys(sourceOf("collage").recipes);
    expect(new Set(lines.map(({ recipe }) => recipe))).toEqual(new Set(recipes));
    for (const { recipe, partner, className, wordClass } of lines) {
      if (["jigsaw", "elastic"].includes(recipe)) expect([partner, wordClass]).toEqual([null, className]);
      else {
        expect(wordClass).not.toBe(className);
        expect(train.find(({ id }) => id === partner)?.className).toBe(wordClass);
      }
    }
  });
});

describe("augmented copies", () => {
  it("are of the settings' augmentation alone: without any they are the photos", async () => {
    const source = sourceOf("augmented");
    const work = await workOf("augmented", source, "augmented-none");
    const plain = { ...work, settings: { augment: { preset: "none" }, variants: 1, imageSize: SIZE } };
    const lines = await source.draw(plain, source.requests(plain));
    expect(lines.map(({ parent }) => parent)).toEqual(train.map(({ id }) => id));
    for (const [place, { file }] of lines.entries()) {
      const image = await decodeImage(join(scratch, "augmented-none", file), SIZE);
      expect(image).toHaveLength(3 * SIZE * SIZE);
      image.forEach((value, i) => {
        expect(value).toBe(pixels[place * image.length + i]);
      });
    }
    const copies = await imageLines(join(scratch, "augmented-all"));
    expect(new Set(copies.map(({ file }) => file)).size).toBe(copies.length);
    for (const { file, parent } of copies) {
      const image = await decodeImage(join(scratch, "augmented-all", file), SIZE);
      const place = train.findIndex(({ id }) => id === parent);
      expect([...image]).not.toEqual([...pixels.subarray(place * image.length, (place + 1) * image.length)]);
    }
  });
});
