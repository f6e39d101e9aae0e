/**
 * Calls random operators with wrong arguments, in a process of its own: a crash ends it, and the parent sees that.
 * Usage: wrong-arguments.child.ts SEED FIRST COUNT. Call i depends on the seed and on i only.
 * Prints the number of each call before it runs, and at the end how many were refused and how many were legal.
 */
import { writeSync } from "node:fs";
import * as torch from "@penumbra/torch";
import { isUnsafe, unsafeInOlderVersions } from "./unsafe-operators.ts";

const [seed = 0, first = 0, count = 2000] = process.argv.slice(2).map(Number);
type Parameter = torch.OperatorSchema["parameters"][number];

const operators = torch
  .schemas()
  .filter(({ name }) => name.startsWith("aten::") && !isUnsafe(name))
  .sort((a, b) => (a.schema < b.schema ? -1 : 1));

const disposed = torch.ones([2]);
disposed.dispose();
const generator = new torch.Generator({ seed: 1 });

/** Sizes that fit, sizes that do not, and sizes that no machine can hold; none that a machine would take long to fill. */
const INTEGERS = [0, 1, 2, 3, 5, -1, -2, -7, 100, 1e15, -(2 ** 31), 2 ** 53 - 1];
const SHAPES = [[], [0], [1], [2], [2, 3], [3, 2], [2, 3, 4], [1, 2, 4, 4], [2, 0, 3], [1, 1, 3, 3, 3]];
const DTYPES: torch.DType[] = [
  "float32",
  "float64",
  "int64",
  "int32",
  "uint8",
  "bool",
  "float16",
  "bfloat16",
  "complex64",
];
const STRINGS = [
  "mean",
  "",
  "reflect",
  "float32",
  "cpu",
  "cuda:7",
  "strided",
  "ij,jk->ik",
  "meta",
  "preserve",
  "☃",
  "none",
];

function randomTensor(random: torch.Random): torch.Tensor {
  const dtype = random.uniform() < 0.6 ? "float32" : random.choice(DTYPES);
  let made = torch.randn(random.choice(SHAPES), { generator }).mul(3).to(dtype);
  if (made.ndim > 1 && random.uniform() < 0.2) made = made.transpose(0, 1);
  if (dtype === "float32" && random.uniform() < 0.2) made.requiresGrad_();
  return made;
}

/** Anything at all, whatever the operator wants. */
function garbage(random: torch.Random): unknown {
  const makers: (() => unknown)[] = [
    () => disposed,
    () => null,
    () => undefined,
    () => random.choice(INTEGERS),
    () => random.choice([Number.NaN, Number.POSITIVE_INFINITY, -0.5, 1e300, 2n ** 63n - 1n, 2n ** 80n, -1n]),
    () => random.choice(STRINGS),
    () => random.uniform() < 0.5,
    () => Symbol("foreign"),
    () => () => 1,
    () => new Date(),
    () => new Map([["dim", 1]]),
    () => new Float32Array(3),
    () => Object.create(null),
    () => Object.create(torch.Tensor.prototype),
    () => ({ dim: 1, dtype: "float32" }),
    () => ({ real: "one", imag: 2 }),
    () => new Proxy({}, { get: () => 7 }),
    () => new Proxy([1, 2], {}),
    () => [1, [2, [3]]],
    () => [undefined, Symbol("inside")],
    () => [randomTensor(random), 3, disposed],
    () => generator,
    () => randomTensor(random),
  ];
  return random.choice(makers)();
}

/** A value of the type that the parameter wants, though not of the value. */
function plausible(parameter: Parameter, random: torch.Random): unknown {
  if (parameter.optional && random.uniform() < 0.3) return null;
  const kind = parameter.type.replace(/Optional\[|List\[|\]|\[|\?|\d/g, "");
  const one = (): unknown => {
    if (kind === "Tensor") return random.uniform() < 0.02 ? disposed : randomTensor(random);
    if (/Int|int/.test(kind)) return random.choice(INTEGERS);
    if (/float|Float/.test(kind)) return random.choice([0, 1, -1, 0.5, Number.NaN, 1e30]);
    if (/number|Scalar$/.test(kind)) return random.choice([0, 1, -1, 0.5, true, 7n, { real: 1, imag: 2 }]);
    if (/[bB]ool/.test(kind)) return random.uniform() < 0.5;
    if (kind === "ScalarType") return random.choice(DTYPES);
    if (kind === "Device") return random.choice(["cpu", "cpu", "meta", "cuda:3"]);
    if (kind === "Layout") return random.choice(["strided", "sparse_coo", "sparse_csr"]);
    if (kind === "MemoryFormat") return random.choice(["contiguous", "channelsLast", "preserve"]);
    if (kind === "Generator") return generator;
    return random.choice(STRINGS);
  };
  return parameter.list ? Array.from({ length: random.int(4) }, one) : one();
}

let refused = 0;
let legal = 0;
for (let i = first; i < first + count; i++) {
  const random = new torch.Random(torch.deriveSeed(seed, "wrong-arguments", i));
  let operator = random.choice(operators);
  while (operator.name.slice("aten::".length) in unsafeInOlderVersions) operator = random.choice(operators);
  writeSync(1, `${i} ${operator.name}.${operator.overload}\n`);
  torch.scope(() => {
    const spoilt = random.uniform() < 0.5;
    const value = (parameter: Parameter) =>
      spoilt && random.uniform() < 0.3 ? garbage(random) : plausible(parameter, random);
    const args: unknown[] = [];
    const options: Record<string, unknown> = {};
    for (const parameter of operator.parameters) {
      if (parameter.default === undefined && !parameter.keywordOnly) args.push(value(parameter));
      else if (random.uniform() < 0.5) options[parameter.name] = value(parameter);
    }
    if (spoilt && random.uniform() < 0.1) args.push(garbage(random));
    if (spoilt && random.uniform() < 0.1) args.splice(random.int(args.length + 1), 1);
    if (Object.keys(options).length > 0) args.push(options);
    try {
      const name = random.uniform() < 0.5 ? operator.name : `${operator.name}.${operator.overload}`;
      torch.call(name, ...args);
      legal += 1;
    } catch (error) {
      if (!(error instanceof torch.TorchError)) throw error;
      refused += 1;
    }
  });
}
// The engine is still whole.
if (
  torch
    .ones([2, 2])
    .mm(torch.ones([2, 2]))
    .sum()
    .item() !== 8
)
  throw new Error("mm is wrong after the calls");
writeSync(1, `done ${refused} ${legal}\n`);
