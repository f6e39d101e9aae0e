// Prints "N passed, N failed, N skipped" over vitest's JSON results: node count-tests.mjs FILE…
// What failed is named before it, on stderr, with how: whoever sees the end of a log alone then knows.
// A test whose worker died is failed, and so is a file of which no test could be collected. Exits with 1 on failures.
import { readFileSync } from "node:fs";

const sum = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  const { testResults } = JSON.parse(readFileSync(path, "utf8"));
  for (const { name, message, status: fileStatus, assertionResults: tests } of testResults) {
    // Where a hook of the file failed, vitest calls its tests skipped.
    const ran = fileStatus === "passed" || tests.some(({ status }) => status === "failed");
    for (const { status, fullName, failureMessages = [] } of tests) {
      if (status === "failed") tell(`${name} > ${fullName}`, failureMessages.join("\n"));
      if (status === "passed") sum.passed++;
      else if (["skipped", "todo", "disabled"].includes(status) && ran) sum.skipped++;
      else sum.failed++;
    }
    // Of a hook as well, whose failure none of the tests tells.
    if (fileStatus !== "passed" && !tests.some(({ status }) => status === "failed")) tell(name, message);
    if (fileStatus !== "passed" && tests.length === 0) sum.failed++;
  }
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;

function tell(what, why = "") {
  console.error(`FAILED ${what}\n${why.slice(0, 2000).replace(/^/gm, "  ")}`);
}
