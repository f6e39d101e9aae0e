import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import * as torch from "@penumbra/torch";
import { memory, scope, threads } from "@penumbra/torch";
import { beforeEach, describe, expect, test } from "vitest";
import { collect } from "../collect.ts";
import { start } from "./start.ts";

beforeEach(collect);

describe("a tensor that is given", () => {
  test("arrives without a copy: what one side writes, the other sees", () => {
    scope(() => {
      const x = torch.arange(6).reshape([2, 3]);
      const message = structuredClone(threads.give({ x, deep: [new Map([["y", x.at(1)]])], name: "batch" }));
      expect(memory().given).toBe(2);
      const taken = threads.take<{ x: torch.Tensor; deep: Map<string, torch.Tensor>[]; name: string }>(
        message,
      );
      expect(memory().given).toBe(0);
      expect(taken.name).toBe("batch");
      x.add_(10);
      expect(taken.x.tolist()).toEqual(x.tolist());
      expect(taken.deep[0]!.get("y")!.tolist()).toEqual([13, 14, 15]);
      taken.x.zero_();
      expect(x.sum().item()).toBe(0);
    });
  });

  test("arrives in another thread, lives there as long as needed, and is counted there", async () => {
    const worker: Worker = start("hold");
    const x = torch.ones([1000]);
    worker.postMessage(threads.give(x));
    const [answer] = await once(worker, "message");
    expect(answer).toEqual({ sum: 2000, live: 2 });
    expect(x.sum().item()).toBe(2000);
    x.dispose();
    await worker.terminate();
    expect(memory().given).toBe(0);
  });

  test("outlives the giver's", () => {
    scope(() => {
      const given = scope(() => threads.give(torch.full([3], 7)));
      expect(threads.take<torch.Tensor>(given).tolist()).toEqual([7, 7, 7]);
    });
  });

  test("is taken once", () => {
    scope(() => {
      const given = threads.give(torch.ones([1]));
      threads.take(given);
      expect(() => threads.take(given)).toThrow(/taken already/);
    });
  });

  test("keeps its size from then on, because the other thread may be reading it", () => {
    scope(() => {
      const x = torch.ones([3]);
      threads.forget(threads.give(x));
      expect(() => torch.call("aten::resize_", x, [1000])).toThrow(/resiz/);
      expect(() => x.asTyped()).toThrow(/given to another thread/);
    });
  });

  test("is refused with its graph, sparse, or with memory of JavaScript; then nothing is given", () => {
    scope(() => {
      const before = memory().given;
      const w = torch.ones([2]).requiresGrad_();
      const good = torch.ones([2]);
      const shown = torch.ones([2]);
      shown.asTyped();
      expect(() => threads.give([good, w.mul(2)])).toThrow(/detach/);
      expect(() => threads.give([good, good.toSparse()])).toThrow(/toDense/);
      expect(() => threads.give([good, shown])).toThrow(/clone/);
      expect(memory().given).toBe(before);
      const parameter = threads.take<torch.Tensor>(threads.give(w));
      expect(parameter.requiresGrad).toBe(false);
    });
  });

  test("does not stay when it is forgotten", () => {
    const before = memory();
    const given = scope(() => threads.give([torch.ones([1000]), torch.ones([1000])]));
    expect(memory().given).toBe(before.given + 2);
    threads.forget(given);
    threads.forget(given);
    expect(memory().given).toBe(before.given);
    expect(memory().tensors).toBe(before.tensors);
  });
});
