import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../src/results/index.ts";
import { loadConfig, planStudy, runStudy, type StageEvent } from "../../src/study/index.ts";
import { contentsOf, madeStages, makeTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

// Two processes more, each of which loads the engine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const settings = {
  ...{ ...tinySettings, detectors: ["msp", "mahalanobis"] },
  arms: [
    ...["cross-entropy", "supcon+near-ood"],
    { name: "supcon+small", objective: "supcon", negatives: "small" },
  ],
  sources: {
    small: {
      ...{ generator: "autoencoder", kind: "near-ood" },
      training: { steps: 2, batchSize: 2, width: 8, latentSize: 4, sheetMinutes: 60 },
    },
  },
  split: { ...tinySettings.split, shots: [1, 2] },
};

async function run(folder: string, jobs: number, name: string) {
  // Two devices stand in for two GPUs; jobs take them in turn.
  await writeSettings(folder, { ...settings, jobs, device: jobs > 1 ? ["cpu", "cpu"] : "cpu" });
  const events: StageEvent[] = [];
  const study = planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, name));
  const outcome = await runStudy(study, { onEvent: (event) => events.push(event) });
  return { study, outcome, events };
}

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
const dieAtEvent = new URL("../die-at-event.mjs", import.meta.url).href;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie has ended, and waits for whoever is to notice it.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

describe("stages side by side", () => {
  let folder = "";
  let alone: { outcome: Outcome };
  let together: Awaited<ReturnType<typeof run>>;

  beforeAll(async () => {
    folder = await makeTinyStudy(settings);
    alone = await run(folder, 1, "alone");
    together = await run(folder, 2, "together");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("change no bit of any artifact, and no figure", async () => {
    const expected = await contentsOf(join(folder, "alone"));
    const found = await contentsOf(join(folder, "together"));
    expect([...found.keys()]).toEqual([...expected.keys()]);
    for (const [name, bytes] of expected) expect(found.get(name)!.equals(bytes), name).toBe(true);
    expect(together.outcome.results).toEqual(alone.outcome.results);
    expect(together.outcome.comparisons).toEqual(alone.outcome.comparisons);
    expect(together.outcome.levels).toEqual(alone.outcome.levels);
  });

  it("are made by several at the same time, each once, and told as those of one", () => {
    const { events, study, outcome } = together;
    expect(events.filter(({ event }) => event === "done" || event === "reused")).toHaveLength(
      study.stageCount,
    );
    const made = madeStages(events);
    expect(new Set(made).size).toBe(made.length);
    const open = new Set<string>();
    let most = 0;
    for (const { event, hash } of events) {
      if (event === "start") open.add(hash);
      if (event === "done") open.delete(hash);
      most = Math.max(most, open.size);
    }
    expect(most).toBe(2);
    const own = outcome.stages.filter(({ stage }) => stage === "encoder");
    expect(own.map(({ isReused }) => isReused)).toEqual(own.map(() => false));
    // Both processes and the one that they work for.
    expect(outcome.peakMemoryBytes).toBeGreaterThan(alone.outcome.peakMemoryBytes);
  });

  it("end all together with what one of them could not do, and the next run goes on", async () => {
    const artifacts = join(folder, "together", "artifacts");
    const names = await readdir(artifacts);
    for (const name of names.filter((each) => /^(encoder|score)/.test(each)))
      await rm(join(artifacts, name), { recursive: true });
    // Features are found and cannot be read: their size is as it was.
    const features = names.find((name) => name.startsWith("features"))!;
    const path = join(artifacts, features, "features.safetensors");
    const bytes = await readFile(path);
    await writeFile(path, Buffer.alloc(bytes.length));
    await expect(run(folder, 2, "together")).rejects.toThrow(/features\.safetensors/);
    expect(await readdir(join(folder, "together"))).not.toContain("study.lock");
    await writeFile(path, bytes);
    const again = await run(folder, 2, "together");
    expect(again.outcome.results).toEqual(alone.outcome.results);
    expect(await readdir(join(folder, "together", "work"))).toEqual([]);
  });

  it("end with the study that they work for, also when that is killed, and leave nothing half written", async () => {
    await writeSettings(folder, { ...settings, jobs: 2 });
    const killed = await new Promise<NodeJS.Signals | null>((resolve) => {
      const command = ["--import", dieAtEvent, bin, "study", "study.yaml", "--out", "killed", "--json"];
      const moment = JSON.stringify({ event: "start", stage: "encoder" });
      const child = spawn(process.execPath, command, {
        ...{ cwd: folder, stdio: ["ignore", "ignore", "inherit"] },
        env: { ...process.env, NODE_OPTIONS: "", DIE_AT: moment },
      });
      child.on("close", (_, signal) => resolve(signal));
    });
    expect(killed).toBe("SIGKILL");
    const lock = JSON.parse(await readFile(join(folder, "killed", "study.lock"), "utf8"));
    const pids = (lock as { jobs: { pid: number }[] }).jobs.map(({ pid }) => pid);
    expect(pids).toHaveLength(2);
    // What one process goes on with is what nothing had interrupted.
    const { outcome } = await run(folder, 1, "killed");
    expect(pids.filter(isAlive)).toEqual([]);
    expect(outcome.results).toEqual(alone.outcome.results);
    expect([...(await contentsOf(join(folder, "killed"))).keys()]).toEqual([
      ...(await contentsOf(join(folder, "alone"))).keys(),
    ]);
  });

  it("start no process where nothing is left to do", async () => {
    const { events, outcome } = await run(folder, 2, "together");
    expect(madeStages(events)).toEqual([]);
    expect(outcome.results).toEqual(alone.outcome.results);
  });
});
