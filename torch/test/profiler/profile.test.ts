import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { nn, profiler } from "@penumbra/torch";
import { describe, expect, test } from "vitest";

const model = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, 2));

/** Two forward and backward passes of a known network. */
const program = () => {
  for (let i = 0; i < 2; i++)
    profiler.record("step", () =>
      torch.scope(() => {
        model.zeroGrad();
        model
          .forward(torch.ones([4, 8]))
          .sum()
          .backward();
      }),
    );
};

const callsOf = (seen: profiler.Profile) =>
  Object.fromEntries(seen.totals().map(({ name, calls }) => [name, calls]));

describe("a profile", () => {
  test("counts the operators of a known program, those of the backward pass too", async () => {
    expect(callsOf(await profiler.profile(program))).toMatchObject({
      step: 2,
      "aten::ones": 2,
      "aten::linear": 4,
      "aten::addmm": 4,
      "aten::relu": 2,
      AddmmBackward0: 4,
      ReluBackward0: 2,
      "aten::threshold_backward": 2,
      // Of two layers: both weights, and the input of the second.
      "aten::mm": 6,
      "torch::autograd::AccumulateGrad": 8,
    });
  });

  test("nests: durations enclose those of the calls inside, and times of their own add up to the outermost", async () => {
    const { events, elapsedUs } = await profiler.profile(program);
    expect(events.length).toBeGreaterThan(50);
    for (const { startUs, durationUs, selfUs, children, parent } of events) {
      expect(selfUs).toBeGreaterThanOrEqual(0);
      expect(selfUs + children.reduce((sum, child) => sum + child.durationUs, 0)).toBeCloseTo(durationUs, 6);
      if (!parent) continue;
      expect(startUs).toBeGreaterThanOrEqual(parent.startUs);
      expect(startUs + durationUs).toBeLessThanOrEqual(parent.startUs + parent.durationUs);
    }
    const outermost = events.filter(({ parent }) => parent === null);
    expect(outermost.map(({ name, kind }) => [name, kind])).toEqual([
      ["step", "range"],
      ["step", "range"],
    ]);
    const sum = (times: readonly number[]) => times.reduce((a, b) => a + b, 0);
    const total = sum(outermost.map(({ durationUs }) => durationUs));
    expect(sum(events.map(({ selfUs }) => selfUs))).toBeCloseTo(total, 6);
    expect(total).toBeLessThanOrEqual(elapsedUs);
  });

  test("totals: a call within another of its name is counted once in the time, and averages are per call", async () => {
    const seen = await profiler.profile(() =>
      profiler.record("outer", () => profiler.record("outer", () => void torch.ones([2]))),
    );
    const row = seen.totals().find(({ name }) => name === "outer")!;
    const longest = Math.max(...seen.events.filter(({ name }) => name === "outer").map((e) => e.durationUs));
    expect(row).toMatchObject({ calls: 2, totalUs: longest, averageUs: longest / 2 });
  });

  test("has the inputs' shapes where asked, by which totals can be told apart", async () => {
    const run = () =>
      torch.scope(() => {
        torch.ones([2, 3]).relu();
        torch.ones([5]).relu();
        torch.cat([torch.ones([1]), torch.ones([2])]);
      });
    const seen = await profiler.profile(run, { shapes: true });
    const shapes = (name: string) => [
      ...new Set(seen.events.filter((event) => event.name === name).map((event) => event.shapes)),
    ];
    expect(shapes("aten::relu")).toEqual(["[[2, 3]]", "[[5]]"]);
    expect(shapes("aten::cat")).toEqual(["[[[1], [2]], []]"]);
    const rows = seen.totals({ groupByShapes: true }).filter(({ name }) => name === "aten::relu");
    expect(rows.map(({ calls }) => calls)).toEqual([1, 1]);
    expect(seen.table({ groupByShapes: true })).toMatch(/aten::relu .* \[\[2, 3\]\]\n/);
    expect((await profiler.profile(run)).events.every((event) => event.shapes === null)).toBe(true);
  });

  test("has the bytes that operators are given and give back", async () => {
    const seen = await profiler.profile(
      () => {
        const x = torch.zeros([1000]); // 4,000 bytes, by empty
        const y = profiler.record("product", () => x.mul(x).mul(x)); // 8,000 bytes, of which nothing is given back
        profiler.record("disposal", () => x.dispose());
        y.dispose();
      },
      { memory: true },
    );
    const row = (wanted: string) => {
      const { bytes, selfBytes } = seen.totals().find(({ name }) => name === wanted)!;
      return [bytes.get("cpu"), selfBytes.get("cpu")];
    };
    expect(row("aten::zeros")).toEqual([4000, undefined]);
    expect(row("aten::empty")).toEqual([4000, 4000]);
    expect(row("aten::mul")).toEqual([8000, 8000]);
    expect(row("product")).toEqual([8000, undefined]);
    expect(row("disposal")).toEqual([-4000, -4000]);
    const outside = seen.memory.filter(({ event }) => event === null);
    expect(outside.map(({ bytes, device }) => [bytes, device])).toEqual([[-4000, "cpu"]]);
    expect((await profiler.profile(program)).memory).toEqual([]);
  });

  test("follows a function over its awaits, and gives what it returned", async () => {
    const { result, events } = await profiler.profile(() =>
      torch.scope(async () => {
        const x = torch.ones([3]);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return x.sum().item();
      }),
    );
    expect(result).toBe(3);
    expect(events.map(({ name }) => name)).toEqual(expect.arrayContaining(["aten::ones", "aten::sum"]));
  });

  test("sees custom functions, whose JavaScript runs amid the backward pass", async () => {
    const seen = await profiler.profile(() =>
      torch.scope(() => {
        const x = torch.ones([2]).requiresGrad_();
        const twice = torch.customFunction({ forward: (x) => x.mul(2), backward: (g) => g!.mul(2) }, x);
        twice.sum().backward();
      }),
    );
    const node = seen.events.find(
      ({ name, kind }) => name === "CustomFunctionBackward" && kind === "backward",
    );
    expect(node?.children.map(({ name }) => name)).toEqual(["aten::mul"]);
  });

  test("is one at a time, ends when its function throws, and sees nothing afterwards", async () => {
    await expect(
      profiler.profile(async () => {
        await expect(profiler.profile(() => 1)).rejects.toThrow(/runs on this thread already/);
        torch.ones([1]).matmul(torch.ones([2]));
      }),
    ).rejects.toThrow(/aten::matmul/);
    const { events } = await profiler.profile(() => {});
    torch.ones([1]);
    expect(events).toEqual([]);
  });

  test("ranges without a profile run their function, and nothing asynchronous", () => {
    expect(profiler.record("alone", () => 5)).toBe(5);
    expect(() => profiler.record("alone", async () => 5)).toThrow(/needs a synchronous function/);
    expect(() =>
      profiler.record("alone", () => {
        throw new RangeError("mine");
      }),
    ).toThrow(RangeError);
  });
});

describe("what is shown of a profile", () => {
  test("the table: a row for each operator, the most time of its own first, with the rest counted", async () => {
    const seen = await profiler.profile(program, { memory: true });
    const lines = seen.table({ rowLimit: 3, sortBy: "calls" }).split("\n");
    expect(lines[0]).toMatch(/^Name +Self % +Self +Total % +Total +Average +cpu mem +Self cpu mem +Calls$/);
    expect(lines).toHaveLength(7);
    const rows = seen.totals().length;
    expect(lines.at(-1)).toMatch(new RegExp(`; ${rows - 3} more rows are left out$`));
    const calls = lines.slice(2, 5).map((line) => Number(line.split(/ +/).at(-1)));
    expect(calls).toEqual([...calls].sort((a, b) => b - a));
    expect(seen.totals().map(({ selfUs }) => selfUs)).toEqual(
      seen
        .totals()
        .map(({ selfUs }) => selfUs)
        .sort((a, b) => b - a),
    );
  });

  test("the trace that is written parses, has each call once, and leads from operators to their backward", async () => {
    const folder = mkdtempSync(join(tmpdir(), "penumbra-trace-"));
    try {
      const seen = await profiler.profile(program, { memory: true, shapes: true });
      const file = join(folder, "trace.json");
      seen.writeChromeTrace(file);
      const { traceEvents } = JSON.parse(readFileSync(file, "utf8")) as ReturnType<typeof seen.chromeTrace>;
      const of = (phase: string) => traceEvents.filter(({ ph }) => ph === phase);
      expect(of("X").map(({ name, ts, dur }) => [name, ts, dur])).toEqual(
        seen.events.map(({ name, startUs, durationUs }) => [name, startUs, durationUs]),
      );
      expect(of("C")).toHaveLength(seen.memory.length);
      expect(of("s").map(({ id }) => id)).toEqual(of("f").map(({ id }) => id));
      for (const end of of("f")) {
        const begin = of("s").find(({ id }) => id === end.id)!;
        expect(begin.ts!).toBeLessThan(end.ts!);
        const [from, to] = [begin, end].map(
          (arrow) => of("X").find(({ ts, tid }) => ts === arrow.ts && tid === arrow.tid)!.name,
        );
        expect(to).toMatch(/Backward0$/);
        if (to === "ReluBackward0") expect(from).toBe("aten::relu");
      }
      expect(of("f").length).toBeGreaterThanOrEqual(8); // addmm, relu, addmm, sum; twice
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
