// Runs in every worker: keeps in a file which test it is in, so that one that dies has said where.
import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeEach, expect } from "vitest";

const path = join(process.env.PENUMBRA_RUNNING_TESTS as string, String(process.pid));
const file = relative(process.cwd(), expect.getState().testPath as string);

// Written at once: what a worker only tells its parent is lost when a native crash follows.
writeFileSync(path, `${file} (before its first test)`);
beforeEach(({ task }) => writeFileSync(path, `${file} > ${task.fullTestName}`));
afterAll(() => rmSync(path, { force: true }));
