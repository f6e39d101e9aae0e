import { native } from "./native.ts";

/** What is needed of an operator's schema: see `OperatorSchema` in system.ts. */
interface Overload {
  readonly name: string;
  readonly overload: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly keywordOnly: boolean;
    readonly optional: boolean;
    readonly default?: string;
  }[];
}

/** Names of other libraries for the same. */
const ALIASES: Readonly<Record<string, string>> = {
  axis: "dim",
  axes: "dim",
  dims: "dim",
  keepdims: "keepdim",
  keepDim: "keepdim",
};

interface Arguments {
  readonly positional: unknown[];
  readonly options: Record<string, unknown>;
}

let overloads: Map<string, Overload[]> | undefined;

/** The operator's overloads; the table is made at the first error. */
function overloadsOf(operator: string): readonly Overload[] {
  if (!overloads) {
    overloads = new Map();
    for (const overload of native.schemas() as Overload[]) {
      const others = overloads.get(overload.name);
      if (others) others.push(overload);
      else overloads.set(overload.name, [overload]);
    }
  }
  return overloads.get(operator) ?? [];
}

/**
 * The call that was probably meant by one that no overload takes: the same values, each where it belongs. Python's order
 * (`x.flatten(1)`), names for what goes by position (`x.softmax({ dim: 1 })`), names of other libraries, and sizes or
 * dimensions one by one (`zeros(2, 3)`) are understood.
 * @param describe writes a value as errors show it
 * @returns for example ".flatten({ startDim: 1 })", or undefined where no overload takes these values in any order
 */
export function remedyFor(
  operator: string,
  positional: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
  describe: (value: unknown) => string,
): string | undefined {
  for (const values of [positional, ...listed(positional)]) {
    for (const overload of overloadsOf(operator)) {
      const arranged = arrange(overload, values, options);
      if (arranged && isAccepted(overload, arranged)) return written(overload, arranged, describe);
    }
  }
  return undefined;
}

/** The same with the whole numbers at the end in a list, as many of them as there are first. */
function listed(positional: readonly unknown[]): unknown[][] {
  const begin = positional.findLastIndex((value) => !Number.isInteger(value)) + 1;
  const numbers = positional.slice(begin);
  return numbers.map((_, i) => [...positional.slice(0, begin + i), numbers.slice(i)]);
}

function arrange(
  { parameters }: Overload,
  positional: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
): Arguments | undefined {
  const byName = new Map<string, unknown>();
  const ordered = parameters.filter((parameter) => !parameter.keywordOnly);
  if (positional.length > ordered.length) return undefined;
  positional.forEach((value, i) => void byName.set(ordered[i]!.name, value));
  for (const [given, value] of Object.entries(options)) {
    const camel = given.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const name = parameters.some((parameter) => parameter.name === camel) ? camel : ALIASES[camel];
    if (name === undefined || byName.has(name)) return undefined;
    byName.set(name, value);
  }
  const result: Arguments = { positional: [], options: {} };
  for (const { name, keywordOnly, optional, default: byDefault } of parameters) {
    const isPositional = byDefault === undefined && !keywordOnly;
    if (!byName.has(name)) {
      if (isPositional || (byDefault === undefined && !optional)) return undefined;
      continue;
    }
    if (isPositional) result.positional.push(byName.get(name));
    else result.options[name] = byName.get(name);
    byName.delete(name);
  }
  return byName.size === 0 ? result : undefined;
}

/** Asks the addon, which converts the arguments and calls nothing. */
function isAccepted({ name, overload }: Overload, { positional, options }: Arguments): boolean {
  const packet = native.packet(overload === "" ? name : `${name}.${overload}`);
  const named = Object.entries(options).flatMap(([option, value]) => [native.nameId(option), value]);
  try {
    native.roundTrip(packet, positional.length, ...positional, ...named);
    return true;
  } catch {
    return false;
  }
}

function written(
  { name, parameters }: Overload,
  { positional, options }: Arguments,
  describe: (value: unknown) => string,
): string {
  const isMethod = parameters[0]?.name === "self";
  const values = positional.slice(isMethod ? 1 : 0).map(describe);
  const named = Object.entries(options).map(([option, value]) => `${option}: ${describe(value)}`);
  if (named.length > 0) values.push(`{ ${named.join(", ")} }`);
  const camel = name
    .slice("aten::".length)
    .replace(/([^_])_([a-z0-9])/gi, (_, before: string, after: string) => before + after.toUpperCase());
  return `${isMethod ? "." : ""}${camel}(${values.join(", ")})`;
}
