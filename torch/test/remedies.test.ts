import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

const { nn, optim } = torch;
const x = torch.ones([2, 3, 4]);
/** A call as a JavaScript user writes it, whatever the types say. */
const free = (value: unknown) => value as Record<string, (...args: unknown[]) => unknown>;

describe("a call that no overload takes is told what was probably meant", () => {
  test.each<[string, () => unknown, string]>([
    ["Python's order", () => free(x).flatten!(1), ".flatten({ startDim: 1 })"],
    ["Python's order with a flag", () => free(x).sum!([1], true), ".sum([1], { keepdim: true })"],
    ["a function", () => free(torch).cat!([x, x], 1), "cat([float32[2, 3, 4], float32[2, 3, 4]], { dim: 1 })"],
    ["a name for what goes by position", () => free(x).softmax!({ dim: 1 }), ".softmax(1)"],
    ["NumPy's names", () => free(x).argmax!({ axis: 1, keepdims: true }), ".argmax({ dim: 1, keepdim: true })"],
    ["sizes one by one", () => free(torch).zeros!(2, 3), "zeros([2, 3])"],
    ["one size", () => free(torch).randn!(3), "randn([3])"],
    ["sizes and an option", () => free(torch).ones!(2, 3, { dtype: "int64" }), 'ones([2, 3], { dtype: "int64" })'],
    ["a view's sizes", () => free(x).view!(6, -1), ".view([6, -1])"],
    ["dimensions one by one", () => free(x).permute!(2, 0, 1), ".permute([2, 0, 1])"],
    ["a bound before sizes", () => free(torch).randint!(10, 4), "randint(10, [4])"],
    ["snake_case", () => free(x).flatten!({ start_dim: 1 }), ".flatten({ startDim: 1 })"],
  ])("%s", (_, attempt, remedy) => {
    expect(attempt).toThrow(`Did you mean ${remedy}?`);
  }); // biome-ignore format: a table

  test("and nothing where no overload takes these values in any order", () => {
    for (const attempt of [
      () => free(x).sum!([0.5]),
      () => free(x).mm!(5),
      () => free(x).sum!({ colour: 1 }),
    ]) {
      expect(attempt).toThrow(/has no overload for these arguments\. Arguments without/);
    }
  });

  test("what is proposed runs", () => {
    expect(x.flatten({ startDim: 1 }).shape).toEqual([2, 12]);
    expect(x.argmax({ dim: 1, keepdim: true }).shape).toEqual([2, 1, 4]);
  });
});

test.each<[string, () => unknown, RegExp]>([
  ["a module", () => new optim.Adam(new nn.Linear(1, 1) as never), /Adam: a module is no list.*model\.parameters\(\)/],
  ["pairs", () => new optim.SGD(new nn.Linear(1, 1).namedParameters() as never, { lr: 1 }), /SGD: pairs of names and parameters/],
  ["one tensor", () => new optim.Adam(torch.ones([2]) as never), /float32\[2\] is no list/],
  ["numbers", () => new optim.Adam([3] as never), /3 is no parameter/],
  ["nothing", () => new optim.Adam(undefined as never), /null is no list/],
  ["pairs in a group", () => new optim.Adam([{ params: new nn.Linear(1, 1).namedParameters() }] as never), /pairs of names/],
])("an optimizer that is given %s says what to pass", (_, attempt, message) => {
  expect(attempt).toThrow(torch.TorchError);
  expect(attempt).toThrow(message);
}); // biome-ignore format: a table

test("differentiating nothing, or with respect to nothing, is refused by us and not by an assertion of libtorch", () => {
  expect(() => torch.grad([], [])).toThrow("grad(): there are no outputs.");
  expect(() => torch.grad(x, [])).toThrow("grad(): there are no inputs.");
  expect(() => torch.backward([])).toThrow("backward(): there are no tensors.");
});

test("a custom function whose backward gives too many gradients is told how many inputs it has", () => {
  const w = torch.ones([2]).requiresGrad_();
  const twice = torch.customFunction({ forward: (v) => v.mul(2), backward: (g) => [g, g] }, w);
  expect(() => twice.sum().backward()).toThrow(/gave 2 gradients, and the function has 1 inputs/);
});
