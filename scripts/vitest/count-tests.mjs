// Prints "N passed, N failed, N skipped" over vitest's JSON results: node count-tests.mjs FILE…
// A test whose worker died is failed, and so is a file of which no test could be collected. Exits with 1 on failures.
import { readFileSync } from "node:fs";

const sum = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  const { testResults } = JSON.parse(readFileSync(path, "utf8"));
  for (const { status: fileStatus, assertionResults: tests } of testResults) {
    // Where a hook of the file failed, vitest calls its tests skipped.
    const ran = fileStatus === "passed" || tests.some(({ status }) => status === "failed");
    for (const { status } of tests) {
      if (status === "passed") sum.passed++;
      else if (["skipped", "todo", "disabled"].includes(status) && ran) sum.skipped++;
      else sum.failed++;
    }
    if (fileStatus !== "passed" && tests.length === 0) sum.failed++;
  }
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
