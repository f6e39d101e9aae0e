import { beforeAll, describe, expect, test } from "vitest";
import { type Run, type Trained, train } from "./data-parallel.child.ts";
import { resultsOf, runRanks } from "./ranks.ts";

/** Sums in another order, in float64, over four steps. */
const TOLERANCE = 1e-11;

function expectEqual(actual: Trained, expected: Trained): void {
  expect(Object.keys(actual.state)).toEqual(Object.keys(expected.state));
  for (const [key, values] of Object.entries(expected.state)) {
    values.forEach((value, i) => {
      expect(Math.abs(actual.state[key]![i]! - value), `${key}[${i}]`).toBeLessThan(TOLERANCE);
    });
  }
  actual.losses.forEach((loss, i) => void expect(loss).toBeCloseTo(expected.losses[i]!, 10));
}

describe("DataParallel with syncBatchNorm in 2 processes of 4 rows", () => {
  let ranks: Run[];
  beforeAll(async () => {
    ranks = resultsOf<Run>(await runRanks(new URL("./data-parallel.child.ts", import.meta.url), 2));
  });

  test("trains as one process with 8 rows does: parameters, running statistics, losses", () => {
    const alone = train(null);
    for (const { whole } of ranks) expectEqual(whole, alone);
    expect(alone.losses[0]).not.toBeCloseTo(alone.losses[3]!, 2);
  });

  test("buckets of any size give the same bits on every rank", () => {
    for (const { whole, bucketed } of ranks) {
      expect(bucketed.state).toEqual(ranks[0]!.bucketed.state);
      expect(bucketed.state).toEqual(whole.state);
    }
  });

  test("a step leaves no tensors behind", () => {
    for (const { bucketed } of ranks) expect(bucketed.live[3]).toBeLessThanOrEqual(bucketed.live[0]!);
  });

  test("names the parameters that got no gradient, and the rank whose network differs", () => {
    for (const { unreached, different } of ranks) {
      expect(unreached).toMatch(
        /did not reach all parameters.*"parts\.1\.weight", "parts\.1\.bias" got none/,
      );
      expect(different).toMatch(/the network of rank 1 differs from rank 0's/);
    }
  });
});
