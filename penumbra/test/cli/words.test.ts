import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensor } from "@penumbra/torch";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { convertCommand } from "../../src/cli/convert.ts";
import { wordsCommand } from "../../src/cli/words.ts";
import { loadWords, StableDiffusion, saveWords } from "../../src/diffusion/index.ts";
import { tinyModels, tokenizerFolder } from "../sd-goldens.ts";
import { saveTinyModel } from "../study/tiny-model.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-words-"));
const at = (name: string) => join(folder, name);
let printed = "";
beforeAll(() => {
  saveTinyModel(at("model"));
  const sd = StableDiffusion.load(at("model"));
  const size = sd.textEncoder.config.hidden_size;
  const values = (count: number) => tensor(Array.from({ length: count * size }, (_, i) => Math.sin(i)));
  const words = [
    { className: "bolt", token: "<bolt>", vector: values(1) },
    { className: "nut", token: "<nut>", vector: values(2).reshape([2, size]) },
  ];
  saveWords({ words, modelHash: sd.hash }, at("words.safetensors"));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** Runs a command in this process; what it prints. */
async function run(command: typeof wordsCommand, ...args: string[]): Promise<string> {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  await command().exitOverride().parseAsync(args, { from: "user" });
  vi.restoreAllMocks();
  return printed;
}

test("words are listed, exported, imported again and drawn", async () => {
  const listed = await run(wordsCommand, "list", at("words.safetensors"));
  expect(listed).toMatch(/<bolt> {2}1 x \d+, length .*\(class bolt\)\n<nut> {2}2 x /);
  for (const format of ["diffusers", "a1111-pt"]) {
    await run(wordsCommand, "export", at("words.safetensors"), at(format), "--format", format);
    const files = (await readdir(at(format))).map((name) => join(at(format), name));
    expect(await run(wordsCommand, "list", files[0]!)).toMatch(/bolt/);
    const back = at(`${format}.safetensors`);
    await run(wordsCommand, "import", ...files, "--model", at("model"), "--out", back);
    const [before, after] = [loadWords(at("words.safetensors")), loadWords(back)];
    expect(after.modelHash).toBe(before.modelHash);
    expect(after.words.map(({ token, vector }) => [token, vector.shape, vector.toNumbers()])).toEqual(
      before.words.map(({ token, vector }) => [token, vector.shape, vector.toNumbers()]),
    );
  }
  const draw = [
    "draw",
    folder,
    "--model",
    at("model"),
    "--out",
    at("sheet.png"),
    "--images",
    "1",
    "--steps",
    "1",
  ];
  expect(await run(wordsCommand, ...draw)).toMatch(/sheet.png: <bolt>, <nut>, a row each/);
  await expect(run(wordsCommand, "list", at("none"))).rejects.toThrow(/nothing at/);
});

test("a model is converted to one file and back", async () => {
  cpSync(tinyModels[0] as string, at("clip"), { recursive: true });
  cpSync(tokenizerFolder, at("clip/tokenizer"), { recursive: true });
  expect(await run(convertCommand, at("clip"), at("one.safetensors"))).toMatch(
    /Wrote .*one.safetensors: \d+ px, predicts/,
  );
  await run(convertCommand, at("one.safetensors"), at("again"));
  expect(StableDiffusion.load(at("again")).unet.convOut.weight.toNumbers()).toEqual(
    StableDiffusion.load(at("clip")).unet.convOut.weight.toNumbers(),
  );
  await expect(run(convertCommand, at("model"), at("x.safetensors"))).rejects.toThrow(
    /a vocabulary of its own/,
  );
  await expect(run(convertCommand, at("model"), at("x"), "--lora", "a=b")).rejects.toThrow(
    /no number after "="/,
  );
});
