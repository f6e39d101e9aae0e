/** Functions beside methods, the short forms of PyTorch's users, and the words of reductions. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import * as torch from "../src/index.ts";
import { methods } from "../src/tensor/operators.ts";
import { isUnsafe } from "./unsafe-operators.ts";

const names = new Set(Object.keys(torch));
const both = methods.filter(([name]) => names.has(name));

describe("functions beside methods", () => {
  test("stand for the operators that libtorch has as functions", () => {
    expect(both.length).toBeGreaterThan(600);
    for (const name of [
      "matmul",
      "exp",
      "softmax",
      "unsqueeze",
      "allclose",
      "var",
      "where",
      "gelu",
      "isComplex",
    ])
      expect(names).toContain(name);
    // Methods only, in libtorch and in Python.
    for (const name of ["view", "expand", "add_", "contiguous", "_softmax"])
      expect(names).not.toContain(name);
  });

  const x = torch.tensor([
    [0.5, -1.25, 2],
    [3, 0.125, -0.75],
  ]);
  const values = (result: unknown): unknown => {
    if (result instanceof torch.Tensor) return [result.dtype, result.shape, String(result)];
    return Array.isArray(result) ? result.map(values) : result;
  };
  const outcome = (run: () => unknown): unknown => {
    try {
      return values(run());
    } catch (error) {
      return (error as Error).message;
    }
  };
  const random =
    /rand|bernoulli|multinomial|dropout|normal|poisson|rrelu|^empty|resize|^native|^cudnn|^miopen|binomial|cauchy|exponential|uniform|geometric/i;
  const isCompared = ([name, operator]: (typeof methods)[number]) =>
    name !== "slice" && !random.test(name) && !name.endsWith("_") && !isUnsafe(operator);
  const deterministic = both.filter(isCompared);

  test.each([
    ["no others", []],
    ["a tensor", [x]],
    ["a number", [1]],
    ["a list", [[0, 1]]],
  ])("give what the method gives, result or error: %s", (_, rest) => {
    const differing = deterministic.filter(([name]) => {
      const asFunction = (torch as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!;
      const asMethod = (x as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!;
      const [a, b] = torch.scope(() => [
        outcome(() => asFunction(x, ...rest)),
        outcome(() => asMethod.call(x, ...rest)),
      ]);
      return !isDeepStrictEqual(a, b);
    });
    expect(differing.map(([name]) => name)).toEqual([]);
  });

  test("work in place where the operator does, and give the object itself", () => {
    const y = x.clone();
    expect(torch.relu_(y)).toBe(y);
    expect(y.toNumbers()).toEqual([0.5, 0, 2, 3, 0.125, 0]);
  });

  test("name operator and arguments in errors", () => {
    expect(() => torch.matmul(x, x)).toThrow(/aten::matmul[\s\S]*float32\[2, 3\], float32\[2, 3\]/);
    const gone = x.clone();
    gone.dispose();
    expect(() => torch.exp(gone)).toThrow(/disposed/);
    expect(() => torch.exp(undefined as unknown as torch.Tensor)).toThrow(/no overload/);
  });

  test("stand in the generated file once each", () => {
    const text = readFileSync(new URL("../src/tensor/operators.ts", import.meta.url), "utf8");
    const declared = [...text.matchAll(/^export const (\w+): \{/gm)].map(([, name]) => name);
    expect(new Set(declared).size).toBe(declared.length);
  });
});

describe("short forms", () => {
  const x = torch.tensor([
    [1.5, 0, -2],
    [3, 4, 5],
  ]);
  test.each([
    ["float", "float32"],
    ["double", "float64"],
    ["half", "float16"],
    ["bfloat16", "bfloat16"],
    ["long", "int64"],
    ["int", "int32"],
    ["short", "int16"],
    ["char", "int8"],
    ["bool", "bool"],
    ["cfloat", "complex64"],
    ["cdouble", "complex128"],
  ] as const)("%s() converts to %s", (name, dtype) => {
    expect(x[name]().dtype).toBe(dtype);
  });
  test("cpu() and float() give the tensor itself where nothing changes", () => {
    expect(x.cpu().equal(x)).toBe(true);
    expect(x.float().isSetTo(x)).toBe(true);
    expect(torch.tensor([200]).byte().dtype).toBe("uint8");
  });
  test("cuda() asks for the GPU of a number", () => {
    if (torch.cuda.isAvailable()) expect(x.cuda(0).device).toBe("cuda:0");
    else expect(() => x.cuda(0)).toThrow(/CUDA/);
  });
  test("T, mT, H and mH transpose", () => {
    expect(x.T.tolist()).toEqual(x.transpose(0, 1).tolist());
    const batch = torch.arange(24).reshape([2, 3, 4]);
    expect(batch.mT.shape).toEqual([2, 4, 3]);
    const z = torch.complex(x, x);
    expect(z.H.imag().tolist()).toEqual(x.T.neg().tolist());
    expect(z.mH.real().tolist()).toEqual(x.T.tolist());
  });
  test("sizes and kinds", () => {
    expect([x.nelement(), x.ndimension(), x.elementSize(), x.nbytes, torch.numel(x)]).toEqual([
      6, 2, 4, 24, 6,
    ]);
    expect([x.isCpu, x.isCuda, x.isMeta, x.isSparse, x.isQuantized, x.layout]).toEqual([
      true,
      false,
      false,
      false,
      false,
      "strided",
    ]);
    expect(x.toSparse().isSparse).toBe(true);
  });
  test("unique gives each element, or each slice, once", () => {
    expect(torch.unique(torch.tensor([3, 1, 3, 2])).tolist()).toEqual([1, 2, 3]);
    const rows = torch.tensor([
      [1, 2],
      [1, 2],
      [0, 5],
    ]);
    expect(rows.unique({ dim: 0 }).tolist()).toEqual([
      [0, 5],
      [1, 2],
    ]);
  });
});

describe("reductions", () => {
  const x = torch.tensor([1, 2, 4]);
  const y = torch.tensor([0, 0, 0]);
  test("go by their words, in functions and methods", () => {
    expect(x.mseLoss(y, { reduction: "none" }).tolist()).toEqual([1, 4, 16]);
    expect(x.mseLoss(y, { reduction: "mean" }).item()).toBe(7);
    expect(torch.mseLoss(x, y, { reduction: "sum" }).item()).toBe(21);
    expect(torch.l1Loss(x, y).item()).toBeCloseTo(7 / 3, 6);
  });
  test("are refused under another name", () => {
    const options = { reduction: "average" as "mean" };
    expect(() => x.mseLoss(y, options)).toThrow(/no reduction "average". Choose "none", "mean" or "sum"/);
  });
});
