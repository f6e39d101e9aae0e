import { spawnSync } from "node:child_process";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

const isBefore213 = /^2\.([0-9]|1[0-2])\./.test(torch.version());

const isAvx2 = torch.information().cpuCapability === "AVX2";

describe("calls that end the process in libtorch", () => {
  const child = join(import.meta.dirname, "guards.child.ts");
  const args = ["--import", "tsx", "--conditions=source", child];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const last = stdout.trim().split("\n").at(-1)!;

  test("are refused, each with what to do", () => {
    // The last line names the call that ended the process.
    expect({ status, signal, last: status === 0 ? "" : last, stderr: status === 0 ? "" : stderr }).toEqual({
      status: 0,
      signal: null,
      last: "",
      stderr: "",
    });
    for (const [operator, message] of JSON.parse(last) as [string, string][]) {
      expect(message).toMatch(new RegExp(`^${operator}: \\S`));
    }
  });

  test("are tried for every operator of the list", () => {
    const called = (JSON.parse(last) as [string, string][]).map(([operator]) => operator);
    // What this libtorch computes without harm is among the neighbours below.
    const refused = torch
      .guards()
      .filter(
        ({ reason, versions }) =>
          (!versions.includes("before 2.13") || isBefore213) && (!reason.includes("AVX2") || isAvx2),
      );
    expect(called).toEqual(expect.arrayContaining(refused.flatMap(({ operators }) => [...operators])));
    for (const { reason, versions } of torch.guards()) {
      expect(reason).toMatch(/^SIG(SEGV|FPE)\b/);
      expect(versions).toMatch(/^2\.\d+/);
    }
  });
});

describe("their neighbours are calls as before", () => {
  const least = torch.tensor([-(2n ** 63n)]);

  test.each<[string, () => torch.Tensor, unknown]>([
    ["the smallest number by another divisor", () => least.div(2, { roundingMode: "trunc" }), [-(2 ** 62)]],
    ["another number by -1", () => torch.tensor([-5n]).div(-1, { roundingMode: "trunc" }), [5]],
    ...(isBefore213
      ? []
      : ([
          ["towards the smaller number", () => least.div(-1, { roundingMode: "floor" }), [-(2 ** 63)]],
          ["by floorDivide", () => least.floorDivide(-1), [-(2 ** 63)]],
          ["for its remainder", () => least.remainder(torch.tensor([-1n])), [0]],
          ["for its remainder by fmod", () => least.fmod(-1), [0]],
        ] as [string, () => torch.Tensor, unknown][])),
    [
      "strided 1x1 convolutions of contiguous images",
      () =>
        torch
          .conv2d(torch.ones([1, 4, 2, 2]), torch.ones([1, 4, 1, 1]).requiresGrad_(), { stride: [2, 2] })
          .reshape([1]),
      [4],
    ],
    [
      "strided 1x1 convolutions of 8 channels",
      () =>
        torch
          .conv2d(
            torch.ones([1, 8, 2, 2]).contiguous({ memoryFormat: "channelsLast" }),
            torch.ones([1, 8, 1, 1]).requiresGrad_(),
            { stride: [2, 2] },
          )
          .reshape([1]),
      [8],
    ],
    ["remainders by other numbers", () => torch.tensor([-7n]).remainder(torch.tensor([3n, -1n])), [2, 0]],
    ["as a float", () => least.div(-1), [2 ** 63]],
    [
      "numbers of 16 bits",
      () => torch.tensor([-32768n]).to("int16").div(-1, { roundingMode: "trunc" }),
      [-32768],
    ],
    ["fractions", () => torch.tensor([-1.5]).div(-1, { roundingMode: "trunc" }), [1]],
    ["a range of fractions", () => torch.range(0, 1, { step: 0.5 }), [0, 0.5, 1]],
    ["a range of whole numbers", () => torch.range(0, 2, { dtype: "int32" }), [0, 1, 2]],
    ["a copy", () => torch.zeros([2]).copy(torch.ones([2])), [1, 1]],
    [
      "sparse matrices",
      () =>
        torch
          .sparseCsrTensor(torch.tensor([0n, 1n, 2n]), torch.tensor([1n, 0n]), torch.ones([2]), [2, 2], {})
          .toDense(),
      [
        [0, 1],
        [1, 0],
      ],
    ],
    [
      "sparse vectors",
      () => torch.sparseCooTensor(torch.tensor([[1n, 0n]]), torch.tensor([5, 6]), [2]).toDense(),
      [6, 5],
    ],
  ])("%s", (_, call, expected) => {
    expect(call().tolist()).toEqual(expected);
  });

  test("a factorisation that is unpacked gives the matrix", () => {
    const matrix = torch.tensor([
      [1, 2],
      [3, 4],
    ]);
    const [lu, pivots] = torch.linalgLuFactor(matrix);
    const [p, l, u] = torch.luUnpack(lu, pivots);
    expect(p.mm(l).mm(u).tolist()).toEqual(matrix.tolist());
  });

  test("an output that has a place for each element is written", () => {
    const out = torch.zeros([2, 2]).t();
    torch.call("aten::add.out", torch.ones([2, 2]), torch.ones([2, 2]), { out });
    expect(out.tolist()).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });
});
