// Goldens: outputs of reference implementations that the tests compare with, one JSON and one safetensors file a case.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { safetensors, type Tensor } from "@penumbra/torch";
import { expect, test } from "vitest";
import { parsePythonJson } from "../src/models/json-file.ts";

/** The folder of goldens: `PENUMBRA_GOLDENS` where that is set, else the project's own copies. */
export const goldenFolder =
  process.env.PENUMBRA_GOLDENS || fileURLToPath(new URL("./goldens", import.meta.url));

/** One case of a reference implementation. */
export interface Golden {
  /** File name without its ending: for the test's name only, never a source of parameters. */
  readonly name: string;
  /** Parameters of the case, the reference's name and `rtol`. */
  readonly json: GoldenParameters;
  /** Inputs and outputs, read on first use. */
  readonly tensors: Record<string, Tensor>;
}

/** What every case states; the rest differs by kind. */
export interface GoldenParameters {
  readonly rtol: number;
  readonly reference: string;
  readonly [parameter: string]: unknown;
}

/**
 * The cases of one kind (a folder, such as `contrast`), in the order of their names.
 *
 * @param kind folder inside {@link goldenFolder}
 * @param prefix only cases whose name starts so
 */
export function goldens(kind: string, prefix = ""): Golden[] {
  const folder = join(goldenFolder, kind);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json") && file.startsWith(prefix))
    .sort()
    .map((file) => readGolden(folder, file.slice(0, -".json".length)));
}

/**
 * Registers one test a case; a folder that has none of this kind gets one skipped test that says so.
 *
 * @example
 * eachGolden("contrast", "supcon-", (golden) => {
 *   expectClose(supCon(golden.tensors.features), golden.tensors.loss, golden.json.rtol);
 * });
 */
export function eachGolden(
  kind: string,
  prefix: string,
  body: (golden: Golden) => void | Promise<void>,
): void {
  const cases = goldens(kind, prefix);
  if (cases.length === 0) test.skip(`no golden ${kind}/${prefix}* in ${goldenFolder}`, () => {});
  for (const golden of cases) test(`agrees with ${kind}/${golden.name}`, () => body(golden));
}

/**
 * Expects every element of `actual` to lie within `rtol` times the largest magnitude of `expected`
 * (within `rtol` where that is all zero), and the shapes to be equal.
 */
export function expectClose(
  actual: Tensor,
  expected: Tensor | undefined,
  rtol: number,
  what = "result",
): void {
  if (!expected) throw new Error(`The golden has no tensor to compare the ${what} with.`);
  expect(actual.shape, `shape of the ${what}`).toEqual(expected.shape);
  const got = actual.detach().toNumbers();
  const wanted = expected.toNumbers();
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const allowed = rtol * (largest || 1);
  let worst = 0;
  let at = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs((got[i] as number) - (wanted[i] as number));
    if (Number.isNaN(difference) || difference > worst) {
      worst = difference;
      at = i;
    }
    if (Number.isNaN(difference)) break;
  }
  expect(
    worst <= allowed,
    `${what}: element ${at} is ${got[at]}, expected ${wanted[at]} (off by ${worst}, allowed ${allowed} = ${rtol} x largest magnitude)`,
  ).toBe(true);
}

function readGolden(folder: string, name: string): Golden {
  const json = parsePythonJson(readFileSync(join(folder, `${name}.json`), "utf8")) as GoldenParameters;
  let tensors: Record<string, Tensor> | undefined;
  return {
    name,
    json,
    get tensors() {
      tensors ??= safetensors.read(join(folder, `${name}.safetensors`)).tensors;
      return tensors;
    },
  };
}
