import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";

/** Tensors by their names, as PyTorch's `state_dict()`. */
export type StateDict = Record<string, Tensor>;

export interface LoadOptions {
  /** Whether missing and unexpected keys are errors. Default true. */
  strict?: boolean;
}

/** What a state dict and a module did not have in common. */
export interface LoadReport {
  /** Keys that the module has and the state dict lacks. */
  readonly missing: readonly string[];
  /** Keys of the state dict that the module lacks. */
  readonly unexpected: readonly string[];
}

/** A state dict that does not fit its module; lists all that is wrong at once. */
export class StateDictError extends Error {
  override readonly name = "StateDictError";
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** For example `conv1.weight: [64, 3, 3, 3] given, [64, 3, 7, 7] needed`. */
  readonly mismatched: readonly string[];

  constructor(module: string, { missing, unexpected }: LoadReport, mismatched: readonly string[]) {
    const part = (title: string, keys: readonly string[]) =>
      keys.length === 0 ? [] : [`  ${title} (${keys.length}):`, ...keys.map((key) => `    ${key}`)];
    super(
      [
        `The state dict does not fit ${module}; nothing was loaded.`,
        ...part("missing", missing),
        ...part("unexpected", unexpected),
        ...part("of another shape", mismatched),
        "  Build the module with the configuration that the weights were made with, or rename the keys" +
          (mismatched.length === 0 ? "; { strict: false } loads what fits." : "."),
      ].join("\n"),
    );
    this.missing = missing;
    this.unexpected = unexpected;
    this.mismatched = mismatched;
  }
}

/** Copies `given` into the tensors of `own`, after all keys and shapes were checked. */
export function copyState(module: string, own: StateDict, given: StateDict, strict: boolean): LoadReport {
  const missing = Object.keys(own).filter((key) => !Object.hasOwn(given, key));
  const unexpected = Object.keys(given).filter((key) => !Object.hasOwn(own, key));
  const pairs = Object.entries(own).flatMap(([key, tensor]) => {
    const source = Object.hasOwn(given, key) ? given[key] : undefined;
    return source ? [{ key, tensor, source }] : [];
  });
  const mismatched = pairs.flatMap(({ key, tensor, source }) =>
    `${tensor.shape}` === `${source.shape}`
      ? []
      : [`${key}: [${source.shape.join(", ")}] given, [${tensor.shape.join(", ")}] needed`],
  );
  const report = { missing, unexpected };
  if (mismatched.length > 0 || (strict && missing.length + unexpected.length > 0)) {
    throw new StateDictError(module, report, mismatched);
  }
  noGrad(() => {
    for (const { tensor, source } of pairs) tensor.copy_(source);
  });
  return report;
}
