import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { fuseViews } from "../../../src/contrast/index.ts";

describe("fusing the views of one object", () => {
  test("gives the mean of each object's rows, in the order of first views", () => {
    const rows = torch.tensor([
      [1, 10],
      [5, 50],
      [3, 30],
    ]);
    const fused = fuseViews(rows, ["nut/b", "bolt/a", "nut/b"]);
    expect(fused.objects).toEqual(["nut/b", "bolt/a"]);
    expect(fused.rows.tolist()).toEqual([
      [2, 20],
      [5, 50],
    ]);
  });

  test("leaves single views as they are", () => {
    const rows = torch.randn([4, 3]);
    expect(fuseViews(rows, ["a", "b", "c", "d"]).rows.tolist()).toEqual(rows.tolist());
  });

  test("refuses another number of objects than rows", () => {
    expect(() => fuseViews(torch.ones([2, 2]), ["a"])).toThrow(/one object a row/);
  });
});
