import { readFileSync } from "node:fs";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

interface Spec {
  tensor: number[];
  kind: string;
  dtype: torch.DType;
  seed: number;
  grad: boolean | null;
}
interface Stored {
  shape: number[];
  dtype: string;
  values: number[];
}
type Argument = Spec | number | string | boolean | null | Argument[];
interface Case {
  name: string;
  args: Argument[];
  options: Record<string, Argument>;
  outputs: Stored[];
  gradients: (Stored | null)[];
}

const { cases } = JSON.parse(readFileSync(new URL("fixtures/operators.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

/** The inputs' rule, see fixtures/operators.py. */
function valuesOf({ tensor, kind, seed }: Spec): number[] {
  const count = tensor.reduce((a, b) => a * b, 1);
  const bound = Number(kind.split(":")[1]);
  return Array.from({ length: count }, (_, j) => {
    const u = ((7919 * j + 104729 * seed) % 10007) / 10007;
    if (kind === "signed") return 4 * u - 2;
    if (kind === "positive") return 0.1 + 2 * u;
    if (kind === "unit") return 0.05 + 0.9 * u;
    return kind === "bool" ? Number(u > 0.5) : Math.floor(u * bound);
  });
}

function materialize(argument: Argument, inputs: Tensor[]): unknown {
  if (Array.isArray(argument)) return argument.map((item) => materialize(item, inputs));
  if (typeof argument !== "object" || argument === null) return argument;
  const values = Float64Array.from(valuesOf(argument));
  const made = torch.fromTyped(values, argument.tensor).to(argument.dtype);
  if (argument.dtype.startsWith("float") && argument.grad !== false) made.requiresGrad_();
  inputs.push(made);
  return made;
}

const camelCase = (name: string) =>
  name.replace(/(?<=[^_])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Schema order: arguments without a default by position, the others into the options. */
function arranged({ name, args, options }: Case, inputs: Tensor[]): unknown[] {
  const [operator, overload = ""] = name.split(".");
  const schema = schemas.get(`aten::${operator}.${overload}`);
  if (!schema) throw new Error(`no schema for ${name}`);
  const positional: unknown[] = [];
  const named: Record<string, unknown> = {};
  args.forEach((argument, i) => {
    const parameter = schema.parameters[i]!;
    const value = materialize(argument, inputs);
    if (parameter.default === undefined && !parameter.keywordOnly) positional.push(value);
    else named[parameter.name] = value;
  });
  for (const [key, value] of Object.entries(options)) named[camelCase(key)] = materialize(value, inputs);
  return Object.keys(named).length > 0 ? [...positional, named] : positional;
}

const schemas = new Map(torch.schemas().map((schema) => [`${schema.name}.${schema.overload}`, schema]));

/** Through the typed method or function, as a user calls it. */
function byName(name: string, args: unknown[]): unknown {
  const key = camelCase(name.split(".")[0]!);
  const [first, ...rest] = args;
  const method: unknown = Reflect.get(torch.Tensor.prototype, key);
  const isMethod =
    schemas.get(`aten::${name.includes(".") ? name : `${name}.`}`)?.parameters[0]?.name === "self";
  if (isMethod && first instanceof torch.Tensor)
    return (method as (...a: unknown[]) => unknown).apply(first, rest);
  return (Reflect.get(torch, key) as (...a: unknown[]) => unknown)(...args);
}

function tensorsOf(out: unknown): Tensor[] {
  return (Array.isArray(out) ? out : [out]).filter((item) => item instanceof torch.Tensor);
}

/** The same weighted sum as in fixtures/operators.py. */
function weightedSum(outputs: readonly Tensor[]): Tensor | null {
  let loss: Tensor | null = null;
  for (const output of outputs) {
    const real = output.dtype.startsWith("complex") ? output.viewAsReal() : output;
    if (!real.requiresGrad || !real.dtype.startsWith("float")) continue;
    const weight = Array.from({ length: real.numel }, (_, k) => 0.5 + ((31 * k) % 17) / 17);
    const part = real.mul(torch.tensor(weight, { dtype: real.dtype }).reshape([...real.shape])).sum();
    loss = loss ? loss.add(part) : part;
  }
  return loss;
}

function expectEqual(actual: Tensor, expected: Stored): void {
  expect(actual.shape).toEqual(expected.shape);
  expect(actual.dtype).toBe(expected.dtype);
  const flat = actual.detach();
  const numbers = actual.dtype.startsWith("complex") ? flat.viewAsReal().toNumbers() : flat.toNumbers();
  const scale = expected.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  // Another processor may sum in another order: 10 digits in float64, 5 in float32.
  const tolerance = scale * (expected.dtype === "float32" || expected.dtype === "complex64" ? 1e-5 : 1e-10);
  numbers.forEach((value, i) => {
    expect(Math.abs(value - expected.values[i]!)).toBeLessThanOrEqual(tolerance);
  });
}

describe("operators give PyTorch's results and gradients", () => {
  test("over 80 of them, of every kind, and gradients that are not 0 of over 80", () => {
    const names = (list: readonly Case[]) => new Set(list.map(({ name }) => name.split(".")[0])).size;
    expect(names(cases)).toBeGreaterThan(80);
    const moving = (stored: Stored | null) => stored?.values.some((value) => value !== 0) ?? false;
    expect(names(cases.filter(({ gradients }) => gradients.some(moving)))).toBeGreaterThan(80);
  });

  const ways = { "by schema": torch.call, "by name": null } as const;
  describe.each(Object.keys(ways) as (keyof typeof ways)[])("%s", (way) => {
    test.each(cases.map((one, i) => ({ title: `${one.name}, case ${i}`, one })))("$title", ({ one }) => {
      torch.scope(() => {
        const inputs: Tensor[] = [];
        const args = arranged(one, inputs);
        const overload = one.name.includes(".") ? `aten::${one.name}` : `aten::${one.name}.`;
        const outputs = tensorsOf(
          way === "by schema" ? torch.call(overload, ...args) : byName(one.name, args),
        );
        expect(outputs.length).toBe(one.outputs.length);
        outputs.forEach((output, i) => {
          expectEqual(output, one.outputs[i]!);
        });
        if (one.gradients.length === 0) return;
        const wanted = inputs.filter((input) => input.requiresGrad);
        const gradients = torch.grad(weightedSum(outputs)!, wanted, { allowUnused: true });
        gradients.forEach((gradient, i) => {
          const expected = one.gradients[i]!;
          if (expected === null) expect(gradient).toBeNull();
          else expectEqual(gradient!, expected);
        });
      });
    });
  });
});
