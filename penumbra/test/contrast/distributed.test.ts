import { expect, test } from "vitest";
import { resultsOf, runRanks } from "../../../torch/test/distributed/ranks.ts";
import { trainSupCon } from "./distributed.child.ts";

test("a ResNet under SupCon with gathered negatives trains in 2 processes of 4 rows as in one of 8", async () => {
  const ranks = resultsOf<ReturnType<typeof trainSupCon>>(
    await runRanks(new URL("./distributed.child.ts", import.meta.url), 2),
  );
  const alone = trainSupCon(null);
  for (const { state, losses } of ranks) {
    expect(state.length).toBe(alone.state.length);
    // float64 with sums in another order, through 10 batch norms and two steps.
    const difference = Math.max(...state.map((value, i) => Math.abs(value - alone.state[i]!)));
    expect(difference).toBeLessThan(1e-10);
    losses.forEach((loss, i) => void expect(loss).toBeCloseTo(alone.losses[i]!, 10));
  }
  expect(alone.losses[0]).not.toBeCloseTo(alone.losses[1]!, 3);
});
