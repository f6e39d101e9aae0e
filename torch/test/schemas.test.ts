import { readFileSync } from "node:fs";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { bind } from "../src/tensor/call.ts";
import { native } from "../src/tensor/native.ts";

type Operator = torch.OperatorSchema;
type Parameter = Operator["parameters"][number];

/** Types of arguments that have no JavaScript counterpart, and why; operators with one of them cannot be called. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  Storage: "memory without a shape; tensors are the unit here",
  Stream: "a CUDA stream; the addon uses the current one",
  "__torch__.torch.classes.rnn.CellParamsBase[]":
    "packed weights of quantized recurrent cells, an opaque C++ object",
};
/** Types of results without a counterpart; such an operator runs and then refuses to hand over its result. */
const UNSUPPORTED_RESULTS: Readonly<Record<string, string>> = {
  "Dict(Tensor, Tensor)": "the gradients of a distributed autograd context, which this build does not have",
};

const all = torch.schemas();
const aten = all.filter(({ name }) => name.startsWith("aten::"));
const refused = (parameter: Parameter) => !parameter.supported;

const tensor = torch.ones([2, 3]).keep();
const generator = new torch.Generator({ seed: 1 });

/** Values of a parameter's type; the last one is the value that JavaScript gets back. */
function valuesOf(parameter: Parameter): [given: unknown, back: unknown][] {
  const element = parameter.type.replace(/\[\d*\]|\?/g, "");
  const elements: Record<string, [unknown, unknown][]> = {
    Tensor: [[tensor, "tensor"]],
    int: [
      [3, 3],
      [-1, -1],
      [2 ** 53 - 1, 2 ** 53 - 1],
      [2n ** 63n - 1n, 2n ** 63n - 1n],
      [-5n, -5],
    ],
    float: [
      [0.5, 0.5],
      [2, 2],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ],
    bool: [
      [true, true],
      [false, false],
    ],
    str: [
      ["mean", "mean"],
      ["", ""],
      ["naïve ☃", "naïve ☃"],
    ],
    Scalar: [
      [3, 3],
      [0.25, 0.25],
      [true, true],
      [7n, 7],
      [
        { real: 1, imag: -2 },
        { real: 1, imag: -2 },
      ],
    ],
    ScalarType: (["float32", "bfloat16", "int64", "bool", "complex64", "float8_e4m3fn"] as const).map((d) => [
      d,
      d,
    ]),
    Layout: (["strided", "sparse_coo", "sparse_csr"] as const).map((l) => [l, l]),
    MemoryFormat: (["contiguous", "channelsLast", "channelsLast3d", "preserve"] as const).map((m) => [m, m]),
    Device: [
      ["cpu", "cpu"],
      ["cuda:1", "cuda:1"],
      ["meta", "meta"],
    ],
    Generator: [[generator, "generator"]],
  };
  const ones =
    elements[
      element
        .replace("Sym", "")
        .replace(/^(I)nt$/, "int")
        .replace(/^Int|^Float|^Bool/, (t) => t.toLowerCase())
    ];
  if (!ones) throw new Error(`no values for the type ${parameter.type}`);
  const result: [unknown, unknown][] = [];
  if (parameter.list) {
    result.push([[], []], [ones.map(([given]) => given), ones.map(([, back]) => back)]);
    if (/\?\[/.test(parameter.type))
      result.push([
        [ones[0]![0], null],
        [ones[0]![1], null],
      ]);
  } else result.push(...ones);
  if (parameter.optional) result.push([null, null]);
  return result;
}

/** Tensors and generators are compared by what they hold, and released. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof torch.Generator) return "generator";
  if (!(value instanceof torch.Tensor)) return value;
  expect(value.shape).toEqual([2, 3]);
  return "tensor";
}

describe("the schemas of libtorch", () => {
  test("are all listed", () => {
    expect(aten.length).toBeGreaterThan(2500);
    expect(new Set(all.map(({ name, overload }) => `${name}.${overload}`)).size).toBe(all.length);
  });

  test("of ATen name few types of arguments without a counterpart, each with its reason", () => {
    const types = new Set(
      aten.flatMap(({ parameters }) => parameters.filter(refused).map(({ type }) => type)),
    );
    for (const type of types) expect(Object.keys(UNSUPPORTED)).toContain(type);
    const uncallable = aten.filter(({ parameters }) => parameters.some(refused));
    expect(uncallable.length).toBeLessThan(20);
  });

  test("of ATen name few types of results without a counterpart, each with its reason", () => {
    const known =
      /^(Optional\[|List\[)*(Tensor|int|SymInt|float|bool|SymBool|str|Scalar|ScalarType|QScheme)\]*(\[\])*\??$/;
    const types = new Set(aten.flatMap(({ returns }) => returns).filter((type) => !known.test(type)));
    for (const type of types) expect(Object.keys(UNSUPPORTED_RESULTS)).toContain(type);
  });

  test("give each argument of each callable operator what JavaScript passed", () => {
    let conversions = 0;
    for (const operator of aten) {
      if (operator.parameters.some(refused)) continue;
      const name = `${operator.name}.${operator.overload}`;
      const choices = operator.parameters.map(valuesOf);
      const rounds = Math.max(1, ...choices.map((values) => values.length));
      const packet = native.packet(name);
      torch.scope(() => {
        for (let round = 0; round < rounds; round++) {
          const positional: unknown[] = [];
          const named: unknown[] = [];
          const expected = operator.parameters.map((parameter, i) => {
            const [given, back] = choices[i]![round % choices[i]!.length]!;
            if (parameter.default === undefined && !parameter.keywordOnly) positional.push(given);
            else named.push(native.nameId(parameter.name), given);
            return back;
          });
          const { schema, values } = native.roundTrip(packet, positional.length, ...positional, ...named);
          conversions += values.length;
          expect(schema).toBe(operator.schema);
          expect(values.map(plain), `${operator.schema}, round ${round}`).toEqual(expected);
        }
      });
    }
    expect(conversions).toBeGreaterThan(20_000);
  });

  test("fill in the defaults", () => {
    const { values } = native.roundTrip(native.packet("aten::add.Tensor"), 2, tensor, tensor);
    expect(values.map(plain)).toEqual(["tensor", "tensor", 1]);
    const empty = native.roundTrip(native.packet("aten::empty.memory_format"), 1, [2]).values;
    expect(empty).toEqual([[2], null, null, null, null, null]);
  });

  test("let one number stand for a list of fixed length", () => {
    const { values } = native.roundTrip(native.packet("aten::avg_pool2d"), 2, tensor, 3);
    expect(values[1]).toEqual([3, 3]);
  });

  /** An `out` argument, or scales of a quantized tensor. */
  const writesIntoKeyword = (p: Parameter) =>
    p.keywordOnly && p.default === undefined && /Tensor/.test(p.type) && !p.optional;

  /** The version whose schemas operators.ts was generated from. */
  const generatedFrom = readFileSync(new URL("../src/tensor/operators.ts", import.meta.url), "utf8").match(
    /schemas of libtorch ([\d.]+)\./,
  )?.[1];

  test("name each option's default where editors look for it: in a comment that begins the option's line", () => {
    const text = readFileSync(new URL("../src/tensor/operators.ts", import.meta.url), "utf8");
    const defaults = [...text.matchAll(/\/\*\* Default [^*]*\*\/ \w+\?:/g)];
    expect(defaults.length).toBeGreaterThan(700);
    for (const { index } of defaults) expect(text.slice(index - 5, index)).toBe("\n    ");
  });

  test("have typed methods and functions for every public operator", () => {
    const names = new Set([...Object.getOwnPropertyNames(torch.Tensor.prototype), ...Object.keys(torch)]);
    const camelCase = (name: string) =>
      name.slice(6).replace(/(?<=[^_])_([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
    const missing = aten
      .filter(
        ({ name, parameters }) =>
          !name.includes("__") && parameters.every((p) => p.supported && !writesIntoKeyword(p)),
      )
      .map(({ name }) => name)
      .filter((name) => !names.has(camelCase(name)) && !names.has(`${camelCase(name)}_`));
    if (torch.version() === generatedFrom) expect([...new Set(missing)]).toEqual([]);
    // Operators that came later, or have gone since, are reached by their schema's name.
    else {
      console.log(
        `libtorch ${torch.version()} has operators without a typed form, which is from ${generatedFrom}: ${[...new Set(missing)].join(", ")}.`,
      );
      for (const name of missing) expect(native.packet(name)).toBeGreaterThanOrEqual(0);
      expect(new Set(missing).size).toBeLessThan(100);
    }
  });

  test("that this version does not have fail at their call, by name", () => {
    const later = bind("aten::operator_of_a_later_version");
    expect(() => later(tensor)).toThrow(
      `libtorch ${torch.version()} has no operator aten::operator_of_a_later_version`,
    );
    const source = readFileSync(new URL("../src/tensor/operators.ts", import.meta.url), "utf8");
    const typed = [...source.matchAll(/^\} = bind\("aten::(\w+)"\);$/gm)].map(([, name]) => name!);
    expect(typed.length).toBeGreaterThan(500);
    const known = new Set(aten.map(({ name }) => name));
    for (const name of typed.filter((one) => !known.has(`aten::${one}`))) {
      expect(() => torch.call(`aten::${name}`), name).toThrow(`has no operator aten::${name}`);
    }
  });

  // Older versions keep these from the dispatcher; the addon adds them there.
  test("hold the basic properties of tensors in every version", () => {
    const x = torch.ones([2, 3, 4, 5]);
    const y = x.select(0, 1).transpose(0, 1);
    expect([x.dim(), y.dim(), x.storageOffset(), y.storageOffset()]).toEqual([4, 3, 0, 60]);
    expect([x.isContiguous(), y.isContiguous()]).toEqual([true, false]);
    const last = x.contiguous({ memoryFormat: "channelsLast" });
    expect([x.isContiguous("channelsLast"), last.isContiguous("channelsLast")]).toEqual([false, true]);
    if (!torch.cuda.isAvailable()) expect(x.getDevice()).toBe(-1);
  });
});
