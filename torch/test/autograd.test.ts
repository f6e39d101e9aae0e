import * as torch from "@penumbra/torch";
import {
  autocast,
  customFunction,
  type FunctionContext,
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

describe("what makes tensors takes requiresGrad", () => {
  test.each<[string, () => Tensor]>([
    ["zeros", () => torch.zeros([2], { requiresGrad: true })],
    ["randn with a dtype", () => torch.randn([2], { dtype: "float64", requiresGrad: true })],
    ["full", () => torch.full([2], 1, { requiresGrad: true })],
    ["eye", () => torch.eye(2, { requiresGrad: true })],
    ["linspace", () => torch.linspace(0, 1, 2, { requiresGrad: true })],
    ["onesLike of a function", () => torch.onesLike(torch.zeros([2]), { requiresGrad: true })],
    ["onesLike of a tensor", () => torch.zeros([2]).onesLike({ requiresGrad: true })],
    ["newFull", () => torch.zeros([1]).newFull([2], 3, { requiresGrad: true })],
    ["a call by name", () => torch.call("aten::ones", [2], { requiresGrad: true }) as Tensor],
  ])("%s", (_, make) => {
    scope(() => {
      const x = make();
      expect([x.requiresGrad, x.isLeaf]).toEqual([true, true]);
      x.square().sum().backward();
      expect(x.grad!.tolist()).toEqual(x.detach().mul(2).tolist());
    });
  });

  test("and refuses it where there is no gradient, and where no tensor is made", () => {
    expect(torch.zeros([1], { requiresGrad: false }).requiresGrad).toBe(false);
    expect(() => torch.arange(3, { dtype: "int64", requiresGrad: true })).toThrow(/floating/);
    expect(() => torch.call("aten::relu", torch.ones([1]), { requiresGrad: true })).toThrow(/no overload/);
    expect(() => torch.ones([1], { requiresGrad: 1 as never })).toThrow(torch.TorchError);
  });
});

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

  test("a mode refuses an asynchronous function, whose rest would run outside of it, and ends", async () => {
    const modes: [string, (fn: () => Promise<number>) => unknown][] = [
      ["noGrad", noGrad],
      ["enableGrad", torch.enableGrad],
      ["inferenceMode", inferenceMode],
      ["autocast", (fn) => autocast({ dtype: "bfloat16" }, fn)],
    ];
    for (const [name, mode] of modes) {
      expect(() => mode(async () => 1)).toThrow(`${name}() needs a synchronous function`);
      expect(() => mode(() => Promise.reject(new Error("unheard")))).toThrow(torch.TorchError);
      expect(torch.isGradEnabled()).toBe(true);
    }
    expect(scope(() => torch.ones([2, 2]).mm(torch.ones([2, 2])).dtype)).toBe("float32");
  });

  test("autocast refuses a dtype that is none of the shorter ones", () => {
    for (const dtype of ["int64", "float32", undefined])
      expect(() => autocast({ dtype: dtype as "float16" }, () => 1)).toThrow(/no shorter dtype/);
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
      ).toThrow(/Function CustomFunctionBackward returned an invalid gradient.*shape/);
      expect(() => giving(7).sum().backward()).toThrow(torch.TorchError);
      const nothing = { forward: (_v: Tensor) => null as never, backward: () => null };
      expect(() => customFunction(nothing, x)).toThrow(/forward gave null/);
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

  test("keeps what forward saves: inputs, outputs and others, for a backward that may run again", () => {
    scope(() => {
      const x = leaf([0.5, -1, 2]);
      let seen: FunctionContext | undefined;
      const y = customFunction((context) => {
        seen = context;
        return {
          forward: (v: Tensor) => {
            expect(() => context.saved).toThrow(/during backward/);
            const exp = v.exp();
            context.save(v);
            context.save(v, exp, v.mul(0).add(3)); // the last call counts
            return exp;
          },
          backward: (g) => {
            const [input, output, three] = context.saved as [Tensor, Tensor, Tensor];
            expect(input.tolist()).toEqual(x.tolist());
            return g!.mul(output).mul(three);
          },
        };
      }, x);
      for (let pass = 1; pass <= 2; pass += 1) {
        const [gradient] = grad(y.sum(), [x], { retainGraph: true });
        expect(gradient!.allclose(x.exp().mul(3))).toBe(true);
      }
      expect(() => seen!.saved).toThrow(/during backward/);
    });
  });

  test("saves an output without holding it for ever: 3,000 outside of scopes are all freed", async () => {
    const exp = (x: Tensor): Tensor =>
      customFunction(
        (context) => ({
          forward: (v: Tensor) => {
            const y = v.exp();
            context.save(y);
            return y;
          },
          backward: (g) => g!.mul(context.saved[0]!),
        }),
        x,
      );
    const x = torch.ones([1000]).requiresGrad_();
    collect();
    const before = torch.memory();
    for (let i = 0; i < 3000; i++) exp(x);
    for (let i = 0; i < 5; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
      scope(() => torch.ones([1])); // functions that only a freed graph held are released at such an occasion
    }
    expect(torch.memory().tensors - before.tensors).toBeLessThanOrEqual(1); // the last one may still lie on the stack
  });
});
