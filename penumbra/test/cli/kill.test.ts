import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadClassifier } from "../../src/deploy/index.ts";
import { makeTinyStudy, tinySettings } from "../study/tiny-study.ts";

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
let folder = "";
beforeAll(async () => {
  folder = await makeTinyStudy(
    { ...tinySettings, detectors: ["msp", "mahalanobis"] },
    { known: 2, near: 2, far: 0 },
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A moment of the training: what is told of which stage. */
interface Moment {
  readonly event: string;
  readonly stage: string;
}

/** Trains, and kills the process without warning at a moment; without one it ends by itself. */
function train(killedAt?: Moment): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, "train", "study.yaml", "--json"], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { event, stage } = JSON.parse(line) as Partial<Moment>;
      if (killedAt && event === killedAt.event && stage === killedAt.stage) child.kill("SIGKILL");
    });
    child.on("close", (code) => resolve(code));
  });
}

it("leaves nothing half-written when it is killed amid its work, and the next run ends it", async () => {
  for (const moment of [
    { event: "start", stage: "encoder" },
    // After the last stage the detector is chosen and the folder written.
    { event: "done", stage: "probe" },
  ]) {
    expect(await train(moment)).toBeNull();
    const models = existsSync(join(folder, "models")) ? await readdir(join(folder, "models")) : [];
    // Whole under its name or not there; what was cut off lies under a name that says so.
    for (const name of models.filter((each) => !each.endsWith(".partial")))
      loadClassifier(join(folder, "models", name)).dispose();
  }
  expect(await train()).toBe(0);
  expect(await readdir(join(folder, "models"))).toEqual(["tiny"]);
  loadClassifier(join(folder, "models", "tiny")).dispose();
}, 120_000);
