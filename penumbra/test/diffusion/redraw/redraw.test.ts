import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromTyped, Generator, rand, type Tensor, tensor, zeros } from "@penumbra/torch";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type Photo, readManifest } from "../../../src/data/index.ts";
import type { ChosenRecipe } from "../../../src/diffusion/index.ts";
import { StableDiffusion } from "../../../src/diffusion/index.ts";
import { planRedraws } from "../../../src/diffusion/redraw/plan.ts";
import { type RedrawOptions, redraw } from "../../../src/diffusion/redraw/redraw.ts";
import type { Words } from "../../../src/diffusion/words/words.ts";
import { decodeImage } from "../../../src/images/index.ts";
import { lookLike } from "../../data/folder.ts";
import { tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-redraw-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const FAITHFUL: ChosenRecipe = { name: "faithful", strengths: [0.25, 0.5], variants: 2 };
const DRIFT: ChosenRecipe = { name: "drift", strengths: [0.75], variants: 2 };
const CROSSED: ChosenRecipe = { name: "crossed", strengths: [0.5], variants: 2 };

describe("the plan of redraws", () => {
  const classes = ["a", "b", "c"];
  const wordsFor = (names: readonly string[]): Words => ({
    modelHash: "",
    words: names.map((name) => ({ className: name, token: `<${name}>`, vector: tensor([0]) })),
  });
  const words = wordsFor(classes);
  const photo = fc.record({ id: fc.string(), className: fc.constantFrom(...classes) });
  const input = fc.record({
    photos: fc.uniqueArray(photo, { selector: ({ id }) => id, minLength: 1, maxLength: 6 }),
    recipes: fc
      .tuple(...[FAITHFUL, DRIFT, CROSSED].map(() => fc.integer({ min: 1, max: 4 })))
      .map((counts) =>
        [FAITHFUL, DRIFT, CROSSED].map((recipe, i) => ({ ...recipe, variants: counts[i] as number })),
      ),
    seed: fc.nat(),
  });

  test("has every photo as a parent, no other one, and stays in the recipe", () => {
    fc.assert(
      fc.property(input, ({ photos, recipes, seed }) => {
        const plan = planRedraws({ photos, words, recipes, seed });
        const variants = recipes.reduce((sum, recipe) => sum + recipe.variants, 0);
        expect(plan).toHaveLength(photos.length * variants);
        for (const { photo, recipe, strength, wordClass, word } of plan) {
          const parent = photos[photo];
          expect(parent).toBeDefined();
          expect(recipe.strengths).toContain(strength);
          expect(wordClass === parent?.className).toBe(recipe.name !== "crossed");
          expect(word).toBe(`<${wordClass}>`);
        }
      }),
    );
  });

  test("decides about an image whatever other photos, recipes and variants there are", () => {
    fc.assert(
      fc.property(input, ({ photos, recipes, seed }) => {
        const all = planRedraws({ photos, words, recipes, seed });
        const last = photos.length - 1;
        const crossed = { ...CROSSED, variants: 1 };
        const alone = planRedraws({ photos: [photos[last]!], words, recipes: [crossed], seed });
        const found = all.find(
          ({ photo, recipe, variant }) => photo === last && recipe.name === "crossed" && variant === 0,
        );
        expect({ ...alone[0], photo: last, recipe: found?.recipe }).toEqual(found);
      }),
    );
  });

  test("draws all strengths about equally often", () => {
    const counts = new Map<number, number>();
    const options = { photos: [{ id: "p", className: "a" }], words, seed: 1 };
    for (const { strength } of planRedraws({ ...options, recipes: [{ ...FAITHFUL, variants: 1000 }] })) {
      counts.set(strength, (counts.get(strength) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(80); // five standard deviations
  });

  test("refuses to cross a class with itself, and strengths outside 0..1", () => {
    const one = { photos: [{ id: "p", className: "a" }], seed: 0 };
    expect(() => planRedraws({ ...one, words: wordsFor(["a"]), recipes: [CROSSED] })).toThrow(
      "there is none",
    );
    for (const strengths of [[], [0], [1.1]]) {
      expect(() => planRedraws({ ...one, words, recipes: [{ ...DRIFT, strengths }] })).toThrow(
        'recipe "drift"',
      );
    }
  });
});

describe.skipIf(tinyModels.length === 0)("redraw", () => {
  const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
  const size = sd.imageSize;
  const photo = (className: string, object: number): Photo => ({
    id: `known/${className}/${object}/0.png`,
    className,
    object: `${className}/${object}`,
    view: "0",
    look: lookLike(`${className}/${object}`),
    role: "known",
    hash: `${className}${object}`,
    width: size,
    height: size,
  });
  const photos = [photo("bolt", 0), photo("bolt", 1), photo("nut", 0)];
  const pixels = fromTyped(
    Uint8Array.from({ length: photos.length * 3 * size * size }, (_, i) => (i * 11 + (i >> 7)) % 256),
    [photos.length, 3, size, size],
  );
  const vector = (id: number) => sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id).clone();
  const words: Words = {
    modelHash: sd.hash,
    words: [
      { className: "bolt", token: "<bolt>", vector: vector(320) },
      { className: "nut", token: "<nut>", vector: vector(1929) },
    ],
  };
  const options = (folder: string): RedrawOptions => ({
    sd,
    words,
    photos,
    pixels,
    recipes: [FAITHFUL, DRIFT, CROSSED],
    steps: 4,
    guidanceScale: 2,
    seed: 3,
    batchSize: 4,
    folder: join(scratch, folder),
  });
  const read = async (folder: string, file: string): Promise<Uint8Array> =>
    (await decodeImage(join(scratch, folder, file), size)) as unknown as Uint8Array;
  const files = (folder: string) => readdirSync(join(scratch, folder, "images")).sort();

  const byFile = <T extends { file: string }>(lines: readonly T[]) =>
    [...lines].sort((a, b) => (a.file < b.file ? -1 : 1));

  test("writes an image and a line for each photo, recipe and variant", async () => {
    const lines = await redraw(options("all"));
    expect(lines).toHaveLength(3 * 3 * 2);
    expect(byFile([...(await readManifest(join(scratch, "all"))).values()])).toEqual(byFile(lines));
    expect(files("all")).toEqual(lines.map(({ file }) => file.slice("images/".length)).sort());
    for (const line of lines) {
      const parent = photos.find(({ id }) => id === line.parent);
      expect(parent).toMatchObject({ object: line.object, className: line.className, hash: line.parentHash });
      expect(line.prompt).toContain(line.word);
      expect(line.signal ** 2 + line.noise ** 2).toBeCloseTo(1, 6);
    }
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(["faithful", "near-ood"]));
  });

  test("changes no image with batch size or order of photos, beyond rounding", async () => {
    const lines = await redraw(options("all"));
    const reversed = pixels.indexSelect(0, tensor([2, 1, 0], { dtype: "int64" }));
    const others = await redraw({
      ...options("other"),
      photos: [...photos].reverse(),
      pixels: reversed,
      batchSize: 7,
    });
    expect(new Set(others.map(({ file }) => file))).toEqual(new Set(lines.map(({ file }) => file)));
    let worst = 0;
    for (const { file } of lines) {
      const [a, b] = [await read("all", file), await read("other", file)];
      a.forEach((value, i) => {
        worst = Math.max(worst, Math.abs(value - b[i]!));
      });
    }
    console.log(`largest difference between batch sizes 4 and 7: ${worst} of 255`);
    expect(worst).toBeLessThanOrEqual(1); // a float that lies at x.5 may be rounded either way
  });

  test("goes on after an interruption and makes only what is missing", async () => {
    const lines = await redraw(options("all"));
    const interrupted = redraw({
      ...options("cut"),
      onProgress: (done) => {
        if (done >= 8) throw new Error("interrupted");
      },
    });
    await expect(interrupted).rejects.toThrow("interrupted");
    const manifest = join(scratch, "cut", "manifest.jsonl");
    const begun = files("cut").length;
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThan(lines.length);
    writeFileSync(manifest, readFileSync(manifest, "utf8").slice(0, -40)); // the last line was being written
    const progress: number[] = [];
    expect(await redraw({ ...options("cut"), onProgress: (done) => progress.push(done) })).toEqual(lines);
    expect(progress[0]).toBe(begun - 1);
    expect(readFileSync(manifest, "utf8")).toBe(readFileSync(join(scratch, "all", "manifest.jsonl"), "utf8"));
    expect(files("cut")).toEqual(files("all"));
    const again: number[] = [];
    await redraw({ ...options("cut"), onProgress: (done) => again.push(done) });
    expect(again).toEqual([lines.length]);
  });

  test("refuses unknowns, missing words, words of another model, and pixels that do not fit", async () => {
    const unknown: Photo = { ...(photos[0] as Photo), role: "near" };
    await expect(redraw({ ...options("bad"), photos: [unknown, ...photos.slice(1)] })).rejects.toThrow(
      "may not be redrawn",
    );
    await expect(
      redraw({ ...options("bad"), words: { ...words, words: words.words.slice(0, 1) } }),
    ).rejects.toThrow(/no word for the class "nut"|there is none/);
    await expect(redraw({ ...options("bad"), words: { ...words, modelHash: "0" } })).rejects.toThrow(
      "another model",
    );
    await expect(redraw({ ...options("bad"), pixels: pixels.narrow(0, 0, 2) as Tensor })).rejects.toThrow(
      "3 photos",
    );
  });
});

describe.skipIf(tinyModels.length === 0)("recipes with settings of their own", () => {
  const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
  const side = sd.imageSize;
  const vector = (id: number) => sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id).clone();
  const photo = { id: "bolt/0.png", object: "bolt/0", className: "bolt" };
  const options = (folder: string, recipe: ChosenRecipe): RedrawOptions => ({
    sd,
    words: {
      modelHash: sd.hash,
      words: [
        { className: "bolt", token: "<bolt>", vector: vector(320) },
        { className: "nut", token: "<nut>", vector: vector(1929) },
      ],
    },
    photos: [photo],
    pixels: rand([1, 3, side, side], { generator: new Generator({ seed: 1 }) })
      .mul(255)
      .to("uint8"),
    ...{ recipes: [recipe], steps: 4, guidanceScale: 2, seed: 3, folder: join(scratch, folder) },
  });
  const pixelsOf = async (folder: string, file: string) => [
    ...((await decodeImage(join(scratch, folder, file), side)) as unknown as Uint8Array),
  ];

  test("own prompts, one of them per image, may name the class and guidance follows the strength", async () => {
    const prompts = ["a {} on the floor", "a broken {class}"];
    const lines = await redraw(
      options("prompts", {
        ...{ name: "faithful", strengths: [0.5, 1], variants: 8, prompts, guidanceScale: [1, 3] },
      }),
    );
    expect([...new Set(lines.map(({ prompt }) => prompt))].sort()).toEqual([
      "a <bolt> on the floor",
      "a broken bolt",
    ]);
    for (const { strength, guidanceScale } of lines) expect(guidanceScale).toBe(strength === 1 ? 3 : 1);
  });

  test("in sequence an image is redrawn by all strengths, one after the other", async () => {
    const [line] = await redraw(
      options("sequence", { name: "faithful", strengths: [0.5, 0.25], variants: 1, stacking: "sequence" }),
    );
    expect(line).toMatchObject({ passes: [0.5, 0.25], strength: 0.5 });
    const once = await redraw(options("once", { name: "faithful", strengths: [0.5], variants: 1 }));
    expect(line!.calls).toBeGreaterThan(once[0]!.calls);
    expect(await pixelsOf("sequence", line!.file)).not.toEqual(await pixelsOf("once", once[0]!.file));
  });

  test("what is kept of a photo is the photo's own pixels; a photo without a mask is refused", async () => {
    const recipe: ChosenRecipe = {
      name: "faithful",
      strengths: [1],
      variants: 1,
      keep: "ground",
      maskGrowth: 0,
    };
    const mask = zeros([1, side, side]);
    mask.narrow(2, 0, side / 2).fill_(1); // the object: the left half
    const given = options("kept", recipe);
    const [line] = await redraw({ ...given, masks: new Map([[photo.id, mask]]) });
    expect(line?.kept).toMatch(/^ground/);
    const drawn = await pixelsOf("kept", line!.file);
    const before = given.pixels.toNumbers();
    const differs = drawn.map((value, i) => value !== before[i]);
    const isRight = (i: number) => i % side >= side / 2;
    expect(differs.filter((each, i) => each && isRight(i))).toHaveLength(0);
    expect(differs.filter((each, i) => each && !isRight(i)).length).toBeGreaterThan((3 * side * side) / 4);
    await expect(redraw(options("kept", recipe))).rejects.toThrow(/"bolt\/0.png" has no mask/);
  });

  test("a word's noise and its share of another class are the image's own, and stand in its line", async () => {
    const noisy = await redraw(
      options("noisy", { name: "noisy-word", strengths: [0.5], variants: 2, deviation: 0.1 } as ChosenRecipe),
    );
    expect(noisy.map(({ facts }) => facts)).toEqual([{ wordDeviation: 0.1 }, { wordDeviation: 0.1 }]);
    const between = await redraw(
      options("between", {
        name: "interpolated",
        strengths: [0.5],
        variants: 2,
        shares: [0.25],
      } as ChosenRecipe),
    );
    expect(between[0]).toMatchObject({ wordClass: "nut", word: "<bolt>", facts: { wordShare: 0.25 } });
  });

  test("unconditionally neither prompt nor guidance counts; a class's name needs no learned word", async () => {
    const [line] = await redraw(options("free", { name: "unconditional", strengths: [0.5], variants: 1 }));
    expect(line).toMatchObject({ prompt: "", guidanceScale: 1 });
    const [named] = await redraw({
      ...options("named", { name: "class-name", strengths: [0.5], variants: 1 }),
      words: { modelHash: sd.hash, words: [] },
    });
    expect(named?.prompt).toBe("a photo of a bolt");
  });

  test("guidance leads away from a negative prompt, which may be the class's own name", async () => {
    const recipe: ChosenRecipe = { name: "faithful", strengths: [0.75], variants: 1 };
    const [plain] = await redraw(options("plain", recipe));
    const [away] = await redraw(options("away", { ...recipe, negativePrompt: "a {class}" }));
    expect(plain).not.toHaveProperty("negativePrompt");
    expect(away).toMatchObject({ negativePrompt: "a bolt", prompt: plain!.prompt, seed: plain!.seed });
    expect(await pixelsOf("away", away!.file)).not.toEqual(await pixelsOf("plain", plain!.file));
  });

  test("a negative prompt that nothing leads away from is refused", async () => {
    const recipe: ChosenRecipe = { name: "faithful", strengths: [0.5, 1], variants: 4, negativePrompt: "x" };
    const refusal = /"faithful" has the negative prompt "x", and nothing would lead away from it/;
    await expect(redraw(options("wrong", { ...recipe, guidanceScale: [1, 3] }))).rejects.toThrow(refusal);
    await expect(
      redraw(options("wrong", { ...recipe, name: "unconditional", strengths: [1] })),
    ).rejects.toThrow(/nothing would lead away/);
  });

  test("guidance that does not fit the strengths is refused", async () => {
    const recipe: ChosenRecipe = { name: "drift", strengths: [0.5, 1], variants: 1, guidanceScale: [2] };
    await expect(redraw(options("wrong", recipe))).rejects.toThrow(/"guidanceScale" has 1 numbers for 2/);
  });

  test("ends between two steps when it is told to, and the images so far are whole", async () => {
    const stop = new AbortController();
    const recipe: ChosenRecipe = { name: "faithful", strengths: [1], variants: 3 };
    const seen: number[] = [];
    const stopped = redraw({
      ...options("stopped", recipe),
      batchSize: 1,
      signal: stop.signal,
      onProgress: (done) => {
        seen.push(done);
        if (done > 1) stop.abort(new Error("enough"));
      },
    });
    await expect(stopped).rejects.toThrow("enough");
    expect(seen.some((done) => done > 0 && done < 1)).toBe(true); // told at each step
    const known = await readManifest(join(scratch, "stopped"));
    expect(known.size).toBe(1);
    expect(await redraw(options("stopped", recipe))).toHaveLength(3);
  });
});
