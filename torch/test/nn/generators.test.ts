import { describe, expect, test } from "vitest";
import {
  backward,
  checkpoint,
  defaultGenerator,
  dropout,
  featureDropout,
  Generator,
  grad,
  manualSeed,
  nn,
  ones,
  randn,
  scope,
  type Tensor,
} from "../../src/index.ts";
import { expectClose } from "../reference.ts";

const from = (seed: number) => ({ generator: new Generator({ seed }) });
/** What the process draws next, without drawing it. */
const nextOfProcess = () => [...defaultGenerator().getState().toNumbers()].join();

describe("Dropout with a generator of its own", () => {
  const x = randn([4, 6, 5, 5]);
  const channelsLast = x.contiguous({ memoryFormat: "channelsLast" });
  const half = x.to("bfloat16");

  test.each([
    ["Dropout", (seed: number) => new nn.Dropout(0.3, from(seed)), (v: Tensor) => dropout(v, 0.3, true)],
    [
      "Dropout2d",
      (seed: number) => new nn.Dropout2d(0.3, from(seed)),
      (v: Tensor) => featureDropout(v, 0.3, true),
    ],
  ])("%s: the same seed gives the same mask, which is that of libtorch's dropout", (_, layer, plain) => {
    for (const input of [x, channelsLast, half]) {
      const before = nextOfProcess();
      const mine = layer(7).forward(input);
      expect(mine.equal(layer(7).forward(input))).toBe(true);
      expect(mine.equal(layer(8).forward(input))).toBe(false);
      expect(nextOfProcess()).toBe(before);
      manualSeed(7);
      expect(mine.equal(plain(input))).toBe(true);
      expect(mine.dtype).toBe(input.dtype);
    }
  });

  test("goes on in its stream, scales by 1 / (1 - p), and lets gradients through where it lets values", () => {
    const layer = new nn.Dropout(0.25, from(1));
    const input = ones([1000]).requiresGrad_();
    const first = layer.forward(input);
    expect(first.equal(layer.forward(input))).toBe(false);
    const values = new Set(first.toNumbers());
    expect(values).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(grad(first.sum(), [input])[0]!.equal(first.detach())).toBe(true);
  });

  test("of everything gives zeros, of nothing and in evaluation the input itself", () => {
    const all = new nn.Dropout(1, from(1)).forward(ones([8]));
    expect(all.toNumbers()).toEqual(Array(8).fill(0));
    expect(new nn.Dropout(0, from(1)).forward(x)).toBe(x);
    const layer = new nn.Dropout(0.5, from(1));
    layer.eval();
    expect(layer.forward(x)).toBe(x);
  });

  test("Dropout2d refuses what has no channels", () => {
    expect(() => new nn.Dropout2d(0.5, from(1)).forward(ones([8]))).toThrow(
      /the shape \[8\].*\[B, C, \.\.\.\]/,
    );
  });

  test("the module has no further parameters for it", () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.Dropout(0.5, from(1)));
    expect(Object.keys(model.stateDict())).toEqual(["0.weight", "0.bias"]);
  });

  test("a checkpointed block draws the same again, and the stream goes on after it as without checkpointing", () => {
    const run = (isCheckpointed: boolean) => {
      const generator = new Generator({ seed: 3 });
      const layer = new nn.Dropout(0.5, { generator });
      const input = ones([64]).requiresGrad_();
      const block = (v: Tensor) => layer.forward(layer.forward(v.mul(2)).square());
      const nested = (v: Tensor) => (isCheckpointed ? checkpoint(block, v) : block(v)).mul(3);
      const outputs = [0, 1].map(() => (isCheckpointed ? checkpoint(nested, input) : nested(input)));
      backward(outputs.map((output) => output.sum()));
      return [...outputs.map((output) => output.detach()), input.grad!, layer.forward(ones([64]))];
    };
    const plain = run(false);
    run(true).forEach((tensor, i) => {
      expect(tensor.equal(plain[i]!), `${i}`).toBe(true);
    });
  });
});

describe("Layers with a generator", () => {
  test.each([
    ["Linear", (options: nn.init.InitOptions) => new nn.Linear(5, 4, options)],
    ["Conv2d", (options: nn.init.InitOptions) => new nn.Conv2d(3, 4, 3, options)],
    ["ConvTranspose2d", (options: nn.init.InitOptions) => new nn.ConvTranspose2d(3, 4, 3, options)],
    ["Embedding", (options: nn.init.InitOptions) => new nn.Embedding(5, 4, options)],
    ["MultiheadAttention", (options: nn.init.InitOptions) => new nn.MultiheadAttention(8, 2, options)],
  ])("%s begins with the weights that the default generator gives for the same seed", (_, make) => {
    const before = nextOfProcess();
    const mine = make(from(5)).stateDict();
    expect(nextOfProcess()).toBe(before);
    manualSeed(5);
    for (const [name, tensor] of Object.entries(make({}).stateDict())) {
      expect(tensor.equal(mine[name]!), name).toBe(true);
    }
  });

  test("attention drops with its generator as the operator does with the default one, under every mask", () => {
    const x = randn([2, 5, 8]);
    const padding = ones([2, 5], { dtype: "bool" }).triu({ diagonal: 3 }); // the first row has two
    const added = randn([5, 5]);
    for (const options of [
      {},
      { isCausal: true },
      { keyPaddingMask: padding },
      { attnMask: added, isCausal: true },
      { attnMask: ones([5, 5], { dtype: "bool" }) }, // nothing may be looked at
    ]) {
      scope(() => {
        const generator = new Generator({ seed: 1 });
        const mine = new nn.MultiheadAttention(8, 2, { dropout: 0.4, generator });
        manualSeed(1);
        const plain = new nn.MultiheadAttention(8, 2, { dropout: 0.4 });
        const before = nextOfProcess();
        const output = mine.forward(x, x, x, options);
        expect(nextOfProcess()).toBe(before);
        const expected = plain.forward(x, x, x, options);
        // Both are float32 sums of at most 8 terms in another order.
        expect(output.sub(expected).abs().max().item(), Object.keys(options).join(", ")).toBeLessThan(1e-5);
      });
    }
  });
});

describe("Layers that draw take their numbers from their generator and leave the process's alone", () => {
  const image = randn([2, 3, 6, 6]);
  const layers: [string, (seed: number) => (x: Tensor) => Tensor][] = [
    ["AlphaDropout", (seed) => (x) => new nn.AlphaDropout(0.3, from(seed)).forward(x)],
    ["FeatureAlphaDropout", (seed) => (x) => new nn.FeatureAlphaDropout(0.3, from(seed)).forward(x)],
    ["Dropout1d", (seed) => (x) => new nn.Dropout1d(0.3, from(seed)).forward(x)],
    ["Dropout3d", (seed) => (x) => new nn.Dropout3d(0.3, from(seed)).forward(x)],
    ["RReLU", (seed) => (x) => new nn.RReLU(0.1, 0.4, from(seed)).forward(x)],
    [
      "FractionalMaxPool2d",
      (seed) => (x) => new nn.FractionalMaxPool2d(2, { outputRatio: 0.7, ...from(seed) }).forward(x),
    ],
    [
      "LSTM between its layers",
      (seed) => (x) => {
        const layer = new nn.LSTM(6, 4, { numLayers: 3, dropout: 0.5, bidirectional: true, ...from(seed) });
        return layer.forward(x.flatten({ endDim: 1 }))[0];
      },
    ],
  ];
  test.each(layers)("%s", (_, layer) => {
    scope(() => {
      const before = nextOfProcess();
      const first = layer(7)(image);
      expect(first.equal(layer(7)(image))).toBe(true);
      expect(first.equal(layer(8)(image))).toBe(false);
      expect(nextOfProcess()).toBe(before);
    });
  });

  test("and layers of a recurrent network run one by one give what all give at once", () => {
    scope(() => {
      const options = { numLayers: 3, bidirectional: true, projSize: 2 };
      const together = new nn.LSTM(6, 4, options);
      const oneByOne = new nn.LSTM(6, 4, { ...options, dropout: 1e-12, ...from(1) });
      oneByOne.loadStateDict(together.stateDict());
      const x = randn([2, 5, 6]);
      const [expected, [h, c]] = together.forward(x);
      const [output, [h2, c2]] = oneByOne.forward(x);
      expectClose(output, expected, 1e-6);
      expectClose(h2, h, 1e-6);
      expectClose(c2, c, 1e-6);
    });
  });
});
