import { readFileSync } from "node:fs";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { isUnsafe } from "./unsafe-operators.ts";

/** How a value is made, by the name in front; a list of such, or a plain value: see MAKERS in fixtures/coverage.py. */
type Recipe = null | boolean | number | string | Recipe[];
type Case = [name: string, args: Recipe[], options: Record<string, Recipe>, result: unknown];

const fixture = JSON.parse(readFileSync(new URL("fixtures/coverage.json", import.meta.url), "utf8")) as {
  torch: string;
  cases: Case[];
  /** Why there is no case, by operator. */
  left: Record<string, string>;
  /** The same for those that only TorchScript's interpreter can call. */
  interpreter: Record<string, string>;
};

function elements(count: number, kind: Recipe): number[] {
  const one = (i: number) =>
    kind === "index" ? (i * 5) % 2 : (((i * 37 + Number(kind) * 11) % 23) - 11) / 8;
  return Array.from({ length: count }, (_, i) => one(i));
}

type Shape = readonly number[];

const MAKERS: Readonly<Record<string, (...rest: never[]) => unknown>> = {
  T(dtype: torch.DType, shape: Shape, kind: Recipe) {
    const values = elements(
      shape.reduce((a, b) => a * b, 1),
      kind,
    );
    const isWhole = kind !== "index" && /^u?int/.test(dtype);
    const made = torch.fromTyped(Float64Array.from(values), [values.length]);
    return (isWhole ? made.mul(8).abs() : made).to(dtype).reshape(shape);
  },
  V: (dtype: torch.DType, shape: Shape, values: number[]) =>
    torch.fromTyped(Float64Array.from(values), [values.length]).to(dtype).reshape(shape),
  dtype: (name: string) => name,
  layout: (name: string) => name,
  memory_format: (name: string) => (name === "channels_last" ? "channelsLast" : name),
  complex: (real: number, imag: number) => ({ real, imag }),
  generator: () => new torch.Generator({ seed: 1 }),
  call: (name: string, args: Recipe[], options: Record<string, Recipe>) =>
    torch.call(name, ...args.map(fromRecipe), named(options)),
  item: (i: number, recipe: Recipe) => (fromRecipe(recipe) as unknown[])[i],
};

const named = (options: Record<string, Recipe>) =>
  Object.fromEntries(Object.entries(options).map(([key, recipe]) => [camelCase(key), fromRecipe(recipe)]));

function fromRecipe(recipe: Recipe): unknown {
  if (!Array.isArray(recipe)) return recipe;
  const [name, ...rest] = recipe;
  const make = typeof name === "string" ? MAKERS[name] : undefined;
  return make ? make(...(rest as never[])) : recipe.map(fromRecipe);
}

const plain = (value: number) => (Number.isFinite(value) ? value : 99);

/** Two sums over a tensor's elements, real and imaginary parts in turn. */
function sums(tensor: torch.Tensor): [weighted: number, size: number] {
  const real = tensor.isComplex() ? tensor.resolveConj().viewAsReal() : tensor;
  const numbers = real.detach().toNumbers().map(plain);
  return [
    numbers.reduce((sum, value, i) => sum + ((i % 7) - 3) * value, 0),
    numbers.reduce((sum, value) => sum + Math.abs(value), 0),
  ];
}

/** Compares with what Python's torch gave: see `digest` in fixtures/coverage.py. */
function expectLike(result: unknown, expected: unknown): void {
  if (Array.isArray(expected) && expected[0] === "T") {
    const [, dtype, shape, weighted, size] = expected as [string, string, number[]?, number?, number?];
    expect(result).toBeInstanceOf(torch.Tensor);
    const tensor = result as torch.Tensor;
    expect(tensor.dtype).toBe(dtype);
    if (shape === undefined) return; // of another layout than strided
    expect(tensor.shape).toEqual(shape);
    // Sums of float32 or shorter results in another order, and 6 digits in the fixture.
    const digits = /16|float8/.test(dtype) ? 1e-2 : 2e-4;
    const [ownWeighted, ownSize] = sums(tensor);
    expect(Math.abs(ownSize - size!)).toBeLessThanOrEqual(digits * (size! + 1e-3));
    expect(Math.abs(ownWeighted - weighted!)).toBeLessThanOrEqual(digits * 3 * (size! + 1e-3));
  } else if (Array.isArray(expected)) {
    const list = result as unknown[];
    expect(list).toHaveLength(expected.length);
    for (const [i, item] of expected.entries()) expectLike(list[i], item);
  } else if (typeof expected === "number") {
    if (typeof result === "string") return; // a dtype, which is a number in Python's schemas
    expect(plain(Number(result))).toBeCloseTo(expected, 4);
  } else if (typeof expected === "object" && expected !== null) {
    for (const [part, value] of Object.entries(expected)) {
      expect(plain((result as Record<string, number>)[part]!)).toBeCloseTo(value as number, 4);
    }
  } else if (expected !== "?") {
    expect(result ?? null).toEqual(expected);
  }
}

/** Cases that libtorch 2.6 refuses, or computes otherwise than the fixture's version. */
const OTHERWISE_IN_2_6: Readonly<Record<string, string>> = {
  "aten::cross_entropy_loss": "the target of a single row has no dimension",
  "aten::nll_loss_forward": "the target of a single row has no dimension",
  "aten::instance_norm": "running statistics have the input's dtype",
  "aten::linalg_inv": "the matrix is nearly singular: its inverse is as LAPACK rounds",
};
const otherwise: Readonly<Record<string, string>> = torch.version().startsWith("2.6.")
  ? OTHERWISE_IN_2_6
  : {};

const camelCase = (name: string) =>
  name.replace(/([^_])_([a-z0-9])/gi, (_, before: string, after: string) => before + after.toUpperCase());
const nameOf = ({ name, overload }: torch.OperatorSchema) => (overload === "" ? name : `${name}.${overload}`);
const operators = torch.schemas().filter(({ name }) => name.startsWith("aten::"));

describe("every operator that runs on the CPU", () => {
  const known = new Set(operators.map(nameOf));
  const cases = fixture.cases.filter(([name]) => known.has(name) && !(name in otherwise));
  for (const [name, reason] of Object.entries(otherwise))
    console.log(`Left out with libtorch ${torch.version()}: ${name}, ${reason}.`);

  test("takes arguments of its schema and gives what Python's torch gives", () => {
    const wrong: string[] = [];
    for (const [name, args, options, expected] of cases) {
      try {
        torch.scope(() => {
          const result = torch.call(name, ...args.map(fromRecipe), named(options));
          if (expected !== null) expectLike(result, expected);
        });
      } catch (error) {
        wrong.push(`${name}: ${(error as Error).message.split("\n")[0]}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThan(1250);
    expect(cases.filter(([, , , expected]) => expected !== null).length).toBeGreaterThan(1200);
  });

  test("is among the cases, or among those that are left out with the reason", () => {
    const called = new Set(fixture.cases.map(([name]) => name));
    const missing = operators.filter((operator) => {
      const name = nameOf(operator);
      if (isUnsafe(operator.name)) return false; // called by libtorch from within, with arguments that were checked elsewhere
      // Those that write into a tensor given by name have the kernel of the operator that gives a new one.
      const isLeft = name in fixture.left || name in fixture.interpreter;
      return !called.has(name) && !isLeft && !/\*, .*Tensor\([a-z]!\)/.test(operator.schema);
    });
    // A newer libtorch has more: the script is to be run with it.
    if (torch.version() === fixture.torch.split("+")[0]) expect(missing.map(nameOf)).toEqual([]);
    expect(Object.keys(fixture.left).length).toBeLessThan(50);
    const reasons = Object.values({ ...fixture.left, ...fixture.interpreter });
    for (const reason of reasons) expect(reason).toMatch(/\w+ \w+ \w+/);
    expect(reasons).not.toContain("no drawn arguments are valid");
  });
});
