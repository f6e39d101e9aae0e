import { readFileSync } from "node:fs";
import type { Index } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

type Item =
  | number
  | null
  | "..."
  | { slice: [number | null, number | null, number] }
  | { index: torch.Nested<number> }
  | { mask: torch.Nested<boolean> };
interface Case {
  shape: number[];
  index: Item[];
  error?: string;
  read: { shape: number[]; values: number[] };
  assigned: number[];
  spread: number[] | null;
}

const { cases } = JSON.parse(readFileSync(new URL("fixtures/indexing.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

const indexOf = (item: Item): Index => {
  if (item === null || typeof item !== "object") return item;
  if ("slice" in item) return torch.slice(...item.slice);
  return "mask" in item
    ? torch.tensor(item.mask, { dtype: "bool" })
    : torch.tensor(item.index, { dtype: "int64" });
};
const source = (shape: number[]) => torch.arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);
const titled = cases.map((one, i) => ({
  title: `${JSON.stringify(one.index)} of [${one.shape}], case ${i}`,
  one,
}));

describe("indexing reads and assigns as PyTorch does", () => {
  test.each(titled)("$title", ({ one }) => {
    torch.scope(() => {
      const x = source(one.shape);
      const index = one.index.map(indexOf);
      if (one.error) {
        expect(() => x.at(...index)).toThrow(torch.TorchError);
        expect(() => x.setAt(index, 0)).toThrow(torch.TorchError);
        return;
      }
      const read = x.at(...index);
      expect(read.shape).toEqual(one.read.shape);
      expect(read.toNumbers()).toEqual(one.read.values);
      expect(source(one.shape).setAt(index, -7).toNumbers()).toEqual(one.assigned);
      if (!one.spread) return;
      const value = torch
        .arange(read.numel)
        .add(1000)
        .reshape([...read.shape]);
      expect(source(one.shape).setAt(index, value).toNumbers()).toEqual(one.spread);
      // Values may have more leading dimensions of size 1 than the part, and another dtype.
      const wide = value.reshape([1, 1, ...read.shape]).to("float64");
      expect(source(one.shape).setAt(index, wide).toNumbers()).toEqual(one.spread);
    });
  });

  test("a mask without dimensions takes all or nothing along a new axis", () => {
    torch.scope(() => {
      const x = torch.arange(6).reshape([2, 3]);
      const [yes, no] = [torch.tensor(true), torch.tensor(false)];
      expect([x.at(yes).shape, x.at(no).shape, x.at(0, yes).shape]).toEqual([
        [1, 2, 3],
        [0, 2, 3],
        [1, 3],
      ]);
      expect(x.clone().setAt([yes, 1], -1).tolist()).toEqual([
        [0, 1, 2],
        [-1, -1, -1],
      ]);
      expect(x.clone().setAt(no, -1).tolist()).toEqual(x.tolist());
    });
  });

  test("numbers and slices give a view, which shares memory", () => {
    torch.scope(() => {
      const x = torch.zeros([2, 3]);
      x.at(0).fill_(5);
      x.at("...", torch.slice(1)).add_(1);
      expect(x.tolist()).toEqual([
        [5, 6, 6],
        [0, 1, 1],
      ]);
    });
  });

  test("gradients flow through reading and assigning", () => {
    torch.scope(() => {
      const x = torch.ones([3]).requiresGrad_();
      const w = torch.ones([2]).requiresGrad_();
      const y = x.mul(2).setAt(torch.slice(1), w.mul(3));
      y.at(torch.tensor([0, 2, 2], { dtype: "int64" }))
        .sum()
        .backward();
      expect(x.grad!.tolist()).toEqual([2, 0, 0]);
      expect(w.grad!.tolist()).toEqual([0, 6]);
    });
  });

  test("an index that makes no sense is refused with a reason", () => {
    torch.scope(() => {
      const x = torch.zeros([2, 3]);
      expect(() => x.at("...", "...")).toThrow(/at most once/);
      expect(() => x.at(0, 0, 0)).toThrow(/Too many indices: 3 for a tensor with 2 dimensions/);
      expect(() => torch.slice(0, 2, -1)).toThrow(/step/);
      expect(() => x.at(5)).toThrow(/out of range/);
      expect(() => x.at(0.5)).toThrow(torch.TorchError);
      expect(() => x.at(torch.tensor([0.5]))).toThrow(torch.TorchError);
    });
  });
});
