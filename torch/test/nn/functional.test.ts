import { describe, expect, test } from "vitest";
import { FUNCTIONS_NOT_THERE } from "../../scripts/layers.ts";
import {
  Generator,
  grad,
  linspace,
  manualSeed,
  nn,
  ones,
  randn,
  scope,
  type Tensor,
  TorchError,
  version,
  zeros,
} from "../../src/index.ts";
import { expectClose, fixture, under } from "../reference.ts";

const F = nn.functional;
/** The number of a case's tensor, or a plain value. */
type Part = { tensor: number } | { value: unknown };

interface Case {
  name: string;
  args: Part[];
  options: Record<string, Part>;
}

const { description, tensors } = fixture<{ names: string[]; cases: Case[] }>("functional");
const functions = F as unknown as Record<string, (...args: unknown[]) => Tensor | Tensor[]>;

describe("Every function agrees with PyTorch's", () => {
  description.cases.forEach(({ name, args, options }, number) => {
    const settings = JSON.stringify(Object.keys(options));
    test(`${number} ${name}(${args.map((part) => ("tensor" in part ? "x" : JSON.stringify(part.value)))}, ${settings})`, () => {
      scope(() => {
        const given = under(tensors, `${number}.`);
        const inputs = Object.values(under(tensors, `${number}.input.`)).map((x) => x.clone());
        const trained = Object.keys(under(tensors, `${number}.gradient.`)).map(Number);
        for (const i of trained) inputs[i]!.requiresGrad = true;
        const put = (part: Part) => ("tensor" in part ? inputs[part.tensor] : part.value);
        const named = Object.fromEntries(Object.entries(options).map(([key, part]) => [key, put(part)]));
        if (name === "gumbelSoftmax" && version().startsWith("2.6.")) {
          console.log(
            "libtorch 2.6 draws other numbers for gumbelSoftmax: they are not compared with PyTorch's.",
          );
          return;
        }
        manualSeed(1000 + number);
        const result = functions[name]!(...args.map(put), ...(Object.keys(named).length > 0 ? [named] : []));
        const outputs = [result].flat();
        outputs.forEach((y, i) => void expectClose(y, given[`output.${i}`]!, 2e-6, `output ${i}`));
        expect(Object.keys(under(given, "output.")).length).toBe(outputs.length);
        for (const [i, after] of Object.entries(under(given, "after.")))
          expectClose(inputs[Number(i)]!, after, 1e-6, `input ${i} afterwards`);
        if (trained.length === 0) return;
        const [y] = outputs as [Tensor];
        const loss = y.mul(linspace(-1, 1, y.numel).reshape([...y.shape])).sum();
        const gradients = grad(
          loss,
          trained.map((i) => inputs[i]!),
        );
        trained.forEach(
          (i, at) => void expectClose(gradients[at]!, given[`gradient.${i}`]!, 1e-5, `gradient ${i}`),
        );
      });
    });
  });

  test("and every name of torch.nn.functional is there and called here, or listed as missing", () => {
    const called = new Set(description.cases.map(({ name }) => name));
    const isMissing = (name: string) => FUNCTIONS_NOT_THERE.some(([pattern]) => pattern.test(name));
    for (const name of description.names) {
      expect(Object.hasOwn(F, name), name).toBe(!isMissing(name));
      expect(called.has(name), name).toBe(!isMissing(name));
    }
    // Nothing but PyTorch's names.
    for (const name of Object.keys(F)) expect(description.names, name).toContain(name);
  });
});

describe("Functions that draw", () => {
  test("take a generator, and drop in training", () => {
    scope(() => {
      const x = ones([40, 50]);
      const draw = (seed: number) => F.dropout(x, { p: 0.3, generator: new Generator({ seed }) });
      expect(draw(1).equal(draw(1))).toBe(true);
      expect(draw(1).equal(draw(2))).toBe(false);
      // 2,000 draws of probability 0.3: standard deviation 0.0102; five of them.
      expect(Math.abs(draw(3).eq(0).to("float32").mean().item() - 0.3)).toBeLessThan(0.052);
      expect(F.dropout(x, { training: false })).toBe(x);
      expect(F.alphaDropout(x)).toBe(x);
      expect(F.alphaDropout(x, { training: true }).equal(x)).toBe(false);
      expect(
        F.dropout2d(ones([5, 6, 2, 2]))
          .mean([2, 3])
          .unique()
          .toNumbers(),
      ).toEqual([0, 2]);
      expect(() => F.dropout(x, { p: 2 })).toThrow(TorchError);
    });
  });

  test("gumbelSoftmax draws classes by their probabilities, one-hot with the soft gradient", () => {
    scope(() => {
      const generator = new Generator({ seed: 0 });
      const logits = randn([1, 3], { generator }).requiresGrad_();
      const hard = F.gumbelSoftmax(logits.expand([4000, 3]), { hard: true, generator });
      expect(
        hard
          .detach()
          .round()
          .sum([1])
          .equal(ones([4000])),
      ).toBe(true);
      const expected = logits.detach().softmax(-1).toNumbers();
      // Standard deviation at most 0.5 / sqrt(4000) = 0.0079; five of them.
      hard
        .mean([0])
        .toNumbers()
        .forEach((share, i) => void expect(Math.abs(share - expected[i]!)).toBeLessThan(0.04));
      const [gradient] = grad(hard.select(1, 0).sum(), [logits]);
      expect(gradient!.abs().sum().item()).toBeGreaterThan(0);
    });
  });
});

test("A function does not take hold of what it is given", () => {
  const weight = scope(() => {
    const inner = ones([3]);
    scope(() => void F.multilabelSoftMarginLoss(zeros([2, 3]), zeros([2, 3]), { weight: inner }));
    scope(() => void F.crossEntropy(zeros([2, 3]), zeros([2], { dtype: "int64" }), { weight: inner }));
    return [inner.isBuffer, inner];
  });
  expect(weight[0]).toBe(false);
  (weight[1] as Tensor).dispose();
});

describe("interpolate refuses", () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      "a size and a factor",
      () => F.interpolate(zeros([1, 1, 2, 2]), { size: 2, scaleFactor: 2, mode: "area" }),
      /a size or a scaleFactor/,
    ],
    [
      "antialiasing of neighbours",
      () => F.interpolate(zeros([1, 1, 2, 2]), { size: 2, antialias: true }),
      /not for "nearest"/,
    ],
    [
      "areas of nothing",
      () => F.interpolate(zeros([1, 1]), { size: 2, mode: "area" }),
      /1 to 3 spatial dimensions/,
    ],
  ])("%s", (_, act, message) => {
    expect(act).toThrow(TorchError);
    expect(act).toThrow(message);
  });
});
