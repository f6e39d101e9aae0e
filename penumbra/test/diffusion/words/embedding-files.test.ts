import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { load, type Tensor, tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import { EMBEDDING_FORMATS, readEmbeddings, writeEmbeddings } from "../../../src/diffusion/index.ts";
import { goldenFolder } from "../../goldens.ts";

const folder = join(goldenFolder, "embeddings");
const aside = mkdtempSync(join(tmpdir(), "penumbra-embeddings-"));
afterAll(() => rmSync(aside, { recursive: true }));

interface Case {
  readonly kind: string;
  readonly file: string;
  readonly token?: string | null;
  readonly refused_global?: string;
  readonly vectors?: { readonly shape: readonly number[]; readonly values: readonly number[] };
}
const cases = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name): Case => JSON.parse(readFileSync(join(folder, name), "utf8")));

describe("words as other programs write them", () => {
  test.each(cases.filter(({ kind }) => kind === "diffusers" || kind === "a1111"))("$file", (given) => {
    const [word, ...others] = readEmbeddings(join(folder, given.file));
    expect(others).toEqual([]);
    expect(word!.token).toBe(given.token ?? basename(given.file, extname(given.file)));
    const { shape, values } = given.vectors!;
    expect(word!.vector.shape).toEqual(shape.length === 1 ? [1, ...shape] : shape);
    expect(word!.vector.toNumbers()).toEqual(values.map((value) => Math.fround(value)));
  });

  test.each(cases.filter(({ kind }) => kind === "refuse"))(
    "$file is refused, and nothing in it is run",
    (given) => {
      expect(() => readEmbeddings(join(folder, given.file))).toThrow(given.refused_global);
    },
  );

  test("of other kinds are refused with what is wrong", () => {
    const write = (words: Record<string, Tensor>) =>
      writeEmbeddings(
        Object.entries(words).map(([token, vector]) => ({ token, vector })),
        aside,
        "diffusers",
      )[0]!;
    expect(() => readEmbeddings(write({ clip_g: tensor([1, 2]) }))).toThrow(/Stable Diffusion XL/);
    const many = tensor(Array.from({ length: 18 }, (_, i) => i)).reshape([9, 2]);
    expect(() => readEmbeddings(write({ "<a>": many }))).toThrow(/has 9 vectors, and 8 are the most/);
  });
});

describe("words as other programs read them", () => {
  const words = [
    { token: "<bolt>", vector: tensor([1, 2, 3]) },
    { token: "<nut>", vector: tensor([4, 5, 6, 7, 8, 9]).reshape([2, 3]) },
  ];
  test.each(EMBEDDING_FORMATS)("%s, and back", (format) => {
    const files = writeEmbeddings(words, aside, format);
    const read = files.flatMap(readEmbeddings);
    const isOneEach = format.startsWith("a1111");
    expect(files).toHaveLength(isOneEach ? 2 : 1);
    expect(read.map(({ token }) => token)).toEqual(isOneEach ? ["bolt", "nut"] : ["<bolt>", "<nut>"]);
    expect(read.map(({ vector }) => vector.shape)).toEqual([
      [1, 3],
      [2, 3],
    ]);
    expect(read.flatMap(({ vector }) => vector.toNumbers())).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("an embedding of AUTOMATIC1111 has the fields of one", () => {
    const [file] = writeEmbeddings(words.slice(0, 1), aside, "a1111-pt");
    expect(load(file!)).toMatchObject({ string_to_token: { "*": 265 }, name: "bolt", step: 0 });
  });
});
