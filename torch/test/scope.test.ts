import * as torch from "@penumbra/torch";
import { keep, memory, nn, Scope, scope, type Tensor, traceMemory } from "@penumbra/torch";
import { beforeEach, describe, expect, test } from "vitest";
import { collect } from "./collect.ts";

beforeEach(collect);

/** Runs `fn` and returns how many tensors live more than before. */
function grown(fn: () => void): number {
  const before = memory().tensors;
  fn();
  return memory().tensors - before;
}

describe("a scope", () => {
  test("releases what was made in it", () => {
    let inside: Tensor | undefined;
    expect(
      grown(() => {
        const value = scope(() => {
          inside = torch.ones([3]).mul(2);
          return inside.sum().item();
        });
        expect(value).toBe(6);
      }),
    ).toBe(0);
    expect(inside!.isDisposed).toBe(true);
  });

  test("hands over what it returns: alone, in arrays, objects, maps, sets, deep inside", () => {
    scope(() => {
      const made = scope(() => ({
        list: [torch.ones([1]), [torch.ones([2])]],
        map: new Map([["a", torch.ones([3])]]),
        set: new Set([torch.ones([4])]),
        deep: { deeper: { deepest: torch.ones([5]) } },
        other: 7,
        released: torch.ones([6]).sum().item(),
      }));
      const found = [
        made.list[0],
        (made.list[1] as Tensor[])[0],
        made.map.get("a"),
        ...made.set,
        made.deep.deeper.deepest,
      ];
      expect(found.map((t) => (t as Tensor).numel)).toEqual([1, 2, 3, 4, 5]);
    });
  });

  test("handles returned structures that contain themselves", () => {
    interface Ring {
      tensor: Tensor;
      self?: Ring;
    }
    scope(() => {
      const ring = scope(() => {
        const made: Ring = { tensor: torch.ones([2]) };
        made.self = made;
        return made;
      });
      expect(ring.self!.tensor.tolist()).toEqual([1, 1]);
    });
  });

  test("gives what it returns to the surrounding scope, which releases it", () => {
    let returned: Tensor | undefined;
    scope(() => {
      returned = scope(() => scope(() => torch.ones([2])));
      expect(returned.isDisposed).toBe(false);
    });
    expect(returned!.isDisposed).toBe(true);
  });

  test("releases after an exception too, and lets it through", () => {
    let inside: Tensor | undefined;
    expect(() =>
      scope(() => {
        inside = torch.ones([2]);
        throw new RangeError("on purpose");
      }),
    ).toThrow(RangeError);
    expect(inside!.isDisposed).toBe(true);
    expect(grown(() => scope(() => torch.ones([1]).sum().item()))).toBe(0);
  });

  test("leaves kept tensors alive until they are disposed", () => {
    const kept = scope(() => {
      const one = torch.ones([2]).keep();
      const [two] = keep([torch.ones([3])]);
      return () => [one, two!];
    });
    const [one, two] = kept();
    expect(one!.tolist()).toEqual([1, 1]);
    expect(two!.numel).toBe(3);
    expect(
      grown(() => {
        one!.dispose();
        two!.dispose();
        two!.dispose(); // the second time does nothing
      }),
    ).toBe(-2);
  });

  test("leaves alone what was made before it", () => {
    const before = torch.ones([2]);
    scope(() => before.add_(1));
    expect(before.tolist()).toEqual([2, 2]);
    before.dispose();
  });

  test("does not release what autograd needs", () => {
    const w = torch.ones([3]).requiresGrad_();
    const loss = scope(() => w.mul(2).exp().mul(w.detach().add(1)).sum());
    loss.backward();
    const expected = 2 * Math.exp(2) * 2;
    for (const value of w.grad!.toNumbers()) expect(value).toBeCloseTo(expected, 4);
  });

  test("refuses a promise of a function that is not async, and releases what that made", async () => {
    let inside: Tensor | undefined;
    const work = async () => {
      inside = torch.ones([2]);
    };
    expect(() => scope(() => work())).toThrow(/synchronous.*scope\(async/);
    expect(inside!.isDisposed).toBe(true);
    expect(() => scope(() => Promise.reject(new Error("unheard")))).toThrow(/synchronous/);
  });

  test("as a block: what `using` declares ends with it", () => {
    let inside: Tensor | undefined;
    {
      using _block = new Scope();
      inside = torch.ones([2]);
      using single = torch.ones([3]);
      expect(single.isDisposed).toBe(false);
    }
    expect(inside.isDisposed).toBe(true);
  });

  test("hands tensors out of a block by release", () => {
    let kept: Tensor;
    scope(() => {
      {
        using block = new Scope();
        kept = block.release(torch.ones([2]));
        torch.ones([5]);
      }
      expect(kept.isDisposed).toBe(false);
    });
    expect(kept!.isDisposed).toBe(true);
  });

  test("must end before the scope around it does", () => {
    const outer = new Scope();
    const inner = new Scope();
    expect(() => outer[Symbol.dispose]()).toThrow(/reverse order/);
    inner[Symbol.dispose]();
    outer[Symbol.dispose]();
    outer[Symbol.dispose](); // the second time does nothing
  });

  test("ends with what was left open in it, and lets the exception through that left it open", () => {
    let inside: Tensor | undefined;
    expect(() =>
      scope(() => {
        new Scope();
        inside = torch.ones([2]);
        throw new RangeError("on purpose");
      }),
    ).toThrow(RangeError);
    expect(inside!.isDisposed).toBe(true);
    expect(grown(() => scope(() => torch.ones([1]).sum().item()))).toBe(0);
  });

  test("releases more tensors than one message to the addon holds", () => {
    expect(
      grown(() =>
        scope(() => {
          for (let i = 0; i < 1000; i++) torch.zeros([2]);
        }),
      ),
    ).toBe(0);
  });
});

describe("a disposed tensor", () => {
  const made = torch.ones([2]).relu();
  made.dispose();

  test.each<[string, () => unknown]>([
    ["as the object of a method", () => made.add(1)],
    ["as the only operand", () => made.relu()],
    ["as an argument", () => torch.ones([2]).add(made)],
    ["in a list", () => torch.cat([torch.ones([2]), made])],
    ["in the options", () => torch.layerNorm(torch.ones([2]), [2], { weight: made })],
    ["for its shape", () => made.shape],
    ["for its elements", () => made.toTyped()],
    ["in backward", () => made.backward()],
    ["for its gradient", () => made.grad],
    ["in an index", () => torch.ones([2]).at(made)],
  ])("is refused %s, with the name of the operator that made it", (_, use) => {
    expect(use).toThrow(/disposed tensor was used \(made by aten::relu\).*keep\(\)/s);
  });

  test("still tells that it is disposed, who made it, and prints", () => {
    expect(made.isDisposed).toBe(true);
    expect(made.creator).toBe("aten::relu");
    expect(made[Symbol.for("nodejs.util.inspect.custom") as never]).toBeDefined();
  });
});

describe("memory()", () => {
  test("counts tensors and the bytes that they own", () => {
    scope(() => {
      const before = memory();
      const x = torch.zeros([1000]);
      x.narrow(0, 0, 10); // a view owns nothing
      expect(memory().tensors - before.tensors).toBe(2);
      expect(memory().bytes - before.bytes).toBe(4000);
      x.dispose();
      expect(memory().bytes).toBe(before.bytes);
      expect(memory().places).toBeUndefined();
    });
  });

  test("says where the living tensors were made, when asked", () => {
    scope(() => {
      traceMemory(true);
      try {
        const kept = [1, 2, 3].map(() => torch.zeros([2]));
        torch.zeros([2]).dispose();
        const places = [...(memory().places ?? [])];
        expect(places.length).toBe(1);
        expect(places[0]![0]).toContain("scope.test.ts");
        expect(places[0]![1]).toBe(kept.length);
      } finally {
        traceMemory(false);
      }
      expect(memory().places).toBeUndefined();
    });
  });

  test("names a place below many calls too, as in a network of nested modules", () => {
    traceMemory(true);
    try {
      const deep = (depth: number): Tensor =>
        depth === 0 ? torch.ones([3]) : scope(() => scope(() => nested[0]!(depth - 1)));
      const nested = [deep];
      const caller = new nn.Sequential(new nn.Sequential(new nn.Sequential(new nn.ReLU())));
      const made = [deep(6), caller.forward(torch.ones([2]))];
      const places = [...(memory().places ?? new Map<string, number>()).keys()];
      expect(places.length).toBeGreaterThan(0);
      for (const place of places) expect(place).toContain("scope.test.ts");
      for (const tensor of made) tensor.dispose();
    } finally {
      traceMemory(false);
    }
  });

  test("tensors outside of any scope are released by the garbage collector, inside of a synchronous loop too", () => {
    // 3,000 MiB in all: without the finalizers they would all be there at the end.
    const before = memory();
    for (let i = 0; i < 3000; i++) torch.empty([512, 512]);
    const after = memory();
    expect(after.tensors - before.tensors).toBeLessThan(1500);
    expect(after.bytes - before.bytes).toBeLessThan(1.5 * 2 ** 30);
  });

  test("1,000 training steps leave live tensors constant and resident memory flat", () => {
    torch.manualSeed(0);
    const x = torch.randn([64, 32]);
    const y = torch.randn([64, 8]);
    const weights = [torch.randn([32, 64]).mul(0.1), torch.randn([64, 8]).mul(0.1)].map((w) =>
      w.requiresGrad_(),
    );
    const step = (): number =>
      scope(() => {
        const loss = x.matmul(weights[0]!).relu().matmul(weights[1]!).mseLoss(y);
        const gradients = torch.grad(loss, weights);
        torch.noGrad(() => {
          weights.forEach((w, i) => {
            w.sub_(gradients[i]!, { alpha: 0.1 });
          });
        });
        return loss.item();
      });
    const first = step();
    for (let i = 0; i < 300; i++) step();
    const tensors = memory().tensors;
    const resident = process.memoryUsage.rss();
    let last = first;
    for (let i = 0; i < 1000; i++) last = step();
    // Fewer is no leak: what earlier tests left may be collected meanwhile.
    expect(memory().tensors).toBeLessThanOrEqual(tensors);
    // Kept, they would be some 70 MiB; the collector's own room varies by some.
    expect(process.memoryUsage.rss() - resident).toBeLessThan(40 * 2 ** 20);
    expect(last).toBeLessThan(first);
  });
});
