import type { AnyModule } from "./module.ts";

/** A module's place among those above it, or the array or dictionary of modules between them. */
interface Branch {
  module?: AnyModule;
  readonly below: Map<string, Branch>;
}

/**
 * A network as text: a line for each module with its settings, modules below it indented, as PyTorch prints it. Modules
 * that follow each other and look alike are one line; after `#` stand the parameters, those below included.
 */
export function treeOf(module: AnyModule): string {
  return lines({ module, below: branchesOf(module, []) }, []).join("\n");
}

/** Direct modules by the parts of their keys: "down_blocks.0" lies in "down_blocks". */
function branchesOf(module: AnyModule, above: readonly AnyModule[]): Map<string, Branch> {
  const root = new Map<string, Branch>();
  if (above.includes(module)) return root; // one that contains itself
  for (const [key, child] of module.namedChildren()) {
    const parts = key.split(".");
    let level = root;
    for (const part of parts.slice(0, -1)) {
      const branch: Branch = level.get(part) ?? { below: new Map() };
      level.set(part, branch);
      level = branch.below;
    }
    level.set(parts.at(-1)!, { module: child, below: branchesOf(child, [...above, module]) });
  }
  return root;
}

function lines({ module, below }: Branch, seen: readonly AnyModule[]): string[] {
  const name = module ? module.constructor.name : "";
  const [open, close] = module ? ["(", ")"] : ["[", "]"];
  const settings = module ? settingsOf(module).join(", ") : "";
  const count = module ? counted(module) : "";
  if (below.size === 0) return [`${name}${open}${settings}${close}${count}`];
  const inner = alike([...below].map(([key, branch]) => ({ key, text: lines(branch, seen) })));
  return [
    `${name}${open}${settings}`,
    ...inner.flatMap(({ key, text: [first, ...rest] }) => [
      `  (${key}): ${first}`,
      ...rest.map((line) => `  ${line}`),
    ]),
    `${close}${count}`,
  ];
}

/** Puts neighbours of the same text under one key: "(0-5): 6 x Block(". */
function alike(parts: readonly { key: string; text: string[] }[]): { key: string; text: string[] }[] {
  const groups: { keys: string[]; text: string[] }[] = [];
  for (const { key, text } of parts) {
    const last = groups.at(-1);
    const isNumbered = /^\d+$/.test(key) && /^\d+$/.test(last?.keys[0] ?? "");
    if (last && isNumbered && last.text.join("\n") === text.join("\n")) last.keys.push(key);
    else groups.push({ keys: [key], text });
  }
  return groups.map(({ keys, text }) =>
    keys.length === 1
      ? { key: keys[0]!, text }
      : { key: `${keys[0]}-${keys.at(-1)}`, text: [`${keys.length} x ${text[0]}`, ...text.slice(1)] },
  );
}

/** Numbers, names and flags among a module's public properties, also those in options: "inFeatures=4". */
function settingsOf(values: object): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (key === "training" || value === null || value === undefined) return [];
    if (Array.isArray(value))
      return value.every((item) => typeof item === "number") ? [`${key}=${size(value)}`] : [];
    if (typeof value === "object")
      return Object.getPrototypeOf(value) === Object.prototype ? settingsOf(value) : [];
    return typeof value === "function" ? [] : [`${key}=${value}`];
  });
}

/** One number for all dimensions, where they agree. */
function size(sizes: readonly number[]): string {
  return sizes.length > 1 && new Set(sizes).size === 1 ? `${sizes[0]}` : `[${sizes.join(", ")}]`;
}

function counted(module: AnyModule): string {
  const { all, trainable } = countParameters(module);
  if (all === 0) return "";
  const frozen = trainable === all ? "" : `, ${trainable.toLocaleString("en")} trainable`;
  return `  # ${all.toLocaleString("en")}${frozen}`;
}

/** The numbers in a module's parameters, each parameter once. */
export function countParameters(module: AnyModule): { readonly all: number; readonly trainable: number } {
  const parameters = module.parameters();
  const sum = (tensors: typeof parameters) => tensors.reduce((total, { numel }) => total + numel, 0);
  return { all: sum(parameters), trainable: sum(parameters.filter((tensor) => tensor.requiresGrad)) };
}
