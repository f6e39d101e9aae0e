import * as torch from "@penumbra/torch";
import {
  autocast,
  checkpoint,
  customFunction,
  grad,
  inferenceMode,
  noGrad,
  scope,
  type Tensor,
} from "@penumbra/torch";
import { beforeEach, describe, expect, test } from "vitest";
import { collect } from "./collect.ts";

beforeEach(collect);

const leaf = (values: number[]) => torch.tensor(values, { dtype: "float64", requiresGrad: true });

describe("grad and backward", () => {
  test("grad gives gradients and accumulates nothing; backward accumulates", () => {
    scope(() => {
      const x = leaf([1, 2, 3]);
      expect(grad(x.square().sum(), [x])[0]!.toNumbers()).toEqual([2, 4, 6]);
      expect(x.grad).toBeNull();
      x.square().sum().backward();
      x.mul(10).sum().backward();
      expect(x.grad!.toNumbers()).toEqual([12, 14, 16]);
      x.grad = null;
      expect(x.grad).toBeNull();
    });
  });

  test("weights of several outputs go in by gradOutputs and gradients", () => {
    scope(() => {
      const x = leaf([1, 2]);
      const y = leaf([3, 4]);
      const weight = torch.tensor([10, 100], { dtype: "float64" });
      const [gx, gy] = grad([x.mul(y), x.sum()], [x, y], { gradOutputs: [weight, null] });
      expect(gx!.toNumbers()).toEqual([31, 401]);
      expect(gy!.toNumbers()).toEqual([10, 200]);
      torch.backward([x.mul(y)], { gradients: [weight], inputs: [y] });
      expect(y.grad!.toNumbers()).toEqual([10, 200]);
      expect(x.grad).toBeNull();
      x.mul(2).backward(weight);
      expect(x.grad!.toNumbers()).toEqual([20, 200]);
    });
  });

  test("a graph serves once, unless retainGraph says otherwise", () => {
    scope(() => {
      const x = leaf([1, 2]);
      const loss = x.exp().sum();
      loss.backward(null, { retainGraph: true });
      loss.backward();
      const expected = [1, 2].map((v) => 2 * Math.exp(v));
      x.grad!.toNumbers().forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 12);
      });
      expect(() => loss.backward()).toThrow(/second time/);
    });
  });

  test("createGraph makes gradients differentiable, any number of times", () => {
    scope(() => {
      const x = leaf([1.5]);
      let derivative: Tensor = x.pow(4);
      for (const expected of [4 * 1.5 ** 3, 12 * 1.5 ** 2, 24 * 1.5, 24]) {
        derivative = grad(derivative.sum(), [x], { createGraph: true })[0]!;
        expect(derivative.item()).toBeCloseTo(expected, 10);
      }
    });
  });

  test("an input that the outputs do not depend on is an error, or null with allowUnused", () => {
    scope(() => {
      const [x, y] = [leaf([1]), leaf([2])];
      expect(() => grad(x.sum(), [x, y])).toThrow(/allow_unused|not have been used/);
      const [gx, gy] = grad(x.sum(), [x, y], { allowUnused: true });
      expect(gx!.toNumbers()).toEqual([1]);
      expect(gy).toBeNull();
    });
  });

  test("properties tell where a tensor stands in the graph", () => {
    scope(() => {
      const x = leaf([1]);
      const y = x.mul(x);
      expect([x.isLeaf, x.requiresGrad, x.gradFn]).toEqual([true, true, null]);
      expect([y.isLeaf, y.requiresGrad, y.gradFn]).toEqual([false, true, "MulBackward0"]);
      expect([y.detach().isLeaf, y.detach().requiresGrad]).toEqual([true, false]);
      expect(() => y.requiresGrad_(false)).toThrow(torch.TorchError);
    });
  });
});

describe("modes", () => {
  test("noGrad, enableGrad nest and end with an exception", () => {
    scope(() => {
      const x = leaf([1]);
      noGrad(() => {
        expect(x.mul(2).requiresGrad).toBe(false);
        torch.enableGrad(() => expect(x.mul(2).requiresGrad).toBe(true));
        expect(torch.isGradEnabled()).toBe(false);
      });
      expect(() =>
        noGrad(() => {
          throw new RangeError("on purpose");
        }),
      ).toThrow(RangeError);
      expect(torch.isGradEnabled()).toBe(true);
    });
  });

  test("tensors of inference mode take no part in differentiation, and an exception ends the mode", () => {
    scope(() => {
      const x = leaf([2]);
      const y = inferenceMode(() => x.mul(3));
      expect(y.item()).toBe(6);
      expect(() => x.mul(y).sum().backward()).toThrow(/[Ii]nference/);
      expect(() =>
        inferenceMode(() => {
          throw new RangeError("on purpose");
        }),
      ).toThrow(RangeError);
      expect(x.mul(2).requiresGrad).toBe(true);
    });
  });

  test("autocast shortens products, nests, and ends with its function", () => {
    scope(() => {
      const [a, b] = [torch.randn([4, 4]), torch.randn([4, 4])];
      autocast({ dtype: "bfloat16" }, () => {
        const product = a.mm(b);
        expect(product.dtype).toBe("bfloat16");
        expect(a.add(b).dtype).toBe("float32");
        expect(autocast({ dtype: "bfloat16", enabled: false }, () => a.mm(b)).dtype).toBe("float32");
        expect(autocast({ dtype: "float16" }, () => a.mm(b)).dtype).toBe("float16");
        expect(a.mm(b).dtype).toBe("bfloat16");
        const rounding = product
          .to("float32")
          .sub(autocast({ dtype: "bfloat16", enabled: false }, () => a.mm(b)));
        expect(rounding.abs().max().item()).toBeLessThan(0.1);
      });
      expect(() =>
        autocast({ dtype: "bfloat16" }, () => {
          throw new RangeError("on purpose");
        }),
      ).toThrow(RangeError);
      expect(a.mm(b).dtype).toBe("float32");
    });
  });

  test("gradients of weights under autocast are float32", () => {
    scope(() => {
      const w = torch.randn([4, 4]).requiresGrad_();
      const x = torch.randn([2, 4]);
      const loss = autocast({ dtype: "bfloat16" }, () => x.mm(w).to("float32").square().mean());
      loss.backward();
      expect(w.grad!.dtype).toBe("float32");
      const exact = grad(x.mm(w).square().mean(), [w])[0]!;
      expect(exact.sub(w.grad!).abs().max().item()).toBeLessThan(0.05 * exact.abs().max().item());
    });
  });
});

describe("customFunction", () => {
  test("several inputs and outputs, null where there is no gradient", () => {
    scope(() => {
      const [x, y] = [leaf([1, 2]), leaf([3, 4])];
      const seen: (boolean | null)[] = [];
      const [sum, product] = customFunction(
        {
          forward: (a: Tensor, b: Tensor) => [a.add(b), a.mul(b)],
          backward: (ds, dp) => {
            seen.push(ds === null, dp === null);
            return [dp!.mul(y.detach()), null];
          },
        },
        x,
        y,
      ) as [Tensor, Tensor];
      expect(sum.requiresGrad && product.requiresGrad).toBe(true);
      product.sum().backward();
      expect(seen).toEqual([true, false]); // nothing downstream needed the sum
      expect(x.grad!.toNumbers()).toEqual([3, 4]);
      expect(y.grad).toBeNull();
    });
  });

  test("what forward computes is not recorded, and what it captured is there in backward", () => {
    scope(() => {
      const x = leaf([0.5, 1]);
      let kept: Tensor | undefined;
      const out = customFunction(
        {
          forward: (v: Tensor) => {
            expect(torch.isGradEnabled()).toBe(false);
            kept = v.exp();
            return kept.mul(2);
          },
          backward: (g) => g!.mul(kept!).mul(2),
        },
        x,
      );
      expect(out.gradFn).toBe("CustomFunctionBackward");
      out.sum().backward();
      expect(x.grad!.toNumbers()).toEqual([0.5, 1].map((v) => 2 * Math.exp(v)));
    });
  });

  test("works between other operations, twice in a graph, and differentiates a second time", () => {
    scope(() => {
      const cube = (x: Tensor): Tensor =>
        customFunction({ forward: (v: Tensor) => v.pow(3), backward: (g) => g!.mul(x.square()).mul(3) }, x);
      const x = leaf([2]);
      const y = cube(cube(x.mul(1)).mul(0.5)); // (x^3 / 2)^3 = x^9 / 8
      const first = grad(y.sum(), [x], { createGraph: true })[0]!;
      expect(first.item()).toBeCloseTo((9 * 2 ** 8) / 8, 8);
      expect(grad(first.sum(), [x])[0]!.item()).toBeCloseTo((72 * 2 ** 7) / 8, 8);
    });
  });

  test("an exception in forward or backward arrives as it was thrown", () => {
    class Special extends Error {}
    scope(() => {
      const x = leaf([1]);
      const failing = (where: "forward" | "backward") =>
        customFunction(
          {
            forward: (v: Tensor) => {
              if (where === "forward") throw new Special("in forward");
              return v.mul(1);
            },
            backward: () => {
              throw new Special("in backward");
            },
          },
          x,
        );
      expect(() => failing("forward")).toThrow(Special);
      expect(() => failing("backward").sum().backward()).toThrow(Special);
      expect(() => grad(failing("backward").exp().sum(), [x])).toThrow(/in backward/);
      expect(torch.isGradEnabled()).toBe(true);
      x.square().sum().backward(); // the engine is whole
      expect(x.grad!.item()).toBe(2);
    });
  });

  test("the wrong number, shape or kind of gradients is refused", () => {
    scope(() => {
      const x = leaf([1, 2]);
      const giving = (result: unknown) =>
        customFunction({ forward: (v: Tensor) => v.mul(1), backward: () => result as Tensor }, x);
      expect(() => giving([x.detach(), x.detach()]).sum().backward()).toThrow(torch.TorchError);
      expect(() =>
        giving(torch.ones([3], { dtype: "float64" }))
          .sum()
          .backward(),
      ).toThrow(/shape/);
      expect(() => giving(7).sum().backward()).toThrow(torch.TorchError);
    });
  });

  test("10,000 of them leave nothing behind", () => {
    const x = torch.ones([4]).requiresGrad_();
    const before = torch.memory().tensors;
    for (let i = 0; i < 100; i++) {
      scope(() => {
        let y: Tensor = x;
        for (let j = 0; j < 100; j++) {
          y = customFunction({ forward: (v: Tensor) => v.mul(1), backward: (g) => g }, y);
        }
        expect(grad(y.sum(), [x])[0]!.toNumbers()).toEqual([1, 1, 1, 1]);
      });
    }
    expect(torch.memory().tensors).toBe(before);
  });
});

describe("checkpoint", () => {
  const weight = torch.randn([6, 6], { dtype: "float64", generator: new torch.Generator({ seed: 3 }) });

  test("gives the plain function's results and gradients, with dropout and captured parameters", () => {
    scope(() => {
      const w = weight.clone().requiresGrad_();
      const block = (x: Tensor) => torch.dropout(x.mm(w).tanh(), 0.4, true).mm(w);
      const run = (forward: (x: Tensor) => Tensor) => {
        torch.manualSeed(5);
        w.grad = null;
        const x = torch.ones([3, 6], { dtype: "float64" }).requiresGrad_();
        const out = forward(forward(x));
        const after = torch.rand([2]).toNumbers();
        out.square().sum().backward();
        return [out, x.grad!, w.grad!].map((t) => t.toNumbers()).concat([after, torch.rand([2]).toNumbers()]);
      };
      const [plain, saved] = [run(block).flat(), run((x) => checkpoint(block, x)).flat()];
      // Gradients of `w` are summed in another order.
      saved.forEach((value, i) => {
        expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-11 * Math.max(1, Math.abs(plain[i]!)));
      });
    });
  });

  test("works where the scope of its inputs has ended", () => {
    scope(() => {
      const x = torch.ones([2, 6], { dtype: "float64" }).requiresGrad_();
      const out = scope(() => checkpoint((v: Tensor) => v.mm(weight).exp(), x.mul(0.1)));
      out.sum().backward();
      const plain = grad(x.mul(0.1).mm(weight).exp().sum(), [x])[0]!;
      expect(x.grad!.sub(plain).abs().max().item()).toBeLessThan(1e-12);
    });
  });

  test("holds the inputs and not what is in between", () => {
    scope(() => {
      const x = torch.ones([256, 1024]).requiresGrad_();
      const deep = (v: Tensor) => {
        let y = v;
        for (let i = 0; i < 10; i++) y = y.sin();
        return y;
      };
      const before = torch.memory().bytes;
      const out = checkpoint(deep, x);
      expect(torch.memory().bytes - before).toBeLessThan(2 * 2 ** 20 + 2 ** 16);
      out.sum().backward();
      expect(x.grad!.shape).toEqual([256, 1024]);
      expect(torch.memory().bytes - before).toBeLessThan(4 * 2 ** 20);
    });
  });

  test("takes several inputs and outputs", () => {
    scope(() => {
      const [x, y] = [leaf([1, 2]), leaf([3, 4])];
      const [a, b] = checkpoint((u: Tensor, v: Tensor): [Tensor, Tensor] => [u.mul(v), u.add(v)], x, y);
      a.sum().add(b.mul(10).sum()).backward();
      expect(x.grad!.toNumbers()).toEqual([13, 14]);
      expect(y.grad!.toNumbers()).toEqual([11, 12]);
    });
  });
});
