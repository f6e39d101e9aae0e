import * as torch from "@penumbra/torch";
import { checkpoint, grad, scope, type Tensor } from "@penumbra/torch";
import { beforeEach, describe, expect, test } from "vitest";
import { collect } from "./collect.ts";

beforeEach(collect);

const leaf = (values: number[]) => torch.tensor(values, { dtype: "float64", requiresGrad: true });

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

  test("finds the autocast mode of the first run in the second", () => {
    scope(() => {
      const w = torch.randn([4, 4]).requiresGrad_();
      const x = torch.randn([2, 4]);
      const block = (v: Tensor) => v.mm(w).tanh();
      const run = (forward: (v: Tensor) => Tensor) => {
        w.grad = null;
        const input = x.clone().requiresGrad_();
        const y = torch.autocast({ dtype: "bfloat16" }, () => forward(input));
        expect(y.dtype).toBe("bfloat16");
        y.to("float32").sum().backward(); // outside of autocast, as in a training step
        return [...input.grad!.toNumbers(), ...w.grad!.toNumbers()];
      };
      expect(run((v) => checkpoint(block, v))).toEqual(run(block)); // bit for bit: the same operations
    });
  });

  test("differentiates a second time, in its inputs and in the gradient that comes in", () => {
    scope(() => {
      const gradients = (block: (x: Tensor, w: Tensor) => Tensor) => {
        const [x, w] = [leaf([3, -1]), leaf([2, 0.5])];
        const loss = block(x, w).square().add(x.pow(3)).sum();
        const first = grad(loss, [x, w], { createGraph: true });
        const second = grad(first[0]!.sum().add(first[1]!.mul(3).sum()), [x, w]);
        return [...first, ...second].map((t) => t.toNumbers());
      };
      const block = (x: Tensor, w: Tensor) => x.mul(x).mul(w).sin();
      const plain = gradients(block).flat();
      gradients((x, w) => checkpoint(block, x, w))
        .flat()
        .forEach((value, i) => {
          expect(value).toBeCloseTo(plain[i]!, 10); // sums in another order
        });
    });
  });

  test("refuses a pass in which what it captured could not get its gradients, and spoils none", () => {
    scope(() => {
      const [x, w] = [leaf([3]), leaf([2])];
      const out = () => checkpoint((v: Tensor) => v.mul(v).mul(w), x).sum();
      expect(() => grad(out(), [x])).toThrow(/none of its inputs/);
      expect(() => grad(out().add(w.sum()), [x, w])).toThrow(/none of its inputs/);
      expect(() => torch.backward([out()], { inputs: [x] })).toThrow(/none of its inputs/);
      expect(() => out().backward(null, { createGraph: true })).toThrow(/none of its inputs/);
      expect([x.grad, w.grad]).toEqual([null, null]);
      out().backward();
      expect([x.grad!.item(), w.grad!.item()]).toEqual([12, 9]);
    });
  });

  test("puts the generator back where it stood when the second run fails", () => {
    scope(() => {
      let runs = 0;
      const failing = (v: Tensor) => {
        if (runs++ > 0) throw new RangeError("on purpose");
        return torch.dropout(v, 0.5, true);
      };
      torch.manualSeed(1);
      const out = checkpoint(failing, leaf([1, 2])).sum();
      const state = torch.defaultGenerator().getState();
      expect(() => out.backward()).toThrow(RangeError);
      expect(torch.defaultGenerator().getState().equal(state)).toBe(true);
    });
  });

  test("trains what its function captured where no input requires a gradient", () => {
    const w = torch.tensor([2, 3]).requiresGrad_();
    const x = torch.tensor([5, 7]);
    torch.checkpoint((v: Tensor) => v.mul(w).sum(), x).backward();
    expect(w.grad!.tolist()).toEqual([5, 7]);
    w.grad = null;
    const [twice, thrice] = torch.checkpoint((v: Tensor) => [v.mul(w).mul(2), v.mul(w).mul(3)], x);
    twice!.add(thrice!).sum().backward();
    expect(w.grad!.tolist()).toEqual([25, 35]);
  });

  test("records nothing where nothing requires a gradient", () => {
    const x = torch.tensor([5, 7]);
    const y = torch.checkpoint((v: Tensor) => v.mul(2), x);
    expect([y.requiresGrad, y.tolist()]).toEqual([false, [10, 14]]);
  });

  test("differentiates through computed tensors that its function captured, beside others that use them", () => {
    const w = torch.tensor([2, 3]).requiresGrad_();
    const x = torch.ones([2]).requiresGrad_();
    const plain = (run: (fn: (v: Tensor) => Tensor, v: Tensor) => Tensor): number[][] => {
      w.grad = null;
      x.grad = null;
      const h = w.mul(w).sin(); // computed, and no input
      const loss = run((v) => v.mul(h).exp().sum(), x)
        .add(run((v) => v.mul(h).sum(), x))
        .add(h.sum());
      loss.backward();
      return [w, x].map(({ grad }) => grad!.tolist() as number[]);
    };
    expect(plain((fn, v) => torch.checkpoint(fn, v))).toEqual(plain((fn, v) => fn(v)));
  });
});
