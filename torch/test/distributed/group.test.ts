import { distributed } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import type { Failing, Operations } from "./group.child.ts";
import { resultsOf, runRanks } from "./ranks.ts";

const CHILD = new URL("./group.child.ts", import.meta.url);

describe("a process group of 2", () => {
  test("computes every operation and its gradient, refuses calls that do not fit together, and goes on", async () => {
    const [first, second] = resultsOf<Operations>(await runRanks(CHILD, 2, ["operations"])) as [
      Operations,
      Operations,
    ];
    // Rank 0 has 1 2 3 4, rank 1 has 2 4 6 8.
    for (const result of [first, second]) {
      expect(result.reductions).toEqual([
        [3, 6, 9, 12],
        [1.5, 3, 4.5, 6],
        [2, 8, 18, 32],
        [1, 2, 3, 4],
        [2, 4, 6, 8],
      ]);
      expect(result.bits).toEqual([
        [1 & 2, 5],
        [1 | 2, 5],
        [1 ^ 2, 0],
      ]);
      expect(result.half).toEqual([3, 6, 9, 12]);
      expect(result.columns).toEqual([1, 7, 3, 9, 5, 11]);
      expect(result.gathered).toEqual([0, 3, 1, 4, 2, 5, 1, 4, 2, 5, 3, 6]);
      expect(result.scalars).toEqual([0, 1]);
      expect(result.empty).toEqual([0, 3]);
      expect(result.broadcast).toEqual([1, 7]);
      // Each rank's loss weighs what was gathered by (r + 1) (1 2 3 4), and the ranks' gradients add up.
      expect(result.reduceGradient).toEqual([1.5, 1.5]); // mean of the weights 1 and 2
      expect(result.scatterGradient).toEqual([1, 1, 2, 2]); // each part's gradient comes from its rank
      expect(result.noGradient).toMatch(/"max" has no gradient\. Pass x\.detach\(\)/);
      expect(result.wholeMean).toMatch(/int64 cannot hold a mean/);
      expect(result.uneven).toMatch(/\[5\] cannot be cut into 2 equal parts/);
      expect(result.shapes).toMatch(
        /rank 0 calls allReduce sum float32\[5\], rank 1 calls allReduce sum float32\[50000\]/,
      );
      expect(result.dtypes).toMatch(/float32\[4\], rank 1 calls allReduce sum float64\[4\]/);
      expect(result.calls).toMatch(/rank 0 calls barrier, rank 1 calls allGather float32\[4\]/);
      expect(result.after).toEqual([3, 6, 9, 12]);
      expect(result.closed).toMatch(/the process group was closed/);
    }
    expect(first.unchanged).toEqual([1, 2, 3, 4]);
    expect([first.scattered, second.scattered]).toEqual([
      [3, 6],
      [9, 12],
    ]);
    expect([first.gatherGradient, second.gatherGradient]).toEqual([
      [3, 6],
      [9, 12],
    ]);
  });

  test("tells the others within the time limit that a rank was killed", async () => {
    const [alive, killed] = await runRanks(CHILD, 2, ["killed"]);
    expect(killed!.signal).toBe("SIGKILL");
    const [result] = resultsOf<Failing>([alive!]) as [Failing];
    expect(result.message).toMatch(
      /^allReduce sum float32\[1000\] failed on rank 0 of 2\. The connection to another rank was closed: its process has ended/,
    );
    expect(result.elapsedMs).toBeLessThan(2_000);
    expect(result.again).toBe(result.message);
  });

  test("gives up on a rank that does not come within the time limit", async () => {
    const [waiting] = await runRanks(CHILD, 2, ["asleep"]);
    const [result] = resultsOf<Failing>([waiting!]) as [Failing];
    expect(result.message).toMatch(/Not every rank took part within the time limit of 1.5 s/);
    expect(result.elapsedMs).toBeGreaterThan(1_400);
    expect(result.elapsedMs).toBeLessThan(3_800); // before the other one wakes
  });
});

describe("finding each other", () => {
  test("names the first variable that is missing or wrong, and how to start", () => {
    const complete = { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "localhost", MASTER_PORT: "29500" };
    expect(distributed.launchEnvironment(complete)).toEqual({
      ...{ rank: 1, worldSize: 2, localRank: 1, masterAddress: "localhost", masterPort: 29500 },
      servesStore: false,
    });
    const without = (name: string) => ({ ...complete, [name]: undefined });
    for (const name of Object.keys(complete)) {
      expect(() => distributed.launchEnvironment(without(name))).toThrow(
        `The environment variable ${name} is not set. Start the script with \`npx penumbra-torch run --nproc 2 script.js\``,
      );
    }
    for (const rank of ["2", "-1", "1.5", "one"]) {
      expect(() => distributed.launchEnvironment({ ...complete, RANK: rank })).toThrow(
        `RANK is "${rank}"; it must be a whole number from 0 to 1`,
      );
    }
    expect(distributed.launchEnvironment({ ...complete, RANK: "0" }).servesStore).toBe(true);
    // torchrun's own agent serves the port.
    const agent = { ...complete, RANK: "0", TORCHELASTIC_USE_AGENT_STORE: "True" };
    expect(distributed.launchEnvironment(agent).servesStore).toBe(false);
  });

  test("ends after the time limit when the others do not come", () => {
    const place = {
      ...{ rank: 1, worldSize: 2, localRank: 1, masterAddress: "127.0.0.1", masterPort: 9 },
      servesStore: false,
    };
    expect(() => distributed.initProcessGroup({ place, timeoutMs: 300 })).toThrow(
      /^Rank 1 of 2 did not find the others at 127\.0\.0\.1:9\./,
    );
    expect(() => distributed.initProcessGroup({ place, timeoutMs: 0.5 })).toThrow("timeoutMs is 0.5");
  });

  test("a group of one is alone with itself", async () => {
    const { freePort } = await import("../../src/distributed/launch.ts");
    const place = {
      ...{ rank: 0, worldSize: 1, localRank: 0, masterAddress: "127.0.0.1", masterPort: await freePort() },
      servesStore: true,
    };
    using group = distributed.initProcessGroup({ place, timeoutMs: 10_000 });
    group.barrier();
    expect([group.rank, group.size]).toEqual([0, 1]);
  });
});
