import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exportWebPage, loadClassifier } from "../../src/deploy/index.ts";
import { makeTinyStudy, tinySettings } from "../study/tiny-study.ts";

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
const dieAmidWrite = new URL("../die-amid-write.mjs", import.meta.url).href;
const dieAtEvent = new URL("../die-at-event.mjs", import.meta.url).href;
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

/** Trains; the process is killed without warning at a moment, without one it ends by itself. */
function train(killedAt?: Moment): Promise<number | NodeJS.Signals | null> {
  const preload = killedAt ? ["--import", dieAtEvent] : [];
  return run([...preload, bin, "train", "study.yaml", "--json"], { DIE_AT: JSON.stringify(killedAt) });
}

/** Runs a command that is killed when half of a file of this name is written. */
function killedAmid(name: string, ...command: readonly string[]) {
  return run(["--import", dieAmidWrite, bin, ...command], { DIE_AMID: name });
}

/** The signal that ended it, or the code that it ended with. */
function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    child.on("close", (code, signal) => resolve(signal ?? code));
  });
}

it("leaves nothing half-written when it is killed amid its work, and the next run ends it", async () => {
  for (const moment of [
    { event: "start", stage: "encoder" },
    // After the last stage the detector is chosen and the folder written.
    { event: "done", stage: "probe" },
  ]) {
    expect(await train(moment)).toBe("SIGKILL");
    const models = existsSync(join(folder, "models")) ? await readdir(join(folder, "models")) : [];
    // Whole under its name or not there; what was cut off lies under a name that says so.
    for (const name of models.filter((each) => !each.endsWith(".partial")))
      loadClassifier(join(folder, "models", name)).dispose();
  }
  expect(await killedAmid("classifier.json", "train", "study.yaml")).toBe("SIGKILL");
  const left = await readdir(join(folder, "models"));
  expect(left).toEqual([expect.stringMatching(/^\.tiny\..*\.partial$/)]);
  expect(await readdir(join(folder, "models", left[0]!))).toContainEqual(
    expect.stringMatching(/^classifier\.json\..*\.partial$/),
  );
  expect(await train()).toBe(0);
  expect(await readdir(join(folder, "models"))).toEqual(["tiny"]);
  loadClassifier(join(folder, "models", "tiny")).dispose();
}, 120_000);

it("leaves an export whole or as it was when it is killed amid writing it", async () => {
  const exporting = ["export", "models/tiny", "--onnx", "tiny.onnx", "--web", "page"];
  await writeFile(join(folder, "tiny.onnx"), "old");
  expect(await killedAmid("tiny.onnx", ...exporting)).toBe("SIGKILL");
  expect(await readFile(join(folder, "tiny.onnx"), "utf8")).toBe("old");
  const part = (await readdir(folder)).filter((name) => /^tiny\.onnx\..*\.partial$/.test(name));
  const size = (await stat(join(folder, part[0]!))).size;
  expect(await killedAmid("/model.onnx", ...exporting)).toBe("SIGKILL");
  expect((await stat(join(folder, "tiny.onnx"))).size).toBeGreaterThan(1.9 * size);
  expect((await readdir(folder)).filter((name) => /^tiny\.onnx\./.test(name))).toEqual([]); // of the first
  expect(await readdir(folder)).not.toContain("page");
  expect(await exportWebPage(join(folder, "models", "tiny"), { out: join(folder, "page") })).toBeDefined();
  expect((await readdir(folder)).filter((name) => name.includes("page"))).toEqual(["page"]);
}, 120_000);
