import * as torch from "@penumbra/torch";
import { memory, scope, type Tensor, threads } from "@penumbra/torch";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { collect } from "../collect.ts";
import type { work } from "./child.ts";
import { start } from "./start.ts";

const pool = new threads.Pool<typeof work>(() => start("serve"), { size: 2 });
afterAll(() => pool.close());
beforeEach(collect);

/** The longest time in milliseconds for which a promise's work kept timers from running. */
async function longestBlock(working: Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await working;
  longest = Math.max(longest, performance.now() - last);
  clearInterval(timer);
  return longest;
}

describe("a pool", () => {
  test("answers with tensors of the caller's scope and keeps none of its own", async () => {
    const before = memory();
    for (let i = 0; i < 5; i += 1) {
      await scope(async () => {
        const x = torch.tensor([1, 2, i]);
        const answer = (await pool.run("affine", x)) as { sum: Tensor; list: Tensor[]; live: number };
        expect(answer.sum.tolist()).toEqual([2, 3, i + 1]);
        expect(answer.list[0]!.tolist()).toEqual([2, 4, 2 * i]);
        expect(answer.live).toBe(3);
      });
    }
    expect(memory().tensors).toBe(before.tensors);
    expect(memory().given).toBe(before.given);
  });

  test("leaves the event loop free", async () => {
    const x = torch.rand([1200, 1200]);
    await pool.run("affine", x);
    const begun = performance.now();
    const block = await longestBlock(pool.run("products", x));
    const took = performance.now() - begun;
    expect(block).toBeLessThan(took / 3);
    x.dispose();
  });

  test("works on several calls at once and keeps the order of those that wait", async () => {
    await scope(async () => {
      const numbers = Array.from({ length: 20 }, (_, i) => i);
      const sums = await Promise.all(
        numbers.map(async (i) =>
          ((await pool.run("affine", torch.tensor([i]))) as { sum: Tensor }).sum.item(),
        ),
      );
      expect(sums).toEqual(numbers.map((i) => i + 1));
    });
  });

  test("takes the arguments when it is called: they may be disposed of at once", async () => {
    const answer = scope(() => [pool.run("affine", torch.ones([2]))]);
    const { sum, list } = (await answer[0]!) as { sum: Tensor; list: Tensor[] };
    expect(sum.tolist()).toEqual([2, 2]);
    sum.dispose();
    list[0]!.dispose();
  });

  test("passes errors on as what they were", async () => {
    const x = torch.ones([2, 3]);
    await expect(pool.run("fail", x)).rejects.toThrow(torch.TorchError);
    await expect(pool.run("fail", x)).rejects.toMatchObject({ operator: "aten::matmul" });
    await expect(pool.run("range", x)).rejects.toMatchObject({ name: "RangeError", message: "on purpose" });
    await expect(pool.run("uncloneable", x)).rejects.toThrow(/clone/);
    await expect(pool.run((() => 1) as unknown as string)).rejects.toThrow(/clone/);
    expect(memory().given).toBe(0);
    x.dispose();
  });

  test("replaces a worker that ends, and says so to whom it leaves without an answer", async () => {
    const x = torch.ones([2]);
    await expect(pool.run("exit", x)).rejects.toThrow(/ended with code 3/);
    expect(memory().given).toBe(0);
    const { sum } = (await pool.run("affine", x)) as { sum: Tensor };
    expect(sum.tolist()).toEqual([2, 2]);
  });

  test("finishes what it was asked before it closes, and is closed then", async () => {
    const other = new threads.Pool<typeof work>(() => start("serve"));
    const x = torch.ones([2]);
    const answers = [1, 2, 3].map(() => other.run("affine", x));
    await other.close();
    expect((await Promise.all(answers)).length).toBe(3);
    await expect(other.run("affine", x)).rejects.toThrow(/closed/);
    expect(() => new threads.Pool(() => start("serve"), { size: 0 })).toThrow(/size/);
    expect(() => threads.serve(() => 1)).toThrow(/worker thread/);
  });
});
