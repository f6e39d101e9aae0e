import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { freePort } from "../../src/distributed/launch.ts";
import type { Operations } from "./group.child.ts";
import { resultsOf, runRanks, startRank } from "./ranks.ts";

const { distributed } = torch;
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

  /** Rank 0 in this process, waiting for a rank 1 that has failed; what it is told and after how long. */
  async function waitForOneThat(how: "killed" | "asleep", timeoutMs: number) {
    const port = await freePort();
    const { child, end } = startRank(CHILD, { rank: 1, size: 2, port }, [how]);
    using group = distributed.initProcessGroup({
      place: {
        rank: 0,
        worldSize: 2,
        localRank: 0,
        masterAddress: "127.0.0.1",
        masterPort: port,
        servesStore: true,
      },
      ...{ joinTimeoutMs: 60_000, timeoutMs },
    });
    group.barrier();
    const messages: unknown[] = [];
    const started = performance.now();
    let elapsedMs = Number.NaN;
    for (const call of [() => group.allReduce(torch.ones([1000])), () => group.barrier()]) {
      try {
        call();
      } catch (error) {
        messages.push((error as Error).message);
      }
      elapsedMs ||= performance.now() - started;
    }
    child.kill("SIGKILL");
    expect((await end).signal).toBe("SIGKILL");
    return { messages, elapsedMs };
  }

  test("tells the others within the time limit that a rank was killed", async () => {
    const { messages, elapsedMs } = await waitForOneThat("killed", 20_000);
    expect(messages[0]).toMatch(
      /^allReduce sum float32\[1000\] failed on rank 0 of 2\. The connection to another rank was closed: its process has ended/,
    );
    expect(messages[1]).toBe(messages[0]);
    expect(elapsedMs).toBeLessThan(15_000);
  });

  test("gives up on a rank that does not come within the time limit", async () => {
    const { messages, elapsedMs } = await waitForOneThat("asleep", 2_500);
    expect(messages[0]).toMatch(/Not every rank took part within the time limit of 2\.5 s/);
    expect(messages[1]).toBe(messages[0]);
    expect(elapsedMs).toBeGreaterThan(2_400);
    expect(elapsedMs).toBeLessThan(15_000);
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
        `The environment variable ${name} is not set. Start the script with \`npx @penumbra/torch run --nproc 2 script.js\``,
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
    const place = {
      ...{ rank: 0, worldSize: 1, localRank: 0, masterAddress: "127.0.0.1", masterPort: await freePort() },
      servesStore: true,
    };
    using group = distributed.initProcessGroup({ place, timeoutMs: 10_000 });
    group.barrier();
    expect([group.rank, group.size]).toEqual([0, 1]);
  });
});
