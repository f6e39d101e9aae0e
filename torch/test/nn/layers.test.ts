import { describe, expect, test } from "vitest";
import {
  grad,
  linspace,
  manualSeed,
  nn,
  scope,
  type Tensor,
  TorchError,
  version,
  zeros,
} from "../../src/index.ts";
import { expectAllClose, expectClose, fixture, under } from "../reference.ts";

/** The masks that this version draws in training are those of the fixture's version, or its own: see below. */
function drawsOwnMasks(kind: string, number: number): boolean {
  if (!kind.startsWith("Dropout")) return false;
  return scope(() => {
    const reference = tensors[`${number}.train.output`]!.ne(0);
    return !dropoutMask(number).mul(tensors[`${number}.input`]!).ne(0).equal(reference);
  });
}

/** What dropout multiplies with in training: drawn for each number, or in Dropout2d for each channel. */
function dropoutMask(number: number): Tensor {
  const { kind, args } = description.cases[number]!;
  const shape = tensors[`${number}.input`]!.shape.map((size, dim) =>
    kind === "Dropout" || dim < 2 ? size : 1,
  );
  const keep = 1 - Number(args[0]);
  manualSeed(1000 + number);
  return zeros(shape).bernoulli_({ p: keep }).div(keep);
}

interface Case {
  kind: string;
  args: unknown[];
  options: Record<string, unknown>;
  seed: number;
}

const { description, tensors } = fixture<{ torch: string; cases: Case[] }>("layers");
type LayerClass = new (...args: unknown[]) => nn.Module;

describe("Every layer agrees with PyTorch's", () => {
  description.cases.forEach(({ kind, args, options, seed }, number) => {
    const layer = (): nn.Module => {
      manualSeed(seed);
      return new (nn as unknown as Record<string, LayerClass>)[kind]!(
        ...args,
        ...(Object.keys(options).length > 0 ? [options] : []),
      );
    };
    const title = `${kind}(${[...args, ...(Object.keys(options).length > 0 ? [options] : [])].map((part) => JSON.stringify(part)).join(", ")})`;

    test(`${title} begins with the same numbers under the same seed`, () => {
      const initial = under(tensors, `${number}.initial.`);
      const state = layer().stateDict();
      expect(Object.keys(state).sort()).toEqual(Object.keys(initial).sort());
      for (const [key, tensor] of Object.entries(state)) {
        // Bit for bit, but for the logarithms of normal draws, which may round differently on another processor.
        if (kind === "Embedding") expectClose(tensor, initial[key]!, 1e-6, key);
        else expect(tensor.equal(initial[key]!), key).toBe(true);
      }
    });

    test(`${title} gives the same output, gradients and buffers`, () => {
      const module = layer();
      const given = tensors[`${number}.input`]!;
      const x = given.isFloatingPoint() ? given.clone().requiresGrad_() : given;
      for (const mode of ["train", "eval"]) {
        scope(() => {
          module.train(mode === "train");
          manualSeed(1000 + number);
          const y = module.forward(x);
          const weights = linspace(-1, 1, y.numel).reshape([...y.shape]);
          const inputs = {
            ...(x.requiresGrad ? { input: x } : {}),
            ...Object.fromEntries(module.namedParameters()),
          };
          const gradients = y.requiresGrad ? grad(y.mul(weights).sum(), Object.values(inputs)) : [];
          if (mode === "train" && drawsOwnMasks(kind, number)) {
            // The generator's numbers are the same in all versions; how masks are made of them is not.
            console.log(
              `${title}: libtorch ${version} draws other masks than ${description.torch}, so they are its own here.`,
            );
            const mask = dropoutMask(number);
            expectClose(y, x.mul(mask), 1e-6, "train output");
            expectClose(gradients[0]!, weights.mul(mask), 5e-6, "train gradient");
            return;
          }
          expectClose(y, tensors[`${number}.${mode}.output`]!, 1e-6, `${mode} output`);
          const named = Object.fromEntries(Object.keys(inputs).map((key, i) => [key, gradients[i]!]));
          // Sums over a batch, in another order on another machine: a few units in the last place of float32.
          expectAllClose(named, under(tensors, `${number}.${mode}.gradient.`), 5e-6, `${mode} gradient`);
          const buffers = Object.fromEntries(module.namedBuffers());
          expectAllClose(buffers, under(tensors, `${number}.${mode}.buffer.`), 1e-6, `${mode} buffer`);
        });
      }
    });
  });
});

describe("Layers refuse what they cannot do", () => {
  const refusals: [string, () => unknown, RegExp][] = [
    [
      "channels that groups do not divide",
      () => new nn.Conv2d(4, 6, 3, { groups: 4 }),
      /Conv2d: 4 input and 6 output.*4 groups/,
    ],
    [
      "a kernel of the wrong number of sizes",
      () => new nn.Conv2d(4, 6, [3, 3, 3]),
      /2-d convolution.*\[3,3,3\]/,
    ],
    [
      "groups of a norm that do not divide",
      () => new nn.GroupNorm(4, 6),
      /6 channels do not divide into 4 groups/,
    ],
    ["heads that do not divide", () => new nn.MultiheadAttention(10, 3), /10 dimensions.*3 heads/],
    ["a dropout that is no probability", () => new nn.Dropout(1.5), /Dropout: p is 1.5/],
    [
      "images in a norm for vectors",
      () => new nn.BatchNorm1d(3).forward(zeros([2, 3, 4, 4])),
      /BatchNorm1d.*2 or 3 dimensions/,
    ],
    ["the forward of a list", () => new nn.ModuleList([]).forward(), /ModuleList has no forward/],
    [
      "a position outside of a list",
      () => new nn.Sequential(new nn.ReLU()).at(1),
      /Sequential.at\(1\): there are 1/,
    ],
  ];
  test.each(refusals)("such as %s", (_what, act, message) => {
    expect(act).toThrow(TorchError);
    expect(act).toThrow(message);
  });

  test("and what libtorch refuses arrives as an error that names the operator", () => {
    expect(() => new nn.Linear(3, 2).forward(zeros([4, 5]) as Tensor)).toThrow(/aten::linear/);
  });
});

test("The padding row of an embedding is zero and gets no gradient", () => {
  scope(() => {
    const layer = new nn.Embedding(5, 3, { paddingIdx: 1 });
    expect(layer.weight.at(1).toNumbers()).toEqual([0, 0, 0]);
    const ids = zeros([4], { dtype: "int64" }).add(1);
    layer.forward(ids).sum().backward();
    expect(layer.weight.grad!.abs().sum().item()).toBe(0);
  });
});

test("Dropout leaves its input alone in evaluation and keeps the mean in training", () => {
  manualSeed(0);
  scope(() => {
    const layer = new nn.Dropout(0.3);
    const x = zeros([100, 1000]).add(1);
    const y = layer.forward(x);
    expect(y.eq(0).to("float32").mean().item()).toBeCloseTo(0.3, 2);
    expect(y.mean().item()).toBeCloseTo(1, 2);
    expect(layer.eval().forward(x)).toBe(x);
  });
});
