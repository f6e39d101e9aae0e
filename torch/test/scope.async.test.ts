import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import * as torch from "@penumbra/torch";
import { memory, Scope, scope, type Tensor } from "@penumbra/torch";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { collect } from "./collect.ts";

beforeEach(collect);

const pause = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("an asynchronous scope", () => {
  test("releases what its function makes before and after each await, and hands over what that returns", async () => {
    const before = memory().tensors;
    const made: Tensor[] = [];
    const result = await scope(async () => {
      made.push(torch.ones([1]));
      await pause();
      made.push(torch.ones([2]));
      await null;
      made.push(scope(() => torch.ones([3])));
      return { kept: torch.ones([4]) };
    });
    expect(made.every((tensor) => tensor.isDisposed)).toBe(true);
    expect(result.kept.tolist()).toEqual([1, 1, 1, 1]);
    result.kept.dispose();
    expect(memory().tensors).toBe(before);
  });

  test("releases after a rejection too, and lets it through", async () => {
    let made: Tensor | undefined;
    const failing = scope(async () => {
      made = torch.ones([1]);
      await pause();
      throw new RangeError("on purpose");
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(made!.isDisposed).toBe(true);
  });

  test("nests, and gives to the asynchronous scope around it", async () => {
    let inner: Tensor | undefined;
    await scope(async () => {
      inner = await scope(async () => {
        await pause();
        return torch.ones([2]);
      });
      await pause();
      expect(inner.isDisposed).toBe(false);
    });
    expect(inner!.isDisposed).toBe(true);
  });

  test("does not reach the code around its call, nor that code's scope it", async () => {
    let inside: Tensor | undefined;
    const outer = new Scope();
    const running = scope(async () => {
      inside = torch.ones([1]);
      await pause();
      return inside.sum().item();
    });
    const outside = torch.ones([1]);
    outer[Symbol.dispose]();
    expect(outside.isDisposed).toBe(true);
    expect(await running).toBe(1);
    expect(inside!.isDisposed).toBe(true);
  });

  test("leaves what its forgotten tasks make later to the scope around it, or to the garbage collector", async () => {
    let late: Tensor | undefined;
    await scope(async () => {
      void pause(10).then(() => {
        late = torch.ones([1]);
      });
    });
    await pause(30);
    expect(late!.isDisposed).toBe(false);
    late!.dispose();
  });

  test("100 overlapping requests of a server end with the tensors that it began with", async () => {
    const weights = torch.randn([16, 16]);
    const server = createServer((request, response) =>
      scope(async () => {
        const size = Number(request.url?.slice(1));
        const x = torch.ones([size, 16]);
        await pause(Math.random() * 20);
        const y = scope(() => x.matmul(weights).relu());
        const typed = await y.data();
        response.end(String(typed.length + x.shape[0]!));
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const fetched = (size: number) =>
      new Promise<string>((resolve, reject) => {
        get({ port, path: `/${size}`, agent: false }, (response) => {
          response.setEncoding("utf8");
          let text = "";
          response.on("data", (part) => {
            text += part;
          });
          response.on("end", () => resolve(text));
        }).on("error", reject);
      });
    const before = memory().tensors;
    const sizes = Array.from({ length: 100 }, (_, i) => i + 1);
    const answers = await Promise.all(sizes.map(fetched));
    expect(answers).toEqual(sizes.map((size) => String(size * 16 + size)));
    await pause(5);
    expect(memory().tensors).toBe(before);
    server.close();
    weights.dispose();
  });

  test("any interleaving of nested tasks releases each one's own tensors and no other", async () => {
    const plan = fc.letrec((tie) => ({
      task: fc.array(
        fc.oneof(
          { depthSize: "small" },
          fc.constantFrom("make", "wait", "soon", "block", "call", "fail"),
          tie("task"),
        ),
        { maxLength: 6 },
      ),
    })).task as fc.Arbitrary<Step[]>;
    type Step = string | Step[];
    const alive = new AsyncLocalStorage<Tensor[]>();
    const run = async (steps: Step[]): Promise<void> => {
      const own: Tensor[] = [];
      const check = () => {
        for (const tensor of own) expect(tensor.isDisposed).toBe(false);
      };
      await alive.run(own, () =>
        scope(async () => {
          const children: Promise<void>[] = [];
          for (const step of steps) {
            check();
            if (Array.isArray(step)) children.push(run(step));
            else if (step === "make") own.push(torch.ones([1]));
            else if (step === "wait") await pause();
            else if (step === "soon") await null;
            else if (step === "call") own.push(scope(() => torch.ones([2]).add(1)));
            else if (step === "block") {
              using block = new Scope();
              own.push(block.release(torch.ones([2]).add(1)));
            }
          }
          await Promise.all(children);
          check();
          if (steps.includes("fail")) throw new RangeError("on purpose");
        }).catch((error) => {
          if (!(error instanceof RangeError)) throw error;
        }),
      );
      for (const tensor of own) expect(tensor.isDisposed).toBe(true);
    };
    collect();
    const before = memory().tensors;
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { maxLength: 4 }), async (plans) => {
        await Promise.all(plans.map(run));
        expect(memory().tensors).toBe(before);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a block that awaits", () => {
  const job = async (ms: number): Promise<void> => {
    using _block = new Scope();
    torch.ones([2]);
    await pause(ms);
    torch.ones([2]).dispose();
  };

  test("is told to use an asynchronous scope, and its tensors are released", async () => {
    const before = memory().tensors;
    await expect(job(1)).rejects.toThrow(/await scope\(async/);
    expect(memory().tensors).toBe(before);
  });

  test("does no harm to others: overlapping ones in any order leave no dead scope behind", async () => {
    const before = memory().tensors;
    const ends = await Promise.allSettled([job(5), job(15), job(1), job(10)]);
    expect(ends.map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
    const later = torch.ones([3]);
    const inner = scope(() => torch.ones([3]).add(later));
    expect([later.isDisposed, inner.isDisposed]).toEqual([false, false]);
    later.dispose();
    inner.dispose();
    expect(memory().tensors).toBe(before);
  });

  test("is told so within an asynchronous scope as well", async () => {
    const before = memory().tensors;
    await expect(scope(async () => await job(1))).rejects.toThrow(/await scope\(async/);
    expect(memory().tensors).toBe(before);
  });

  test("ends scopes out of order with an error and leaves the thread in order", () => {
    const outer = new Scope();
    const inner = new Scope();
    expect(() => outer[Symbol.dispose]()).toThrow(/reverse order/);
    const made = torch.ones([1]);
    inner[Symbol.dispose]();
    expect(made.isDisposed).toBe(true);
    const later = torch.ones([1]);
    expect(later.owner).toBeUndefined();
    later.dispose();
  });
});
