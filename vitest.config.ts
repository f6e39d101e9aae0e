import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { DeadWorkers } from "./scripts/vitest/dead-workers.ts";

// .ci/run counts the tests from this file.
const results = process.env.PENUMBRA_TEST_RESULTS;
// Where every worker notes which test it is in; .ci/run reads it after a hang.
const running = process.env.PENUMBRA_RUNNING_TESTS ?? mkdtempSync(join(tmpdir(), "penumbra-running-"));
const reporters = ["default", new DeadWorkers(running)];

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
  test: {
    include: ["torch/test/**/*.test.ts", "penumbra/test/**/*.test.ts", "examples/**/*.test.ts"],
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
