import { fileURLToPath } from "node:url";
import { Random } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { ClipTokenizer, TEMPLATES } from "../../../src/diffusion/index.ts";
import { CaptionTable } from "../../../src/generators/latent-diffusion/captions.ts";

const tokenizer = ClipTokenizer.load(fileURLToPath(new URL("../../../mini/tokenizer", import.meta.url)));

describe("CaptionTable", () => {
  const captions = ["a photo of a relay", "two fuses side by side"];
  const table = new CaptionTable(captions, tokenizer);
  const textOf = (row: number) =>
    table.ids
      .select(0, row)
      .toNumbers()
      .map((place) => table.vocabulary[place]!);

  test("holds captions as the tokenizer encodes them, in a vocabulary of their own", () => {
    expect(textOf(table.plain(0))).toEqual(tokenizer.encode(captions[0]!));
    expect(textOf(table.plain(1))).toEqual(tokenizer.encode(captions[1]!));
    expect(textOf(table.empty)).toEqual(tokenizer.encode(""));
    expect(table.ids.shape[0]).toBe(captions.length + TEMPLATES.length + 1);
  });

  test("retells only captions of the plain form and leaves out the given share", () => {
    const random = new Random(1);
    const draws = Array.from({ length: 4000 }, () =>
      table.draw(0, random, { dropout: 0.1, templateShare: 0.5 }),
    );
    const share = (test: (row: number) => boolean) => draws.filter(test).length / draws.length;
    expect(share((row) => row === table.empty)).toBeCloseTo(0.1, 1);
    expect(share((row) => row === table.plain(0))).toBeCloseTo(0.45, 1);
    const other = new Set(
      Array.from({ length: 200 }, () => table.draw(1, random, { dropout: 0, templateShare: 1 })),
    );
    expect([...other]).toEqual([table.plain(1)]);
  });
});
