/**
 * Writes src/tensor/operators.ts: a typed method for every ATen operator whose first argument is `self`, and a typed
 * function for every one that libtorch has as a function, from the schemas and headers of the libtorch that is
 * installed. Run it with `npm run generate`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findAddon, loadAddon } from "../src/library/load.ts";
import type { OperatorSchema } from "../src/system.ts";

type Parameter = OperatorSchema["parameters"][number];

/** Written by hand in tensor.ts, because JavaScript wants another form. */
const HAND_WRITTEN_METHODS = new Set([
  "backward",
  "data",
  "item",
  "numel",
  "requiresGrad_",
  "to",
  "isLeaf",
  "mT",
  "mH",
  "device",
  "grad",
  "set",
  "toString",
  "keep",
]);
/** Written by hand as well; `slice` is an index. */
const HAND_WRITTEN_FUNCTIONS = new Set(["full", "tensor", "slice"]);

const ELEMENT_TYPES: Record<string, string> = {
  Tensor: "Tensor",
  int: "number",
  SymInt: "number",
  float: "number",
  SymFloat: "number",
  bool: "boolean",
  SymBool: "boolean",
  str: "string",
  Scalar: "Scalar",
  number: "Scalar",
  ScalarType: "DType",
  Layout: "Layout",
  MemoryFormat: "MemoryFormat",
  Device: "Device",
  Generator: "Generator",
};

function camelCase(name: string): string {
  return name.replace(
    /([^_])_([a-z0-9])/gi,
    (_, before: string, after: string) => before + after.toUpperCase(),
  );
}

/** TypeScript for a parameter; the number of a reduction goes by its word. */
const typeOfParameter = ({ name, type, broadcast }: Parameter) =>
  name === "reduction" && type === "int" ? "Reduction" : typeOf(type, broadcast);

/** TypeScript for a type as libtorch prints it, for example "List[Optional[Tensor]]" or "SymInt[]?". */
function typeOf(text: string, broadcast = false): string {
  const optional = /^(.*)\?$/.exec(text) ?? /^Optional\[(.*)\]$/.exec(text);
  if (optional) return `${typeOf(optional[1]!, broadcast)} | null`;
  const list = /^(.*)\[\d*\]$/.exec(text) ?? /^List\[(.*)\]$/.exec(text);
  if (list) {
    const element = typeOf(list[1]!);
    const array = `readonly ${element.includes("|") ? `(${element})` : element}[]`;
    return broadcast ? `${element} | ${array}` : array;
  }
  return ELEMENT_TYPES[text] ?? "unknown";
}

function returnOf(types: readonly string[]): string {
  const one = (type: string) => typeOf(type).replaceAll("readonly ", "");
  if (types.length === 0) return "void";
  return types.length === 1 ? one(types[0]!) : `[${types.map(one).join(", ")}]`;
}

interface Signature {
  readonly schema: string;
  readonly positional: { name: string; type: string }[];
  readonly options: { name: string; type: string; default: string | undefined; required: boolean }[];
  readonly returns: string;
}

const RESERVED = new Set(["in", "var", "function", "default", "new", "with", "enum", "this"]);
const safe = (name: string) => (RESERVED.has(name) ? `${name}_` : name);

/** Takes a dtype and a place for the tensor that it makes; call.ts gives it `requiresGrad`. */
function isFactory({ name, parameters }: OperatorSchema): boolean {
  if (name === "aten::to" || name === "aten::_to_copy") return false;
  return ["dtype", "layout", "device"].every((option) =>
    parameters.some((p) => p.keywordOnly && p.name === option),
  );
}

const REQUIRES_GRAD = { name: "requiresGrad", type: "boolean", default: "False", required: false };

function signatureOf(operator: OperatorSchema, isMethod: boolean): Signature {
  const parameters = isMethod ? operator.parameters.slice(1) : operator.parameters;
  const isPositional = (p: Parameter) => p.default === undefined && !p.keywordOnly;
  return {
    schema: operator.schema,
    positional: parameters
      .filter(isPositional)
      .map((p) => ({ name: safe(p.name), type: typeOfParameter(p) })),
    options: parameters
      .filter((p) => !isPositional(p))
      .map((p) => ({
        name: p.name,
        type: typeOfParameter(p),
        default: p.default,
        required: p.default === undefined && !p.optional,
      }))
      .concat(isFactory(operator) ? [REQUIRES_GRAD] : []),
    returns: returnOf(operator.returns),
  };
}

const union = (a: string, b: string) => [...new Set([...a.split(" | "), ...b.split(" | ")])].join(" | ");

/** Overloads that differ in the type of one positional argument become one signature with a union there. */
function merge(signatures: Signature[]): Signature[] {
  const merged: Signature[] = [];
  for (const signature of signatures) {
    const partner = merged.find(
      (other) =>
        other.returns === signature.returns &&
        other.positional.length === signature.positional.length &&
        JSON.stringify(other.options) === JSON.stringify(signature.options) &&
        other.positional.filter((p, i) => p.type !== signature.positional[i]!.type).length <= 1,
    );
    if (!partner) merged.push({ ...signature, positional: signature.positional.map((p) => ({ ...p })) });
    else {
      partner.positional.forEach((p, i) => {
        p.type = union(p.type, signature.positional[i]!.type);
      });
    }
  }
  return merged;
}

const REDUCTIONS = ["none", "mean", "sum"];

/** The default as JavaScript writes it; nothing for null, which the type says. */
function defaultOf({ type, default: text }: Signature["options"][number]): string {
  if (text === undefined || text === "" || text === "None") return "";
  if (type === "Reduction") return `Default "${REDUCTIONS[Number(text)]}".`;
  if (text === "True" || text === "False") return `Default ${text.toLowerCase()}.`;
  if (type.startsWith("string")) return `Default ${JSON.stringify(text.replaceAll(/^["']|["']$/g, ""))}.`;
  return `Default ${Number.isNaN(Number(text)) ? text : Number(text)}.`;
}

function print({ schema, positional, options, returns }: Signature, name: string): string {
  const parts = positional.map((p) => `${p.name}: ${p.type}`);
  if (options.length > 0) {
    const fields = options.map((o) => {
      const doc = defaultOf(o) && `/** ${defaultOf(o)} */ `;
      return `${doc}${o.name}${o.required ? "" : "?"}: ${o.type}`;
    });
    // One option a line: editors take a comment for an option's own only at the beginning of a line.
    const lines = fields.map((field) => `\n    ${field};`).join("");
    parts.push(`options${options.some((o) => o.required) ? "" : "?"}: {${lines}\n  }`);
  }
  return `  /** \`${schema.replaceAll("*/", "*\u200b/")}\` */\n  ${name}(${parts.join(", ")}): ${returns};`;
}

/** Overloads that write into an `out`, and those for named dimensions, stay out: `call` reaches them. */
function isPublic(operator: OperatorSchema): boolean {
  if (!operator.name.startsWith("aten::") || operator.name.startsWith("aten::__")) return false;
  if (/dimname|names/i.test(operator.overload)) return false;
  if (operator.parameters.some((p) => !p.supported)) return false;
  return !operator.parameters.some(
    (p) => p.keywordOnly && p.default === undefined && /Tensor/.test(p.type) && !p.optional,
  );
}

const headers = join(findAddon().libtorch.root, "include", "ATen", "ops");

/** Whether libtorch has the operator as a function too: its header declares one. Names with "_" in front are internal. */
function isFunction(operator: OperatorSchema): boolean {
  const name = operator.name.slice("aten::".length);
  if (name.startsWith("_")) return false;
  const header = join(headers, `${name.replace(/_$/, "")}.h`);
  return (
    existsSync(header) &&
    new RegExp(`^inline .*[ &](?:__dispatch_)?${name}\\(`, "m").test(readFileSync(header, "utf8"))
  );
}

const addon = loadAddon() as { schemas(): OperatorSchema[]; information(): { version: string } };
type Table = Map<string, { operator: string; signatures: Signature[] }>;
const methods: Table = new Map();
const functions: Table = new Map();

function add(table: Table, name: string, operator: OperatorSchema, isMethod: boolean): void {
  const entry = table.get(name) ?? { operator: operator.name, signatures: [] };
  entry.signatures.push(signatureOf(operator, isMethod));
  table.set(name, entry);
}

for (const operator of addon.schemas().filter(isPublic)) {
  const name = camelCase(operator.name.slice("aten::".length));
  const first = operator.parameters[0];
  const isMethod = first?.name === "self" && first.type === "Tensor";
  if (isMethod && !HAND_WRITTEN_METHODS.has(name)) add(methods, name, operator, true);
  if (HAND_WRITTEN_FUNCTIONS.has(name)) continue;
  if (!isMethod || isFunction(operator)) add(functions, name, operator, false);
}

const sorted = (table: Table) => [...table].sort(([a], [b]) => (a < b ? -1 : 1));
const lines = [
  `// Generated by torch/scripts/generate.ts from the schemas of libtorch ${addon.information().version}. Do not edit.`,
  'import { bind } from "./call.ts";',
  'import type { Device, DType, Layout, MemoryFormat, Reduction, Scalar } from "./dtype.ts";',
  'import type { Generator } from "./generator.ts";',
  'import type { Tensor } from "./tensor.ts";',
  "",
  "/** The ATen operators whose first argument is `self`. */",
  "export interface TensorOperators {",
  ...sorted(methods).flatMap(([name, { signatures }]) => merge(signatures).map((s) => print(s, name))),
  "}",
  "",
  "/** Method name and operator. */",
  "export const methods: readonly (readonly [name: string, operator: string])[] = [",
  ...sorted(methods).map(([name, { operator }]) => `  ["${name}", "${operator}"],`),
  "];",
  "",
  ...sorted(functions).flatMap(([name, { operator, signatures }]) => [
    `export const ${safe(name)}: {`,
    ...merge(signatures).map((s) => print(s, "")),
    `} = bind("${operator}");`,
    ...(safe(name) === name ? [] : [`export { ${safe(name)} as ${name} };`]),
  ]),
  "",
];
writeFileSync(new URL("../src/tensor/operators.ts", import.meta.url), lines.join("\n"));
const count = (table: Table) =>
  [...table.values()].reduce((sum, { signatures }) => sum + signatures.length, 0);
console.log(
  `src/operators.ts: ${methods.size} methods (${count(methods)} overloads), ${functions.size} functions (${count(functions)} overloads).`,
);
