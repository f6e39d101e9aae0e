import * as torch from "@penumbra/torch";
import { nn, type Tensor, TorchError } from "@penumbra/torch";
import { describe, expect, test } from "vitest";

/** The error that a function throws. */
function thrown(fn: () => unknown): TorchError {
  try {
    fn();
  } catch (error) {
    expect(error).toBeInstanceOf(TorchError);
    return error as TorchError;
  }
  throw new Error("Nothing was thrown.");
}

/** sqrt has the gradient 1 / 0 at 0, and 0 times that is NaN. */
function rootOfZero(): Tensor {
  const x = torch.zeros([2]).requiresGrad_();
  const root = x.sqrt();
  return root.mul(0).sum();
}

describe("anomaly mode", () => {
  test("names the operator and the lines of code whose gradient is NaN", () => {
    const error = thrown(() => torch.detectAnomaly(() => rootOfZero().backward()));
    expect(error.message).toMatch(/Function 'SqrtBackward0' returned nan values in its 0th output/);
    expect(error.message).toMatch(
      /Its forward call was aten::sqrt\n +at rootOfZero \(.*anomaly\.test\.ts:\d+:\d+\)/,
    );
    expect(error.operator).toBe("aten::sqrt");
    expect(error.message).not.toMatch(/tensor\/call\.|tensor\/tensor\./);
  });

  test("without it a NaN passes in silence, as it does with checkNan: false", () => {
    expect(() => rootOfZero().backward()).not.toThrow();
    expect(() => torch.detectAnomaly(() => rootOfZero().backward(), { checkNan: false })).not.toThrow();
  });

  test("names the operator in other errors of the backward pass: what it saved was changed in place", () => {
    const error = thrown(() =>
      torch.detectAnomaly(() => {
        const x = torch.ones([2]).requiresGrad_();
        const y = x.exp();
        y.add_(1);
        y.sum().backward();
      }),
    );
    expect(error.message).toMatch(/modified by an inplace operation/);
    expect(error.operator).toBe("aten::exp");
  });

  test("torch.grad finds it too, and a call within a layer says the layer's line", () => {
    const layer = new nn.Linear(2, 2);
    torch.noGrad(() => layer.weight.fill_(Number.NaN));
    const error = thrown(() =>
      torch.detectAnomaly(() => {
        const x = torch.ones([1, 2]).requiresGrad_();
        torch.grad(layer.forward(x).sum(), [x]);
      }),
    );
    expect(error.operator).toBe("aten::linear");
    expect(error.message).toMatch(/at Linear\.forward .*linear\.ts.*\n.*anomaly\.test\.ts/);
  });

  test("a custom function is named where it was called", () => {
    const error = thrown(() =>
      torch.detectAnomaly(() => {
        const x = torch.ones([1]).requiresGrad_();
        torch
          .customFunction({ forward: (x) => x.mul(2), backward: (g) => g!.mul(Number.NaN) }, x)
          .sum()
          .backward();
      }),
    );
    expect(error.message).toMatch(/Function 'CustomFunctionBackward' returned nan/);
    expect(error.operator).toBe("customFunction");
  });

  test("an error of one's own in a backward stays what it is", () => {
    const mine = new RangeError("mine");
    const x = torch.ones([1]).requiresGrad_();
    const backward = () => {
      throw mine;
    };
    expect(() =>
      torch.detectAnomaly(() => torch.customFunction({ forward: (x) => x.mul(2), backward }, x).backward()),
    ).toThrow(mine);
  });

  test("a second derivative that is NaN leads to the pass that made it", () => {
    const error = thrown(() =>
      torch.detectAnomaly(() => {
        const x = torch.zeros([1]).requiresGrad_();
        const [first] = torch.grad(x.pow(1.5).sum(), [x], { createGraph: true }); // 1.5 sqrt(x)
        first!.mul(0).sum().backward();
      }),
    );
    expect(error.message).toMatch(
      /returned nan values[\s\S]*Its forward call was grad\n +at .*anomaly\.test\.ts/,
    );
  });

  test("ends with its function, whatever happens in it, and nests", () => {
    torch.detectAnomaly(() => {
      expect(() => torch.detectAnomaly(() => rootOfZero().backward())).toThrow(/SqrtBackward0/);
      torch.detectAnomaly(() => {}, { checkNan: false });
      expect(() => rootOfZero().backward()).toThrow(/SqrtBackward0/);
    });
    expect(() => rootOfZero().backward()).not.toThrow();
    expect(() => torch.detectAnomaly(async () => 1)).toThrow(/needs a synchronous function/);
    expect(() => rootOfZero().backward()).not.toThrow();
  });
});

describe("checkNumerics", () => {
  const bad = () => torch.tensor([1, Number.NaN, Number.POSITIVE_INFINITY, Number.NaN]);

  test("takes what is finite, and whole numbers", () => {
    torch.checkNumerics(torch.ones([3]));
    torch.checkNumerics([torch.ones([2], { dtype: "int64" }), torch.zeros([0])]);
    torch.checkNumerics(new nn.BatchNorm1d(3));
  });

  test("names the first that is not, with how many elements are wrong", () => {
    expect(() => torch.checkNumerics(bad())).toThrow(
      /The tensor, float32\[4\], has 2 NaN and 1 infinite elements/,
    );
    expect(() => torch.checkNumerics([torch.ones([1]), bad()])).toThrow(/Tensor 1, float32\[4\]/);
    expect(() => torch.checkNumerics({ logits: bad().reshape([2, 2]).toSparse() })).toThrow(
      /"logits", float32\[2, 2\]/,
    );
    expect(() => torch.checkNumerics(bad().to("complex64"))).toThrow(/complex64\[4\]/);
    torch.checkNumerics(torch.full([2], Number.NEGATIVE_INFINITY), { infinite: false });
    expect(() => torch.checkNumerics(bad(), { infinite: false })).toThrow(/2 NaN/);
  });

  test("looks into a module's parameters, gradients and buffers", () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2));
    const weight = model.namedParameters()[0]![1];
    model
      .forward(torch.ones([3, 2]))
      .sum()
      .mul(Number.NaN)
      .backward();
    expect(() => torch.checkNumerics(model)).toThrow(
      /The gradient of "0\.weight", float32\[2, 2\], has 4 NaN/,
    );
    model.zeroGrad();
    torch.checkNumerics(model);
    torch.noGrad(() => weight.fill_(Number.POSITIVE_INFINITY));
    expect(() => torch.checkNumerics(model)).toThrow(
      /^"0\.weight", float32\[2, 2\], has 0 NaN and 4 infinite/,
    );
    torch.noGrad(() => weight.fill_(1));
    torch.noGrad(() => model.buffers()[0]!.fill_(Number.NaN));
    expect(() => torch.checkNumerics(model)).toThrow(/^"1\.running_mean"/);
  });
});

describe("detectNonFinite", () => {
  class Normalise extends nn.Module {
    forward(x: Tensor): Tensor {
      return x.div(x.sub(x.mean()).square().mean().sqrt());
    }
  }

  test("stops at the first operator that gives NaN or an infinite number, at its call", () => {
    const error = thrown(() => torch.detectNonFinite(() => torch.tensor([-1, 4]).log().sum()));
    expect(error.operator).toBe("aten::log");
    expect(error.message).toMatch(/^aten::log: its result, float32\[2\], has 1 NaN and 0 infinite elements/);
    expect(error.message).toMatch(/arguments: float32\[2\]/);
    expect(error.stack).toMatch(/anomaly\.test\.ts/);
    expect(() => torch.detectNonFinite(() => torch.ones([2]).div(0))).toThrow(/0 NaN and 2 infinite/);
    expect(() => torch.detectNonFinite(() => torch.ones([2]).div_(0))).toThrow(/aten::div_/);
    expect(() => torch.detectNonFinite(() => torch.tensor([-1]).log().split(1))).toThrow(/aten::log/);
  });

  test("names the layer", () => {
    const model = new nn.Sequential(new nn.Linear(2, 2), new nn.Sequential(new Normalise()));
    const x = torch.zeros([1, 2]);
    torch.noGrad(() => model.parameters()[1]!.fill_(1));
    const error = thrown(() => torch.detectNonFinite(() => model.forward(x), { model }));
    expect(error.message).toMatch(/^Layer "1\.0" \(Normalise\): aten::div: its result, float32\[1, 2\]/);
    expect(error.operator).toBe("aten::div");
    expect(() => model.forward(x)).not.toThrow();
    expect(Object.hasOwn(model, "forward")).toBe(false);
    const fine = torch.randn([1, 2]);
    expect(torch.detectNonFinite(() => model.forward(fine), { model }).tolist()).toEqual(
      model.forward(fine).tolist(),
    );
  });

  test("infinite numbers may be allowed, and all is as before afterwards", () => {
    const mask = torch.detectNonFinite(() => torch.full([2], Number.NEGATIVE_INFINITY).exp(), {
      infinite: false,
    });
    expect(mask.tolist()).toEqual([0, 0]);
    expect(() => torch.detectNonFinite(() => torch.tensor([-1]).log(), { infinite: false })).toThrow(
      /aten::log/,
    );
    expect(torch.tensor([-1]).log().isnan().item()).toBe(1);
    expect(() => torch.detectNonFinite(async () => 1)).toThrow(/needs a synchronous function/);
    expect(torch.ones([1]).div(0).item()).toBe(Number.POSITIVE_INFINITY);
  });
});
