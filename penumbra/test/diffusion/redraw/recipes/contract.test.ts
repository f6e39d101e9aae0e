// What every recipe of the table must hold: a new entry is tested the moment it is listed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ones, Random, rand, tensor } from "@penumbra/torch";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { IMAGE_KINDS } from "../../../../src/data/index.ts";
import {
  defaultSampler,
  planRedraws,
  RECIPES,
  type Recipe,
  recipeNames,
  recipesOf,
  redraw,
  StableDiffusion,
  type Words,
} from "../../../../src/diffusion/index.ts";
import { decodeImage } from "../../../../src/images/index.ts";
import { parseSettings, studyJsonSchema } from "../../../../src/study/index.ts";
import { tinyModels, tokenizerFolder } from "../../../sd-goldens.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-recipes-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wordsFor = (names: readonly string[]): Words => ({
  modelHash: "",
  words: names.map((name) => ({ className: name, token: `<${name}>`, vector: tensor([0]) })),
});
const settingsOf = (given: object = {}) =>
  parseSettings({ photos: "photos", redraw: { recipes: given } }, "test").redraw.recipes;

test("each kind has a recipe, and a kind's recipes come in the table's order", () => {
  const all = settingsOf(Object.fromEntries(recipeNames.map((name) => [name, { variants: 1 }])));
  const byKind = IMAGE_KINDS.map((kind) => recipesOf(kind, all, 2).map(({ name }) => name));
  for (const names of byKind) {
    expect(names.length).toBeGreaterThan(0);
    expect(recipeNames.filter((name) => names.includes(name))).toEqual(names);
  }
  expect(byKind.flat().sort()).toEqual([...recipeNames].sort());
});

describe.each(recipeNames)("the recipe %s", (name) => {
  const recipe: Recipe = RECIPES[name];

  test("says what it is, under a name that files and settings can have", () => {
    for (const text of [recipe.title, recipe.description]) expect(text.trim()).not.toBe("");
    expect(IMAGE_KINDS).toContain(recipe.kind);
    expect(name).toMatch(/^[a-z][\w-]*$/);
  });

  test("has defaults, and refuses strengths outside of 0..1 and less than no variants", () => {
    const { strengths } = recipe.settings.parse({});
    for (const strength of strengths) expect(strength > 0 && strength <= 1).toBe(true);
    for (const wrong of [{ strengths: [] }, { strengths: [0] }, { strengths: [1.1] }, { variants: -1 }])
      expect(recipe.settings.safeParse(wrong).success).toBe(false);
  });

  test("is set by a study's configuration, and described in its JSON Schema", () => {
    expect(settingsOf({ [name]: { strengths: [0.123] } })[name].strengths).toEqual([0.123]);
    expect(() => settingsOf({ [name]: { noSuchSetting: 1 } })).toThrow(
      new RegExp(`redraw.recipes.${name}.noSuchSetting`),
    );
    expect(JSON.stringify(studyJsonSchema())).toContain(recipe.description);
  });

  const compose = (classes: readonly string[], className: string, seed: number) =>
    recipe.compose({
      words: wordsFor(classes),
      ...{ className, settings: recipe.settings.parse({}), random: new Random(seed) },
      noiseLike: (like) => ones([...like.shape]),
    });

  test("is left out without variants, and for a single class only where it needs another one", () => {
    const named = (variants: number, classes: number) =>
      recipesOf(recipe.kind, settingsOf({ [name]: { variants } }), classes).map((chosen) => chosen.name);
    expect(named(0, 2)).not.toContain(name);
    expect(named(1, 2)).toContain(name);
    expect(named(1, 1).includes(name)).toBe(!recipe.needsOtherClass);
    if (recipe.needsOtherClass)
      expect(() => compose(["a"], "a", 0)).toThrow(new RegExp(`"${name}".*there is none`));
    else expect(compose(["a"], "a", 0).wordClass).toBe("a");
  });

  test("draws under words of those that there are, by the image's seed alone", () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom("a", "b", "c"), (seed, className) => {
        const { word, wordClass, vectors } = compose(["a", "b", "c"], className, seed);
        expect(["a", "b", "c"]).toContain(wordClass);
        expect(compose(["a", "b", "c"], className, seed).wordClass).toBe(wordClass);
        for (const { token } of vectors) expect(token).toBe(word);
      }),
    );
    // A recipe that uses no learned word needs none.
    const needsWord = compose(["a", "b"], "a", 0).vectors.length > 0;
    if (needsWord) expect(() => compose(["a", "b"], "z", 0)).toThrow(/no word.*"z"/);
  });

  test("plans as many images of each photo as it is told, each with a seed of its own", () => {
    const plan = planRedraws({
      photos: [
        { id: "p", className: "a" },
        { id: "q", className: "b" },
      ],
      words: wordsFor(["a", "b"]),
      recipes: [{ name, strengths: [0.4], variants: 3 }],
      seed: 0,
    });
    expect(plan).toHaveLength(6);
    expect(new Set(plan.map(({ seed }) => seed)).size).toBe(6);
    expect(() =>
      planRedraws({
        photos: [],
        words: wordsFor(["a"]),
        recipes: [{ name, strengths: [], variants: 1 }],
        seed: 0,
      }),
    ).toThrow(new RegExp(`recipe "${name}"`));
  });

  test.skipIf(tinyModels.length === 0)("draws images whose lines say so", async () => {
    const sd = StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
    const vector = (id: number) => sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id).clone();
    const lines = await redraw({
      sd,
      words: {
        modelHash: sd.hash,
        words: [
          { className: "bolt", token: "<bolt>", vector: vector(320) },
          { className: "nut", token: "<nut>", vector: vector(1929) },
        ],
      },
      photos: [{ id: "bolt/0.png", object: "bolt/0", className: "bolt" }],
      pixels: rand([1, 3, sd.imageSize, sd.imageSize]).mul(255).to("uint8"),
      recipes: [{ name, strengths: [0.5], variants: 2 }],
      steps: 4,
      seed: 0,
      guide: { hash: "bright", upper: 2, distances: (_, images01) => images01.mean([1, 2, 3]) },
      folder: join(scratch, name),
    });
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).toMatchObject({
        recipe: name,
        kind: recipe.kind,
        strength: 0.5,
        variant: expect.any(Number),
        sampler: defaultSampler(sd.schedulerConfig),
      });
      expect((await decodeImage(join(scratch, name, line.file), 8)).length).toBe(3 * 8 * 8);
    }
  });
});
