import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rand, safetensors } from "@penumbra/torch";
import { afterAll, expect, test } from "vitest";
import { checkDimensions, importWords, saveWords, writeEmbeddings } from "../../../src/diffusion/index.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-imported-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);
const vectors = { "<pin_header>": rand([2, 8]), relay: rand([8]), "<other>": rand([8]) };
safetensors.write(file("learned_embeds.safetensors"), vectors);

test("words are those of the classes whose names they have, with brackets or without, in the classes' order", () => {
  const words = importWords([file("learned_embeds.safetensors")], ["relay", "Pin header"]);
  expect(words.map(({ className, token }) => [className, token])).toEqual([
    ["relay", "<relay>"],
    ["Pin header", "<pin_header>"],
  ]);
  expect(words[0]!.vector.tolist()).toEqual(vectors.relay.tolist());
  expect(words[1]!.vector.tolist()).toEqual(vectors["<pin_header>"].tolist());
});

test("they come from several files, of other programs and of a study", () => {
  writeEmbeddings([{ token: "<fuse>", vector: rand([8]) }], folder, "a1111-pt");
  const own = { className: "Big relay", token: "<big_relay>", vector: rand([8]) };
  saveWords({ words: [own], modelHash: "m" }, file("words.safetensors"));
  const words = importWords([file("fuse.pt"), file("words.safetensors")], ["Big relay", "fuse"]);
  expect(words.map(({ token }) => token)).toEqual(["<big_relay>", "<fuse>"]);
  expect(words[0]!.vector.tolist()).toEqual(own.vector.tolist());
});

test("a class without a word, one with two, and vectors of another model are refused by name", () => {
  const embeds = file("learned_embeds.safetensors");
  expect(() => importWords([embeds], ["relay", "bolt", "nut"])).toThrow(
    /no word for the class "bolt" \(<bolt>\), the class "nut" \(<nut>\).*The words are <other>, <pin_header>, <relay>/,
  );
  expect(() => importWords([embeds, embeds], ["relay"])).toThrow(/"relay" has 2 words/);
  expect(() => checkDimensions(importWords([embeds], ["relay"]), 16)).toThrow(
    /<relay> has vectors of 8 numbers.*have 16/,
  );
});
