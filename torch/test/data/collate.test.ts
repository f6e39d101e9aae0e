import { describe, expect, expectTypeOf, test } from "vitest";
import { data, ones, scope, type Tensor, TorchError, tensor, zeros } from "../../src/index.ts";

describe("Items are put together", () => {
  test("to tensors by their kind, part by part", () => {
    scope(() => {
      const item = (i: number) => ({
        image: ones([2, 3]).mul(i),
        label: i,
        big: BigInt(i),
        isKnown: i === 1,
        name: `item ${i}`,
        bytes: Uint8Array.of(i, i + 1),
        pair: [i + 0.5, { deep: Float64Array.of(i) }] as [number, { deep: Float64Array }],
      });
      const batch = data.collate([item(0), item(1), item(2)], {
        dtypes: { label: "int64", "pair.0": "float64" },
      });
      expectTypeOf(batch.image).toEqualTypeOf<Tensor>();
      expectTypeOf(batch.name).toEqualTypeOf<string[]>();
      expectTypeOf(batch.pair).toEqualTypeOf<[Tensor, { deep: Tensor }]>();
      expect(batch.image.shape).toEqual([3, 2, 3]);
      expect(batch.image.at(2).tolist()).toEqual(ones([2, 3]).mul(2).tolist());
      expect([batch.label.dtype, batch.label.tolist()]).toEqual(["int64", [0, 1, 2]]);
      expect([batch.big.dtype, batch.big.tolist()]).toEqual(["int64", [0, 1, 2]]);
      expect([batch.isKnown.dtype, batch.isKnown.tolist()]).toEqual(["bool", [0, 1, 0]]);
      expect(batch.name).toEqual(["item 0", "item 1", "item 2"]);
      expect([batch.bytes.dtype, batch.bytes.tolist()]).toEqual([
        "uint8",
        [
          [0, 1],
          [1, 2],
          [2, 3],
        ],
      ]);
      expect([batch.pair[0].dtype, batch.pair[0].tolist()]).toEqual(["float64", [0.5, 1.5, 2.5]]);
      expect([batch.pair[1].deep.dtype, batch.pair[1].deep.shape]).toEqual(["float64", [3, 1]]);
    });
  });

  test("as numbers that are float32 whatever their values, unless another dtype is asked for", () => {
    scope(() => {
      expect(data.collate([1, 2, 3]).dtype).toBe("float32");
      expect(data.collate([1, 2, 3], { dtypes: { "": "int64" } }).dtype).toBe("int64");
      expect(data.collate([tensor(1, { dtype: "int64" }), tensor(2, { dtype: "int64" })]).dtype).toBe(
        "int64",
      );
    });
  });

  test.each<[string, readonly unknown[], RegExp]>([
    [
      "of different shapes",
      [{ x: zeros([2]) }, { x: zeros([3]) }],
      /at "x", item 1 .*\[3\], and the first one \[2\]/,
    ],
    [
      "of different kinds",
      [[1], ["a"]],
      /at "0", item 1 of the batch has a string, and the first one a number/,
    ],
    ["of different keys", [{ x: 1 }, { y: 1 }], /item 1 of the batch has the keys y, and the first one x/],
    ["of different lengths", [[1, 2], [1]], /item 1 .*\[1\], and the first one \[2\]/],
    [
      "of different arrays",
      [new Uint8Array(1), new Int8Array(1)],
      /item 1 .*Int8Array, and the first one a Uint8Array/,
    ],
    ["that are missing", [{ x: 1 }, { x: undefined }], /at "x", item 1 of the batch has undefined/],
    ["that nobody can stack", [new Date()], /item 0 of the batch has a Date.*collate function/],
    ["in no number", [], /no items/],
  ])("but not %s", (_, items, message) => {
    expect(() => data.collate(items)).toThrow(TorchError);
    expect(() => data.collate(items)).toThrow(message);
  });

  test("but not where dtypes name a place without numbers", () => {
    const items = [{ label: 1, name: "a" }];
    expect(() => data.collate(items, { dtypes: { lable: "int64" } })).toThrow(
      /"lable".*Numbers are at "label"/,
    );
  });
});
