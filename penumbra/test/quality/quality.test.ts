import { cat, Generator, randn } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { fid, kid, precisionRecall } from "../../src/quality/index.ts";
import { eachGolden } from "../goldens.ts";

describe("quality of generated images", () => {
  eachGolden("quality", "", ({ json, tensors }) => {
    const { real, fake } = tensors;
    const near = (value: number, expected: unknown, what: string) =>
      expect(Math.abs(value / (expected as number) - 1), what).toBeLessThan(json.rtol);
    near(fid(real!, fake!), json.fid, "fid");
    near(kid(real!, fake!).kid, json.kid_unbiased_full, "kid");
    const { precision, recall } = precisionRecall(real!, fake!, { k: 3 });
    near(precision, json.precision_k3, "precision");
    near(recall, json.recall_k3, "recall");
  });

  const generator = new Generator({ seed: 3 });
  const normal = (rows: number) => randn([rows, 6], { generator });

  test("of a set and itself nothing is missing and nothing is far", () => {
    const set = normal(40);
    expect(fid(set, set)).toBeCloseTo(0, 9);
    expect(precisionRecall(set, set)).toEqual({ precision: 1, recall: 1 });
  });

  test("a shift of all features is its square in FID", () => {
    const set = normal(50).to("float64");
    expect(fid(set, set.add(0.5))).toBeCloseTo(6 * 0.25, 8);
  });

  test("KID of draws from one distribution lies around 0, whatever the size of the sets", () => {
    for (const rows of [20, 200]) {
      const values = Array.from({ length: 20 }, () => kid(normal(rows), normal(rows)).kid);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 19 / 20);
      expect(Math.abs(mean)).toBeLessThan(4 * spread);
    }
  });

  test("KID over subsets is that over all images, but for the draws; the same seed draws the same", () => {
    const [real, fake] = [normal(120), normal(100).add(0.7)];
    const drawn = kid(real, fake, { subsets: 40, subsetSize: 60, seed: 5 });
    expect(drawn).toEqual(kid(real, fake, { subsets: 40, subsetSize: 60, seed: 5 }));
    expect(Math.abs(drawn.kid - kid(real, fake).kid)).toBeLessThan(drawn.deviation!);
  });

  test("images outside cost precision, images left out cost recall", () => {
    const set = normal(60);
    const far = cat([set, normal(20).add(50)]);
    expect(precisionRecall(set, far)).toEqual({ precision: 60 / 80, recall: 1 });
    expect(precisionRecall(far, set)).toEqual({ precision: 1, recall: 60 / 80 });
  });

  test("sets that say nothing are refused", () => {
    const set = normal(5);
    expect(() => fid(set, randn([5, 3]))).toThrow(/\[5,6\] and \[5,3\] cannot be compared/);
    expect(() => fid(set, normal(1))).toThrow(/1 generated images; at least 2/);
    expect(() => kid(set.mul(Number.NaN), set)).toThrow(/real images hold infinities or NaN/);
    expect(() => kid(set, set, { subsets: 2, subsetSize: 6 })).toThrow(/2 subsets of 6 images/);
    expect(() => precisionRecall(set, normal(3))).toThrow(/at least 4 are needed/);
    expect(() => precisionRecall(set, set, { k: 0 })).toThrow(/k is 0/);
  });
});
