import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { ClipTokenizer } from "../../../src/diffusion/index.ts";
import { eachGolden } from "../../goldens.ts";
import { tokenizerFolder } from "../../sd-goldens.ts";

const tokenizer = ClipTokenizer.load(tokenizerFolder);
const aside = mkdtempSync(join(tmpdir(), "penumbra-tokenizer-"));
afterAll(() => rmSync(aside, { recursive: true }));

describe("ClipTokenizer", () => {
  eachGolden("sd", "tokens", (golden) => {
    const texts = golden.json.texts as string[];
    expect(tokenizer.encodeBatch(texts).tolist()).toEqual(golden.tensors.ids?.tolist());
  });

  test("every text becomes maxLength ids with one start mark in front and an end mark", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), (text) => {
        const ids = tokenizer.encode(text);
        expect(ids).toHaveLength(tokenizer.maxLength);
        expect(ids[0]).toBe(tokenizer.startId);
        expect(ids).toContain(tokenizer.endId);
        expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true);
      }),
    );
  });

  test("decoding gives the words back", () => {
    const text = "a photo of a café, 2 x 5 vertical pin header 😀";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe("a photo of a café , 2 x 5 vertical pin header 😀");
  });

  test("words of one's own get the next ids, and are found whole, in any case, the longest first", () => {
    const own = tokenizer.withTokens(["<bolt>", "<bolt>x", "<nut>"]);
    const ids = own.tokens("a <Bolt>,<bolt>x<nut>s");
    const [a, comma, s] = ["a</w>", ",</w>", "s</w>"].map((piece) => own.idOf(piece));
    expect(ids).toEqual([a, 49_408, comma, 49_409, 49_410, s]);
    expect(own.vocabSize).toBe(49_411);
    expect(tokenizer.tokens("<bolt>")).not.toContain(49_408);
    expect(own.withTokens(["<late>"], 60_000).tokens("<late>")).toEqual([60_000]);
  });

  test("a word that is empty or there already cannot be added", () => {
    const own = tokenizer.withTokens(["<bolt>"]);
    expect(() => own.withTokens(["<BOLT>"])).toThrow(/"<BOLT>" cannot be added: it is there already/);
    expect(() => own.withTokens([" "])).toThrow(/is empty/);
    expect(() => own.withTokens(["<|endoftext|>"])).toThrow(/is there already/);
  });

  test("a long text is cut and still ends with the end mark", () => {
    const ids = tokenizer.encode("relay ".repeat(200));
    expect(ids).toHaveLength(77);
    expect(ids[76]).toBe(tokenizer.endId);
  });

  test("what was saved is read the same, words of one's own and another padding too", () => {
    const folder = join(aside, "saved");
    tokenizer.withTokens(["<bolt>"]).save(folder);
    writeFileSync(join(folder, "special_tokens_map.json"), JSON.stringify({ pad_token: { content: "!" } }));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ model_max_length: 1e30 }));
    const read = ClipTokenizer.load(folder);
    expect(read.tokens("a photo of a <bolt>")).toEqual(
      tokenizer.withTokens(["<bolt>"]).tokens("a photo of a <bolt>"),
    );
    expect(read.encode("relay").at(-1)).toBe(0); // "!" has the id 0: the padding of Stable Diffusion 2.x
    expect(read.maxLength).toBe(77);
  });

  test("a missing or broken file is named", () => {
    expect(() => ClipTokenizer.load(join(aside, "nowhere"))).toThrow(/nowhere holds neither vocab\.json nor/);
    writeFileSync(join(aside, "vocab.json"), "{");
    expect(() => ClipTokenizer.load(aside)).toThrow(/merges\.txt cannot be read/);
    writeFileSync(join(aside, "merges.txt"), "a b\n");
    expect(() => ClipTokenizer.load(aside)).toThrow(/vocab\.json is no JSON/);
    writeFileSync(join(aside, "vocab.json"), '{"a": 0}');
    expect(() => ClipTokenizer.load(aside)).toThrow(/lacks the token "<\|startoftext\|>"/);
  });
});
