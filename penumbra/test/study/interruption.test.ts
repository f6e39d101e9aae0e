import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { StageEvent } from "../../src/study/index.ts";
import { makeTinyStudy, tinySettings } from "./tiny-study.ts";

// Five to seven processes one after the other, each of which loads libtorch: slow on a busy machine.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
const dieAtEvent = new URL("../die-at-event.mjs", import.meta.url).href;

const settings = {
  ...tinySettings,
  arms: ["supcon", "supcon+both"],
  words: { steps: 40, batchSize: 1 },
  encoder: { ...tinySettings.encoder, steps: 30 },
};

interface Finish {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: StageEvent[];
  readonly err: string;
}

/** What the process is ended at, as die-at-event.mjs reads it. */
interface Moment {
  readonly event: "start" | "progress";
  readonly stage: string;
  readonly label?: string;
  readonly from?: number;
  readonly signal?: NodeJS.Signals;
}

/** Runs the study in another process, which is killed at a moment. */
function study(folder: string, run: string, killedAt?: Moment): Promise<Finish> {
  return new Promise((resolve) => {
    const preload = killedAt ? ["--import", dieAtEvent] : [];
    const child = spawn(process.execPath, [...preload, bin, "study", "study.yaml", "--out", run, "--json"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, DIE_AT: JSON.stringify(killedAt) },
    });
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    const events: StageEvent[] = [];
    let rest = "";
    child.stdout.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) events.push(JSON.parse(line) as StageEvent);
    });
    child.on("close", (code, signal) => resolve({ code, signal, events, err }));
  });
}

describe("a study that is killed", () => {
  let folder = "";
  let undisturbed = "";

  beforeAll(async () => {
    folder = await makeTinyStudy(settings);
    const { code, events } = await study(folder, "undisturbed");
    expect(code).toBe(0);
    // The last line is for machines that read nothing else.
    expect(events.at(-1)).toMatchObject({
      event: "finished",
      results: join(folder, "undisturbed", "results.jsonl"),
      answer: expect.stringMatching(/^Not decided/),
      comparisons: expect.arrayContaining([
        expect.objectContaining({ question: "positives: faithful, negatives: near-ood" }),
      ]),
    });
    undisturbed = await readFile(join(folder, "undisturbed", "results.jsonl"), "utf8");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("in the middle of three stages, and started again each time, ends with the same numbers", async () => {
    const amid = (stage: string, label: string): Moment => ({ event: "progress", stage, label, from: 1 / 3 });
    const moments = [
      amid("words", "seed 0"),
      amid("images", "near-ood, seed 1"),
      amid("encoder", "both, seed 0"),
    ];
    for (const moment of moments) {
      const { signal, events } = await study(folder, "killed", moment);
      expect(signal).toBe("SIGKILL");
      expect(events.at(-1)?.event).toBe("progress");
      // The stage it died in left no artifact, only its work folder.
      const stage = events.at(-1)?.stage ?? "";
      expect((await readdir(join(folder, "killed", "work"))).map((name) => name.split("-")[0])).toContain(
        stage,
      );
      expect(existsSync(join(folder, "killed", "results.jsonl"))).toBe(false);
    }
    const { code, events } = await study(folder, "killed");
    expect(code).toBe(0);
    expect(await readFile(join(folder, "killed", "results.jsonl"), "utf8")).toBe(undisturbed);
    // What was complete was kept, and the interrupted stage went on in its own folder.
    expect(events.filter(({ event }) => event === "reused").map(({ stage }) => stage)).toContain("words");
    const resumed = events.find((event) => event.event === "start" && event.isResumed);
    expect(resumed).toMatchObject({ stage: "encoder" });
  });

  it("by Ctrl-C says that the same command goes on, and exits with 130", async () => {
    const { code, err } = await study(folder, "interrupted", {
      event: "start",
      stage: "words",
      signal: "SIGINT",
    });
    expect(code).toBe(130);
    expect(err).toBe("Interrupted. The same command goes on from here.\n");
  });

  it("does not keep the run folder locked", async () => {
    await study(folder, "locked", { event: "start", stage: "words" });
    expect(existsSync(join(folder, "locked", "study.lock"))).toBe(true);
    expect(await study(folder, "locked", { event: "start", stage: "images" })).toMatchObject({
      signal: "SIGKILL",
    });
  });

  it("draws the same images, byte for byte", async () => {
    const images = async (run: string) => {
      const artifacts = join(folder, run, "artifacts");
      const found: Record<string, string> = {};
      for (const name of (await readdir(artifacts)).filter((item) => item.startsWith("images"))) {
        for (const image of await readdir(join(artifacts, name, "images"))) {
          found[`${name}/${image}`] = (await readFile(join(artifacts, name, "images", image))).toString(
            "base64",
          );
        }
      }
      return found;
    };
    const [killed, whole] = [await images("killed"), await images("undisturbed")];
    expect(Object.keys(whole).length).toBeGreaterThan(40);
    expect(Object.keys(killed).sort()).toEqual(Object.keys(whole).sort());
    for (const name of Object.keys(whole)) expect(killed[name] === whole[name], name).toBe(true);
  });
});
