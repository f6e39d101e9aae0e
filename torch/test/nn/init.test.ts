import { describe, expect, test } from "vitest";
import { empty, Generator, linspace, manualSeed, nn, scope, type Tensor, zeros } from "../../src/index.ts";
import { expectClose, fixture } from "../reference.ts";

const { description, tensors } = fixture<{
  cases: { name: string; args: number[]; options: Record<string, unknown>; seed: number }[];
}>("initialisers");

describe("Initialisers draw PyTorch's numbers under the same seed", () => {
  const functions = nn.init as unknown as Record<string, (tensor: Tensor, ...args: unknown[]) => Tensor>;
  description.cases.forEach(({ name, args, options, seed }, number) => {
    test.each(["conv", "wide", "tall"])(`${name} ${JSON.stringify(options)}: %s`, (size) => {
      const expected = tensors[`${number}.${size}`]!;
      manualSeed(seed);
      const filled = functions[name]!(empty([...expected.shape]), ...args, options);
      // QR and the vectorised logarithm of the normal draws may round differently on another processor.
      expectClose(filled, expected, name === "orthogonal_" ? 1e-5 : 1e-6);
    });
  });
});

test("Orthogonal matrices have orthonormal rows or columns", () => {
  scope(() => {
    const wide = nn.init.orthogonal_(empty([4, 7]));
    expectClose(wide.mm(wide.t()), zeros([4, 4]).add(linspace(1, 1, 4).diag()), 1e-5);
  });
});

test("Truncated normal numbers stay within their bounds and have the moments of the distribution", () => {
  manualSeed(1);
  scope(() => {
    const x = nn.init.truncNormal_(empty([200_000]), { mean: 0.5, std: 2, from: -1.5, to: 2.5 });
    expect(x.min().item()).toBeGreaterThanOrEqual(-1.5);
    expect(x.max().item()).toBeLessThanOrEqual(2.5);
    expect(x.mean().item()).toBeCloseTo(0.5, 1.7);
    // Variance of a standard normal cut at ±1: 1 - 2 φ(1) / (2 Φ(1) - 1) = 0.29112.
    expect(x.var().item() / 4).toBeCloseTo(0.2911, 2);
  });
});

test("A generator of its own decides the numbers", () => {
  const draw = (seed: number) =>
    nn.init.kaimingNormal_(empty([4, 5]), { generator: new Generator({ seed }) });
  expect(draw(1).equal(draw(1))).toBe(true);
  expect(draw(1).equal(draw(2))).toBe(false);
});

test("Vectors have no fans: the error says what to use", () => {
  expect(() => nn.init.kaimingUniform_(empty([4]))).toThrow(/at least 2 dimensions.*\[4\].*uniform_/);
});

test("skip builds modules without drawing, and draws again afterwards, also after an error", () => {
  manualSeed(4);
  const expected = new nn.Linear(3, 2).weight.toNumbers();
  manualSeed(4);
  nn.init.skip(() => new nn.Linear(300, 200));
  expect(() =>
    nn.init.skip(() => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(new nn.Linear(3, 2).weight.toNumbers()).toEqual(expected);
});
