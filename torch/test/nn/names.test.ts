import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LIST, layerList } from "../../scripts/layers.ts";
import { nn } from "../../src/index.ts";
import { fixture } from "../reference.ts";

const { names, cases } = fixture<{ names: string[]; cases: { kind: string }[] }>("layers").description;

test("LAYERS.md lists every name of torch.nn, there or not, as it is now", () => {
  expect(
    readFileSync(LIST, "utf8"),
    "run node --import tsx --conditions=source torch/scripts/layers.ts",
  ).toBe(layerList());
});

test("Every layer with a name of torch.nn is compared with PyTorch's, but for those with tests of their own", () => {
  const compared = new Set(cases.map(({ kind }) => kind));
  const others = [
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "ParameterDict",
    "ParameterList",
    "Sequential",
  ];
  const there = names.filter((name) => Object.hasOwn(nn, name));
  expect(there.filter((name) => !compared.has(name))).toEqual(others);
});

test("Every layer that is made without its sizes says what is missing, in its own words", () => {
  const layers = Object.entries(nn).filter(([name]) => names.includes(name) && name !== "Module");
  expect(layers.length).toBeGreaterThan(130);
  for (const args of [[], [2], [2, 3]]) {
    for (const [name, layer] of layers) {
      try {
        Reflect.construct(layer as new () => unknown, args);
      } catch (error) {
        expect(`${name}: ${error}`).toMatch(/: TorchError: /);
        expect(`${name}: ${error}`).not.toMatch(/aten::/);
      }
    }
  }
});
