// Reference values that fixtures/make.py computed with PyTorch, and how results are compared with them.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { noGrad, safetensors, scope, type Tensor } from "../src/index.ts";

/** The path of a file in the folder of fixtures. */
export const fixturePath = (file: string): string =>
  fileURLToPath(new URL(`./fixtures/${file}`, import.meta.url));

/** The tensors and the description of a fixture. */
export function fixture<Description>(name: string): {
  description: Description;
  tensors: Record<string, Tensor>;
} {
  const description = JSON.parse(readFileSync(fixturePath(`${name}.json`), "utf8")) as Description;
  return { description, tensors: safetensors.read(fixturePath(`${name}.safetensors`)).tensors };
}

/** The tensors whose names begin with a prefix, without it. */
export function under(tensors: Record<string, Tensor>, prefix: string): Record<string, Tensor> {
  const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** The largest difference in relation to the largest magnitude of what is expected (or to 1 where that is 0). */
export function difference(actual: Tensor, expected: Tensor): number {
  expect(actual.shape, "shape").toEqual(expected.shape);
  if (expected.numel === 0) return 0;
  return noGrad(() =>
    scope(() => {
      const [a, b] = [actual.to("float64"), expected.to("float64")];
      const scale = b.abs().max().item();
      return a.sub(b).abs().max().item() / (scale === 0 ? 1 : scale);
    }),
  );
}

/** Expects every element within `rtol` times the largest magnitude of the expected tensor. */
export function expectClose(actual: Tensor, expected: Tensor, rtol: number, label = "difference"): void {
  expect(difference(actual, expected), label).toBeLessThanOrEqual(rtol);
}

/** Expects the same keys, and the tensors under each to be close. */
export function expectAllClose(
  actual: Record<string, Tensor>,
  expected: Record<string, Tensor>,
  rtol: number,
  label = "",
): void {
  expect(Object.keys(actual).sort(), `${label} keys`).toEqual(Object.keys(expected).sort());
  for (const [key, tensor] of Object.entries(actual))
    expectClose(tensor, expected[key]!, rtol, `${label} ${key}`);
}
