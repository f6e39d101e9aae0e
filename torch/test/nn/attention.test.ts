import { expect, test } from "vitest";
import { manualSeed, nn, slice } from "../../src/index.ts";
import { expectClose, fixture, under } from "../reference.ts";

const { description, tensors } = fixture<{ embedDim: number; heads: number; seed: number }>("attention");
const { query, key, value, padding, forbidden, scores } = tensors as Record<
  string,
  NonNullable<(typeof tensors)[string]>
>;

function layer(options = {}): nn.MultiheadAttention {
  manualSeed(description.seed);
  return new nn.MultiheadAttention(description.embedDim, description.heads, options);
}

const loaded = layer();
loaded.loadStateDict(under(tensors, "state."));

test("MultiheadAttention begins with PyTorch's numbers under the same seed", () => {
  const state = layer().stateDict();
  for (const [name, tensor] of Object.entries(under(tensors, "initial."))) {
    expect(state[name]!.equal(tensor), name).toBe(true);
  }
});

const cases: [string, Parameters<nn.MultiheadAttention["forward"]>][] = [
  ["self", [query!]],
  ["cross", [query!, key, value]],
  ["crossSameKeyValue", [query!, key]],
  ["padded", [query!, key, value, { keyPaddingMask: padding }]],
  ["masked", [query!, key, value, { attnMask: forbidden }]],
  ["maskedAndPadded", [query!, key, value, { attnMask: forbidden, keyPaddingMask: padding }]],
  ["scored", [query!, key, value, { attnMask: scores }]],
  ["scoredAndPadded", [query!, key, value, { attnMask: scores, keyPaddingMask: padding }]],
  ["causal", [query!, query, query, { isCausal: true }]],
];

test.each(cases)("MultiheadAttention agrees with PyTorch's: %s", (name, args) => {
  expectClose(loaded.forward(...args), tensors[name]!, 2e-6);
});

test("MultiheadAttention takes the length first where asked to", () => {
  const lengthFirst = layer({ batchFirst: false });
  lengthFirst.loadStateDict(loaded.stateDict());
  const transposed = lengthFirst.forward(
    query!.transpose(0, 1),
    key!.transpose(0, 1),
    value!.transpose(0, 1),
  );
  expectClose(transposed.transpose(0, 1), tensors.cross!, 2e-6);
});

test("A causal mask and padding together forbid both", () => {
  const firstFive = padding!.at("...", slice(0, 5)); // none of these is padding
  const both = loaded.forward(query!, query!, query!, { isCausal: true, keyPaddingMask: firstFive });
  expectClose(both, tensors.causal!, 2e-6);
  const lastIsPadding = firstFive.clone().setAt([0, 4], true);
  const without = loaded.forward(query!, query!, query!, { isCausal: true, keyPaddingMask: lastIsPadding });
  expect(
    without
      .sub(both)
      .abs()
      .amax({ dim: [1, 2] })
      .gt(0)
      .toNumbers(),
  ).toEqual([1, 0]);
});
