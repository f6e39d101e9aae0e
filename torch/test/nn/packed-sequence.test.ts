import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grad, linspace, nn, randn, scope, type Tensor, TorchError, zeros } from "../../src/index.ts";
import { expectClose, fixture, under } from "../reference.ts";

interface Case {
  kind: "RNN" | "GRU" | "LSTM";
  args: [number, number];
  options: object;
}

const { description, tensors } = fixture<{ lengths: number[]; cases: Case[] }>("sequences");
const { lengths } = description;

/** Layer and states as they are called, whichever layer it is. */
type Recurrent = nn.Module<[x: nn.PackedSequence, state?: unknown], [nn.PackedSequence, Tensor | Tensor[]]>;
type RecurrentClass = new (...args: unknown[]) => Recurrent;

describe("Packed sequences", () => {
  description.cases.forEach(({ kind, args, options }, number) => {
    test(`${number} through ${kind}(${args}, ${JSON.stringify(options)}) give PyTorch's outputs, states and gradients`, () => {
      scope(() => {
        const given = under(tensors, `${number}.`);
        const layer = new (nn as unknown as Record<string, RecurrentClass>)[kind]!(...args, options);
        layer.loadStateDict(under(tensors, `${number}.initial.`));
        const x = given.x!.clone().requiresGrad_();
        const states = Object.values(under(tensors, `${number}.state.`)).map((state) =>
          state.clone().requiresGrad_(),
        );
        const packed = nn.packPaddedSequence(x, lengths);
        expect(packed.data.equal(given.data!)).toBe(true);
        expect(packed.batchSizes.equal(given.batch_sizes!)).toBe(true);
        expect(packed.sortedIndices!.equal(given.sorted_indices!)).toBe(true);
        const [output, ends] = layer.forward(
          packed,
          ...(states.length === 0 ? [] : [kind === "LSTM" ? states : states[0]]),
        );
        const [padded, outputLengths] = nn.padPackedSequence(output, { paddingValue: -2, totalLength: 6 });
        expect(outputLengths.equal(given.lengths!)).toBe(true);
        const results = [padded, ...[ends].flat()];
        results.forEach((y, i) => void expectClose(y, given[`output.${i}`]!, 2e-6, `output ${i}`));
        const loss = results
          .map((y) => y.mul(linspace(-1, 1, y.numel).reshape([...y.shape])).sum())
          .reduce((one, other) => one.add(other));
        const sources = {
          x,
          ...Object.fromEntries(states.map((state, i) => [`state.${i}`, state])),
          ...Object.fromEntries(layer.namedParameters()),
        };
        const gradients = grad(loss, Object.values(sources));
        Object.keys(sources).forEach((key, i) => {
          expectClose(gradients[i]!, given[`gradient.${key}`]!, 5e-6, key);
        });
      });
    });
  });

  test("are padded and cut as they were, for any lengths and both layouts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (sizes, batchFirst) => {
          scope(() => {
            const sequences = sizes.map((size) => randn([size, 2]));
            const packed = nn.packSequence(sequences);
            expect(packed.batch).toBe(sizes.length);
            expect(packed.data.shape[0]).toBe(sizes.reduce((a, b) => a + b));
            nn.unpackSequence(packed).forEach(
              (sequence, i) => void expect(sequence.equal(sequences[i]!)).toBe(true),
            );
            const padded = nn.padSequence(sequences, { batchFirst });
            const [again, found] = nn.padPackedSequence(
              nn.packPaddedSequence(padded, sizes, { batchFirst }),
              { batchFirst },
            );
            expect(again.equal(padded)).toBe(true);
            expect(found.toNumbers()).toEqual(sizes);
            nn.unpadSequence(padded, found, { batchFirst }).forEach((sequence, i) => {
              expect(sequence.equal(sequences[i]!)).toBe(true);
            });
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  test("give each sequence what it gives alone", () => {
    scope(() => {
      const lstm = new nn.LSTM(2, 3, { numLayers: 2, bidirectional: true });
      const sequences = [2, 4, 1].map((length) => randn([length, 2]));
      const [outputs, [h]] = lstm.forward(nn.packSequence(sequences));
      nn.unpackSequence(outputs).forEach((output, i) => {
        const [alone, [end]] = lstm.forward(sequences[i]!);
        expectClose(output, alone, 1e-6, `output ${i}`);
        expectClose(h.select(1, i), end, 1e-6, `state ${i}`);
      });
    });
  });

  test("that are sorted already need no order", () => {
    scope(() => {
      const packed = nn.packPaddedSequence(zeros([2, 3, 1]), [3, 2], { enforceSorted: true });
      expect(packed.sortedIndices).toBeNull();
      expect(nn.padPackedSequence(packed)[1].toNumbers()).toEqual([3, 2]);
    });
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "too few lengths",
      () => nn.packPaddedSequence(zeros([2, 3, 1]), [3]),
      /lengths \[3\] do not fit \[2, 3, 1\].*2 whole/,
    ],
    ["a length of 0", () => nn.packPaddedSequence(zeros([2, 3, 1]), [3, 0]), /1 … 3/],
    ["a length beyond the padding", () => nn.packPaddedSequence(zeros([2, 3, 1]), [4, 1]), /1 … 3/],
    [
      "an order that is none",
      () => nn.packPaddedSequence(zeros([2, 3, 1]), [1, 2], { enforceSorted: true }),
      /longest first/,
    ],
    [
      "a total length that is too short",
      () => nn.padPackedSequence(nn.packSequence([zeros([3, 1])]), { totalLength: 2 }),
      /totalLength 2 is below the longest sequence, 3/,
    ],
    [
      "another width than the layer's",
      () => new nn.GRU(3, 2).forward(nn.packSequence([zeros([3, 1])])),
      /GRU was given packed sequences of \[3,1\]/,
    ],
    [
      "a state for another batch",
      () => new nn.GRU(1, 2).forward(nn.packSequence([zeros([3, 1])]), zeros([1, 2, 2])),
      /must be \[1, 1, 2\]/,
    ],
  ])("refuse %s", (_, act, message) => {
    expect(act).toThrow(TorchError);
    expect(act).toThrow(message);
  });
});
