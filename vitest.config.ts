import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { DeadWorkers } from "./scripts/vitest/dead-workers.ts";

// .ci/run counts the tests from this file.
const results = process.env.PENUMBRA_TEST_RESULTS;
// Where every worker notes which test it is in; .ci/run reads it after a hang.
const running = process.env.PENUMBRA_RUNNING_TESTS ?? mkdtempSync(join(tmpdir(), "penumbra-running-"));
/** Of penumbra, what depends on what its process did before. */
const OWN_PROCESS = "penumbra/test/**/*.process.test.ts";
const reporters = ["default", new DeadWorkers(running)];

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
  test: {
    projects: [
      // Most of a file's time was importing what the file before it had imported: these share their two processes.
      {
        extends: true,
        test: {
          ...{ name: "together", isolate: false, sequence: { groupOrder: 0 } },
          include: ["penumbra/test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: [OWN_PROCESS],
          setupFiles: ["scripts/vitest/fresh-generator.ts"], // beside the one below
        },
      },
      // The engine's tests ask what a process holds, loads and leaves.
      {
        extends: true,
        test: {
          ...{ name: "alone", sequence: { groupOrder: 1 } },
          include: ["torch/test/**/*.test.ts", OWN_PROCESS],
        },
      },
    ],
    pool: "forks",
    // libtorch threads and test processes share the cores: two processes of one thread each.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: "1", PENUMBRA_RUNNING_TESTS: running },
    setupFiles: ["scripts/vitest/running-test.ts"],
    reporters: results ? [...reporters, ["json", { outputFile: results }]] : reporters,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
