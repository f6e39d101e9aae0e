import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arange, nn, PickleError, type Saved, safetensors, save, scope } from "@penumbra/torch";
import { afterAll, expect, test } from "vitest";
import { ModelError, readWeights, weightsFileIn } from "../../src/models/index.ts";

const aside = mkdtempSync(join(tmpdir(), "penumbra-weights-"));
afterAll(() => rmSync(aside, { recursive: true }));

const weights = () => ({
  "a.weight": arange(6).reshape([2, 3]),
  "a.bias": nn.parameter(arange(2).float()),
});

const numbers = (file: string) =>
  scope(() => Object.fromEntries(Object.entries(readWeights(file)).map(([key, x]) => [key, x.tolist()])));

test("the same tensors are read from safetensors, from a file of torch.save, and from shards of it", () => {
  const expected = {
    "a.weight": [
      [0, 1, 2],
      [3, 4, 5],
    ],
    "a.bias": [0, 1],
  };
  const file = (name: string) => join(aside, name);
  safetensors.write(file("model.safetensors"), weights());
  save(weights(), file("model.bin"));
  const { "a.weight": weight, "a.bias": bias } = weights();
  save({ "a.weight": weight }, file("sharded-1.bin"));
  save({ "a.bias": bias }, file("sharded-2.bin"));
  const map = { "a.weight": "sharded-1.bin", "a.bias": "sharded-2.bin" };
  writeFileSync(file("sharded.bin.index.json"), JSON.stringify({ weight_map: map }));
  for (const name of ["model.safetensors", "model.bin", "sharded.bin"])
    expect(numbers(file(name))).toEqual(expected);
});

test("a folder's safetensors come before its pickles", () => {
  expect(weightsFileIn(join(aside, "nowhere"))).toBeUndefined();
  const folder = mkdtempSync(join(aside, "both-"));
  save(weights(), join(folder, "pytorch_model.bin"));
  expect(weightsFileIn(folder)).toBe(join(folder, "pytorch_model.bin"));
  safetensors.write(join(folder, "model.safetensors"), weights());
  expect(weightsFileIn(folder)).toBe(join(folder, "model.safetensors"));
});

test.each<[string, Saved, RegExp]>([
  ["a list", [1, 2], /holds no dictionary with keys of text/],
  ["a number among the tensors", { epoch: 3 }, /field "epoch" is no tensor/],
  ["a dictionary of another name inside", { weights: weights() }, /field "weights" is no tensor/],
  ["a state_dict inside that holds other things", { state_dict: { epoch: 3 } }, /field "epoch" is no tensor/],
])("%s is refused, with what is needed", (_, saved, message) => {
  const file = join(aside, "other.bin");
  save(saved, file);
  expect(() => readWeights(file)).toThrow(ModelError);
  expect(() => readWeights(file)).toThrow(message);
});

test.each(["state_dict", "model"])("of what a training script saved, its %s is taken", (key) => {
  const file = join(aside, "training.bin");
  save({ epoch: 3, [key]: weights() }, file);
  expect(Object.keys(readWeights(file))).toEqual(Object.keys(weights()));
});

test("a pickle that names a function is refused by its name and not run", () => {
  const file = join(aside, "evil.bin");
  writeFileSync(file, "cos\nsystem\n(S'touch evil'\ntR.");
  expect(() => readWeights(file)).toThrow(PickleError);
});

test("an index that leads out of its folder is refused", () => {
  const file = join(aside, "outside.bin");
  writeFileSync(`${file}.index.json`, JSON.stringify({ weight_map: { a: "../model.bin" } }));
  expect(() => readWeights(file)).toThrow(/"\.\.\/model\.bin", which is no \.bin file in the same folder/);
  writeFileSync(`${file}.index.json`, "{}");
  expect(() => readWeights(file)).toThrow(/"weight_map" names no file/);
});
