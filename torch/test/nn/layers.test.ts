import { describe, expect, test } from "vitest";
import {
  arange,
  grad,
  linspace,
  manualSeed,
  nn,
  ones,
  randn,
  scope,
  type Tensor,
  TorchError,
  tensor,
  version,
  zeros,
} from "../../src/index.ts";
import { expectClose, fixture, under } from "../reference.ts";

/** The position of a tensor among a case's inputs, several of them as one argument, or a plain value. */
type Part = number | Part[] | { value: unknown };

interface Case {
  kind: string;
  args: unknown[];
  options: Record<string, unknown>;
  inputs: Part[];
  /** Options of the call. */
  call: Record<string, Part>;
  seed: number;
  /** Only "train" where a layer does the same in evaluation. */
  modes: ("train" | "eval")[];
}

const { description, tensors } = fixture<{ torch: string; names: string[]; cases: Case[] }>("layers");
type LayerClass = new (...args: unknown[]) => nn.Module<unknown[], unknown>;
type LayerOptions = nn.TransformerLayerOptions;

/** What is built of several parts; fixtures/layers.py has the same. */
const BUILT: Record<string, (...args: never[]) => nn.AnyModule> = {
  TransformerEncoder: (d: number, heads: number, n: number, options: LayerOptions) =>
    new nn.TransformerEncoder(() => new nn.TransformerEncoderLayer(d, heads, options), n, {
      norm: new nn.LayerNorm(d),
    }),
  TransformerDecoder: (d: number, heads: number, n: number, options: LayerOptions) =>
    new nn.TransformerDecoder(() => new nn.TransformerDecoderLayer(d, heads, options), n, {
      norm: new nn.LayerNorm(d),
    }),
};
/** Options that are tensors. */
const TENSORS = ["weight", "posWeight"];

function build({ kind, args, options, seed }: Case): nn.Module<unknown[], unknown> {
  manualSeed(seed);
  const entries = Object.entries(options);
  const given = entries.map(([key, value]) => [
    key,
    TENSORS.includes(key) ? tensor(value as number[]) : value,
  ]);
  const all = [...args, ...(entries.length > 0 ? [Object.fromEntries(given)] : [])];
  const built = BUILT[kind] as ((...args: unknown[]) => nn.Module<unknown[], unknown>) | undefined;
  return built ? built(...all) : new (nn as unknown as Record<string, LayerClass>)[kind]!(...all);
}

/** Layers that PyTorch makes by copying one, so that its draws under a seed are others. */
const COPIED = ["TransformerEncoder", "TransformerDecoder", "Transformer"];

const flat = (value: unknown): Tensor[] => (Array.isArray(value) ? value.flatMap(flat) : [value as Tensor]);

/** The masks that this version draws in training are those of the fixture's version, or its own: see below. */
function drawsOwnMasks(kind: string, number: number): boolean {
  if (!/^(Feature)?(Alpha)?Dropout/.test(kind)) return false;
  return scope(() => {
    const own = dropped(number, tensors[`${number}.input.0`]!);
    return own.sub(tensors[`${number}.train.output.0`]!).abs().max().item() > 1e-4;
  });
}

/** What dropout makes of its input in training, by its definition: masks are drawn for each number, or for each channel. */
function dropped(number: number, input: Tensor): Tensor {
  const { kind, args } = description.cases[number]!;
  const p = Number(args[0]);
  const isWhole = kind === "Dropout" || kind === "AlphaDropout";
  manualSeed(1000 + number);
  const mask = zeros(input.shape.map((size, dim) => (isWhole || dim < 2 ? size : 1))).bernoulli_({
    p: 1 - p,
  });
  if (!kind.includes("Alpha")) return input.mul(mask.div(1 - p));
  const alpha = 1.7580993408473766; // Klambauer et al. 2017, Self-Normalizing Neural Networks: SELU's lower end
  const scale = ((alpha ** 2 * p + 1) * (1 - p)) ** -0.5;
  return input
    .mul(mask)
    .add(mask.sub(1).mul(alpha))
    .add(alpha * p)
    .mul(scale);
}

/** How far results may be from PyTorch's: sums in another order on another machine, in float32. */
const TOLERANCES: Record<string, number> = { output: 2e-6, gradient: 5e-6, buffer: 1e-6 };

describe("Every layer agrees with PyTorch's", () => {
  description.cases.forEach((layerCase, number) => {
    const { kind, args, options, inputs, call, modes } = layerCase;
    const settings = [...args, ...(Object.keys(options).length > 0 ? [options] : [])];
    const shapes = Object.values(under(tensors, `${number}.input.`)).map(({ shape }) => `[${shape}]`);
    const title = `${number} ${kind}(${settings.map((part) => JSON.stringify(part)).join(", ")}) of ${shapes.join(", ")}`;

    test(`${title} begins with the same numbers under the same seed`, () => {
      const initial = under(tensors, `${number}.initial.`);
      const state = build(layerCase).stateDict();
      expect(Object.keys(state).sort()).toEqual(Object.keys(initial).sort());
      for (const [key, value] of Object.entries(state)) {
        if (COPIED.includes(kind)) expect(value.shape, key).toEqual(initial[key]!.shape);
        // Bit for bit, but for the logarithms of normal draws, which may round differently on another processor.
        else if (kind.startsWith("Embedding")) expectClose(value, initial[key]!, 1e-6, key);
        else expect(value.equal(initial[key]!), key).toBe(true);
      }
    });

    test(`${title} gives the same outputs, gradients and buffers`, () => {
      const module = build(layerCase);
      module.loadStateDict(under(tensors, `${number}.initial.`));
      const given = Object.values(under(tensors, `${number}.input.`));
      const trained = Object.keys(under(tensors, `${number}.train.gradient.input.`)).map(Number);
      const drawn = given.map((x, i) => (trained.includes(i) ? x.clone().requiresGrad_() : x));
      const put = (part: Part): unknown => {
        if (typeof part === "number") return drawn[part];
        return Array.isArray(part) ? part.map(put) : part.value;
      };
      const named = Object.fromEntries(Object.entries(call).map(([key, part]) => [key, put(part)]));
      for (const mode of ["train", "eval"] as const) {
        const expected = under(tensors, `${number}.${modes.includes(mode) ? mode : "train"}.`);
        scope(() => {
          module.train(mode === "train");
          manualSeed(1000 + number);
          const outputs = flat(
            module.forward(...inputs.map(put), ...(Object.keys(named).length > 0 ? [named] : [])),
          );
          const sums = outputs.map((y) => y.mul(linspace(-1, 1, y.numel).reshape([...y.shape])).sum());
          const loss = sums.reduce((one, other) => one.add(other));
          const sources = {
            ...Object.fromEntries(trained.map((i) => [`input.${i}`, drawn[i]!])),
            ...Object.fromEntries(module.namedParameters()),
          };
          const gradients = loss.requiresGrad ? grad(loss, Object.values(sources)) : [];
          if (mode === "train" && drawsOwnMasks(kind, number)) {
            // The generator's numbers are the same in all versions; how masks are made of them is not.
            console.log(
              `${title}: libtorch ${version()} draws other masks than ${description.torch}, so they are its own here.`,
            );
            expectClose(outputs[0]!, dropped(number, drawn[0]!), 1e-6, "train output");
            if (kind !== "Dropout") return;
            const weights = linspace(-1, 1, drawn[0]!.numel).reshape([...drawn[0]!.shape]);
            expectClose(gradients[0]!, dropped(number, weights), 5e-6, "train gradient");
            return;
          }
          const results = {
            ...Object.fromEntries(outputs.map((y, i) => [`output.${i}`, y])),
            ...Object.fromEntries(Object.keys(sources).map((key, i) => [`gradient.${key}`, gradients[i]!])),
            ...Object.fromEntries(module.namedBuffers().map(([key, value]) => [`buffer.${key}`, value])),
          };
          expect(Object.keys(results).sort()).toEqual(Object.keys(expected).sort());
          for (const [key, value] of Object.entries(results))
            expectClose(value, expected[key]!, TOLERANCES[key.split(".")[0]!]!, `${mode} ${key}`);
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
      "a convolution without a size",
      // @ts-expect-error: JavaScript may leave the size out.
      () => new nn.Conv2d(1, 2),
      /A 2-d convolution was given undefined for a size.*kernelSize/,
    ],
    [
      "padding for the same size with a stride",
      () => new nn.Conv2d(1, 2, 3, { padding: "same", stride: 2 }),
      /Conv2d: padding "same" and a stride of \[2, 2\]/,
    ],
    [
      "a transposed convolution of a mirrored input",
      () => new nn.ConvTranspose1d(1, 2, 3, { paddingMode: "reflect" } as object),
      /ConvTranspose1d: a transposed convolution pads with zeros/,
    ],
    [
      "cutoffs that do not increase",
      () => new nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4, 4]),
      /cutoffs \[4, 4\] do not part 10 classes/,
    ],
    [
      "clusters without features",
      () => new nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4, 6]),
      /8 features divided by 4\^2 leave none for cluster 1/,
    ],
    [
      "a target that is no class",
      () =>
        new nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4]).forward(
          zeros([1, 8]),
          zeros([1], { dtype: "int64" }).add(10),
        ),
      /targets lie in 10 … 10, classes in 0 … 9/,
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
    [
      "one layer with dropout between layers",
      () => new nn.LSTM(3, 2, { dropout: 0.1 }),
      /LSTM: dropout is between/,
    ],
    ["a projection that is not smaller", () => new nn.LSTM(3, 2, { projSize: 2 }), /projSize 2 is not below/],
    [
      "a state that does not fit",
      () => new nn.GRU(3, 2).forward(zeros([4, 5, 3]), zeros([1, 5, 2])),
      /GRU: a state of shape \[1,5,2\].*\[1, 4, 2\]/,
    ],
    [
      "sequences of another width",
      () => new nn.RNN(3, 2).forward(zeros([4, 5, 2])),
      /RNN was given \[4,5,2\]/,
    ],
    ["a reduction that is none", () => new nn.MSELoss({ reduction: "max" as "sum" }), /no reduction "max"/],
    [
      "a negative variance",
      () => new nn.GaussianNLLLoss().forward(zeros([2]), zeros([2]), zeros([2]).sub(1)),
      /a variance is negative/,
    ],
    ["a size and a factor", () => new nn.Upsample({ size: 2, scaleFactor: 2 }), /size or a scaleFactor/],
    [
      "a mode for images with sequences",
      () => new nn.Upsample({ scaleFactor: 2, mode: "bilinear" }).forward(zeros([1, 1, 3])),
      /"bilinear" is not for tensors of 1 spatial/,
    ],
    ["half of the paddings", () => new nn.ZeroPad2d([1, 2]), /ZeroPad2d was given \[1,2\].*or 4/],
    [
      "bags without their beginnings",
      () => new nn.EmbeddingBag(3, 2).forward(zeros([4], { dtype: "int64" })),
      /no offsets/,
    ],
    [
      "a dictionary's name with a dot",
      () => new nn.ModuleDict({ "a.b": new nn.ReLU() }),
      /"a.b" cannot name/,
    ],
    [
      "a name that a dictionary lacks",
      () => new nn.ParameterDict({ a: zeros([1]) }).get("b"),
      /get\("b"\): there are a/,
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

test("AdaptiveLogSoftmaxWithLoss gives probabilities that add up to 1 and agree with its outputs", () => {
  scope(() => {
    const layer = new nn.AdaptiveLogSoftmaxWithLoss(16, 12, [4, 8]);
    const x = randn([6, 16]);
    const logProb = layer.logProb(x); // [6, 12]
    expectClose(logProb.exp().sum([1]), ones([6]), 1e-6, "sums");
    const target = arange(6).mul(2);
    const [output] = layer.forward(x, target);
    expectClose(output, logProb.gather(1, target.unsqueeze(1)).squeeze(1), 1e-6, "outputs");
    expect(layer.predict(x).equal(logProb.argmax({ dim: 1 }))).toBe(true);
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
