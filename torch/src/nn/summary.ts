import { inferenceMode } from "../autograd.ts";
import { isTensor, scope, type Tensor } from "../tensor/index.ts";
import type { AnyModule, Module } from "./module.ts";
import { countParameters } from "./tree.ts";

/** A module of a network with what it was given and gave. */
export interface SummaryRow {
  /** "" for the network itself. */
  readonly path: string;
  readonly type: string;
  /** Shapes of its tensors in the first call; empty where it was not called. */
  readonly input: readonly (readonly number[])[];
  readonly output: readonly (readonly number[])[];
  readonly calls: number;
  /** Numbers in its parameters, those of the modules below included. */
  readonly parameters: number;
  readonly trainable: number;
}

/** A network's modules in the order of their keys; prints as a table. */
export class Summary {
  /** Numbers in all parameters. */
  readonly parameters: number;
  readonly trainable: number;
  /** Bytes of parameters and buffers. */
  readonly bytes: number;

  constructor(
    readonly rows: readonly SummaryRow[],
    model: AnyModule,
  ) {
    const { all, trainable } = countParameters(model);
    this.parameters = all;
    this.trainable = trainable;
    const tensors = [...model.parameters(), ...model.buffers()];
    this.bytes = tensors.reduce((sum, { numel, itemSize }) => sum + numel * itemSize, 0);
  }

  toString(): string {
    const cells = this.rows.map(({ path, type, input, output, calls, parameters }) => {
      const depth = path === "" ? 0 : path.split(".").length;
      const name = path === "" ? type : `${"  ".repeat(depth)}${path.split(".").at(-1)}: ${type}`;
      const often = calls > 1 ? ` (${calls} calls)` : "";
      const count = parameters === 0 ? "–" : parameters.toLocaleString("en");
      return [`${name}${often}`, shapes(input), calls === 0 ? "not called" : shapes(output), count];
    });
    const table = [["layer", "input", "output", "parameters"], ...cells];
    const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]!.length)));
    const line = (row: string[]): string =>
      row.map((cell, i) => (i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ");
    const rule = "─".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
    const { parameters, trainable, bytes } = this;
    const total = `${parameters.toLocaleString("en")} parameters, ${trainable.toLocaleString("en")} trainable; ${(bytes / 2 ** 20).toFixed(2)} MiB with buffers`;
    return [line(table[0]!), rule, ...table.slice(1).map(line), rule, total].join("\n");
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/**
 * What every module of a network is given and gives: runs it once in evaluation mode, without gradients.
 *
 * @param args of the network's `forward`
 * @throws what `forward` throws
 * @example console.log(nn.summary(model, torch.zeros([1, 3, 224, 224])));
 */
export function summary<Args extends unknown[]>(model: Module<Args, unknown>, ...args: Args): Summary {
  const modules = model.namedModules();
  const modes = modules.map(([, module]) => module.training);
  const seen = new Map<AnyModule, Pick<SummaryRow, "input" | "output" | "calls">>();
  const handles = modules.map(([, module]) =>
    module.registerForwardHook((_, given, output) => {
      const earlier = seen.get(module);
      if (earlier) seen.set(module, { ...earlier, calls: earlier.calls + 1 });
      else seen.set(module, { input: shapesIn(given), output: shapesIn(output), calls: 1 });
      return undefined;
    }),
  );
  try {
    model.eval();
    scope(() => inferenceMode(() => void model.forward(...args)));
  } finally {
    for (const handle of handles) handle.remove();
    modules.forEach(([, module], i) => {
      module.training = modes[i]!;
    });
  }
  const rows = modules.map(([path, module]): SummaryRow => {
    const { all, trainable } = countParameters(module);
    const call = seen.get(module) ?? { input: [], output: [], calls: 0 };
    return { path, type: module.constructor.name, ...call, parameters: all, trainable };
  });
  return new Summary(rows, model);
}

/** Shapes of the tensors in a value: in arrays and plain objects too. */
function shapesIn(value: unknown): (readonly number[])[] {
  if (typeof value !== "object" || value === null) return [];
  if (isTensor(value)) return [(value as Tensor).shape];
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null;
  return isPlain ? Object.values(value).flatMap(shapesIn) : [];
}

const shapes = (list: readonly (readonly number[])[]): string =>
  list.map((shape) => `[${shape.join(", ")}]`).join(" ") || "–";
