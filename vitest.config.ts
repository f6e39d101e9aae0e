import { defineConfig } from "vitest/config";

// .ci/run counts the tests from this file.
const results = process.env.PENUMBRA_TEST_RESULTS;

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["source"] } },
  test: {
    include: ["torch/test/**/*.test.ts", "penumbra/test/**/*.test.ts", "examples/**/*.test.ts"],
    pool: "forks",
    // libtorch threads and test processes share the cores: two processes of one thread each.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: "1" },
    reporters: results ? ["default", ["json", { outputFile: results }]] : ["default"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
