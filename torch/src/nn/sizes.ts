import { TorchError } from "../tensor/index.ts";

/**
 * Refuses what is no size before libtorch is asked for memory of it.
 * @param sizes a layer's first arguments by their names, in their order
 * @throws TorchError that names the layer, the argument and all of them
 */
export function checkSizes(layer: string, sizes: Readonly<Record<string, unknown>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && (size as number) >= 0) continue;
    throw new TorchError(
      `${layer}: ${name} is ${String(size)}. Pass a whole number; the arguments are (${Object.keys(sizes).join(", ")}, options).`,
    );
  }
}

/**
 * One number or several as a list.
 * @throws TorchError for anything else
 */
export function sizesOf(layer: string, name: string, given: number | readonly number[]): number[] {
  const sizes: unknown = typeof given === "number" ? [given] : given;
  if (Array.isArray(sizes) && sizes.every(Number.isSafeInteger)) return [...sizes];
  throw new TorchError(`${layer}: ${name} is ${String(given)}. Pass a whole number, or an array of them.`);
}
