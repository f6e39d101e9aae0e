import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "penumbra-dead-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs these test files in a vitest of their own, with this repository's reporter; counts them as .ci/run does. */
function runVitest(files: Readonly<Record<string, string>>, isolate = true) {
  const project = mkdtempSync(join(folder, "project-"));
  const [running, results] = [join(project, "running"), join(project, "results.json")];
  mkdirSync(running);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  writeFileSync(
    join(project, "vitest.config.ts"),
    `import { DeadWorkers } from ${JSON.stringify(join(ROOT, "scripts/vitest/dead-workers.ts"))};
     export default { test: {
       globals: true, pool: "forks", isolate: ${isolate}, maxWorkers: 2, env: { PENUMBRA_RUNNING_TESTS: ${JSON.stringify(running)} },
       setupFiles: [${JSON.stringify(join(ROOT, "scripts/vitest/running-test.ts"))}],
       reporters: ["default", new DeadWorkers(${JSON.stringify(running)}), ["json", { outputFile: ${JSON.stringify(results)} }]],
     } };`,
  );
  const node = (args: string[]) =>
    spawnSync(process.execPath, args, { cwd: project, encoding: "utf8", env: { ...process.env, CI: "1" } });
  const run = node([join(ROOT, "node_modules/vitest/vitest.mjs"), "run"]);
  expect(JSON.parse(readFileSync(results, "utf8"))).toHaveProperty("testResults");
  const count = node([join(ROOT, "scripts/vitest/count-tests.mjs"), results]);
  const { stdout, stderr, status: counted } = count;
  return { status: run.status, output: run.stdout + run.stderr, count: stdout, named: stderr, counted };
}

test.each([
  ["alone", true],
  ["that files share", false],
])(
  "a worker %s that dies is named by its last test, and what it left undone counts as failed",
  (_, isolate) => {
    const files = {
      "good.test.js": 'test("adds", () => {});',
      "bad.test.js": `describe("a room", () => {
      test("first", () => {});
      test("crashes", () => process.kill(process.pid, "SIGKILL"));
      test("never comes", () => {});
    });`,
    };
    const { status, output, count, counted } = runVitest(files, isolate);
    expect(status).toBe(1);
    expect(output).toContain("A worker died in: bad.test.js > a room > crashes");
    expect(output).toContain("Tests that never ran: bad.test.js");
    expect(count).toMatch(/^[12] passed, [23] failed, 0 skipped\n$/); // whether "first" was told before the death
    expect(counted).toBe(1);
  },
);

test("a file whose tests cannot be collected or whose hook fails counts as failed, a whole or a skipped one as it is", () => {
  const files = { "good.test.js": 'test("adds", () => {}); test.skip("later", () => {});' };
  expect(runVitest(files)).toMatchObject({ status: 0, count: "1 passed, 0 failed, 1 skipped\n", counted: 0 });
  const skipped = runVitest({ ...files, "skipped.test.js": 'test.skip("never", () => {});' });
  expect(skipped).toMatchObject({ status: 0, count: "1 passed, 0 failed, 2 skipped\n", counted: 0 });
  expect(skipped.output).not.toContain("A worker died");
  const broken = runVitest({ ...files, "broken.test.js": 'throw new Error("at import");' });
  expect(broken).toMatchObject({ status: 1, count: "1 passed, 1 failed, 1 skipped\n", counted: 1 });
  const hook = 'beforeAll(() => { throw new Error("hook"); }); test("adds", () => {});';
  expect(runVitest({ "hook.test.js": hook })).toMatchObject({
    ...{ status: 1, counted: 1, named: expect.stringMatching(/^FAILED .*hook\.test\.js/) },
  });
  const wrong = 'test("adds", () => expect(1 + 1).toBe(3));';
  const { count, named } = runVitest({ ...files, "wrong.test.js": wrong });
  expect(count).toBe("1 passed, 1 failed, 1 skipped\n");
  expect(named).toMatch(/^FAILED .*wrong\.test\.js > adds\n {2}AssertionError: expected 2 to be 3/);
});
