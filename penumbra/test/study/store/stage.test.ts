import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { canonicalJson, hashOf } from "../../../src/files/hash.ts";
import { lockRun, RunInUseError } from "../../../src/study/store/lock.ts";
import { type StageEvent, type StageSpec, StageStore, stageHash } from "../../../src/study/store/stage.ts";

let folder = "";
let events: StageEvent[] = [];
const store = () => new StageStore(folder, { onEvent: (event) => events.push(event) });
const kinds = () => events.map(({ event }) => event);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-stage-"));
  events = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const spec = (change: Partial<StageSpec> = {}): StageSpec => ({
  name: "count",
  version: 1,
  inputs: { photos: "abc" },
  config: { to: 3 },
  seed: 5,
  run: async (work) => {
    await writeFile(join(work.folder, "number.txt"), "3");
    return { made: 1 };
  },
  ...change,
});

describe("a stage", () => {
  it("is made once and then found again", async () => {
    const first = await store().run(spec());
    const second = await store().run(
      spec({
        run: async () => {
          throw new Error("must not run");
        },
      }),
    );
    expect(second.hash).toBe(first.hash);
    expect(second.isReused).toBe(true);
    expect(kinds()).toEqual(["start", "done", "reused"]);
    expect(await readFile(join(second.folder, "number.txt"), "utf8")).toBe("3");
  });

  it("ends where it tells of progress when it is told to, and goes on from what lies there", async () => {
    const stop = new AbortController();
    const stopping = new StageStore(folder, { signal: stop.signal });
    const steps: number[] = [];
    const counting = spec({
      run: async ({ scratch, progress }) => {
        const done = join(scratch, "done");
        for (let step = existsSync(done) ? Number(await readFile(done, "utf8")) + 1 : 0; step < 3; step++) {
          steps.push(step);
          await writeFile(done, String(step));
          if (step === 1) stop.abort(new Error("enough"));
          progress(step, 3);
        }
        return {};
      },
    });
    await expect(stopping.run(counting)).rejects.toThrow("enough");
    await expect(stopping.run(spec({ seed: 6 }))).rejects.toThrow("enough");
    await expect(stopping.observe("look", async () => 1)).rejects.toThrow("enough");
    expect((await store().run(counting)).manifest.starts).toBe(2);
    expect(steps).toEqual([0, 1, 2]);
  });

  it("has a manifest that says what made it", async () => {
    const { manifest } = await store().run(spec());
    expect(manifest).toMatchObject({
      stage: "count",
      version: 1,
      inputs: { photos: "abc" },
      config: { to: 3 },
      seed: 5,
      notes: { made: 1 },
      files: { "number.txt": 1 },
      starts: 1,
    });
  });

  it("has another identity for any other name, version, input, setting or seed, and the same for another label", async () => {
    const upstream = await store().run(spec());
    const variants = [
      spec(),
      spec({ name: "other" }),
      spec({ version: 2 }),
      spec({ inputs: { photos: "abd" } }),
      spec({ inputs: { photos: upstream } }),
      spec({ config: { to: 4 } }),
      spec({ seed: 6 }),
    ];
    expect(new Set(variants.map(stageHash)).size).toBe(variants.length);
    expect(stageHash(spec({ label: "seed 5" }))).toBe(stageHash(spec()));
  });

  it("that fails leaves no artifact, and goes on in its own folder when started again", async () => {
    const failing = spec({
      run: async (work) => {
        await writeFile(join(work.scratch, "checkpoint"), "half");
        throw new Error("power cut");
      },
    });
    await expect(store().run(failing)).rejects.toThrow("power cut");
    expect(existsSync(join(folder, "artifacts"))).toBe(false);

    const made = await store().run(
      spec({
        run: async (work) => {
          expect(await readFile(join(work.scratch, "checkpoint"), "utf8")).toBe("half");
          await writeFile(join(work.folder, "number.txt"), "3");
          return {};
        },
      }),
    );
    expect(made.manifest.starts).toBe(2);
    expect(events.at(-2)).toMatchObject({ event: "start", isResumed: true });
    // Neither checkpoints nor clocks are part of a result.
    expect((await readdir(made.folder)).sort()).toEqual(["manifest.json", "number.txt"]);
    expect(await readdir(join(folder, "work"))).toEqual([]);
  });

  it("drops files that were cut off in the middle of a write", async () => {
    const cut = spec({
      run: async (work) => {
        await writeFile(join(work.folder, "number.txt.12.partial"), "");
        throw new Error("killed");
      },
    });
    await expect(store().run(cut)).rejects.toThrow();
    const made = await store().run(spec());
    expect(Object.keys(made.manifest.files)).toEqual(["number.txt"]);
  });

  it.each([
    ["a file is gone", (path: string) => rm(join(path, "number.txt")), /is missing/],
    ["a file is cut off", (path: string) => writeFile(join(path, "number.txt"), ""), /0 bytes instead of 1/],
    [
      "its manifest is damaged",
      (path: string) => writeFile(join(path, "manifest.json"), "{"),
      /cannot be read/,
    ],
  ])("is made again, and says so, when %s", async (_, damage, reason) => {
    const { folder: path } = await store().run(spec());
    await damage(path);
    events = [];
    const again = await store().run(spec());
    expect(kinds()).toEqual(["damaged", "start", "done"]);
    expect(events[0]).toMatchObject({ reason: expect.stringMatching(reason) });
    expect(await readFile(join(again.folder, "number.txt"), "utf8")).toBe("3");
  });
});

describe("the hash of a configuration", () => {
  it("does not depend on the order of settings, nor on absent ones", () => {
    expect(hashOf({ a: 1, b: [true, null, "x"] })).toBe(hashOf({ b: [true, null, "x"], a: 1, c: undefined }));
    expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
    expect(canonicalJson({ b: 1, a: { d: 0.5, c: "\n" } })).toBe('{"a":{"c":"\\n","d":0.5},"b":1}');
  });

  it("refuses what JSON cannot hold", () => {
    expect(() => hashOf({ x: Number.NaN })).toThrow(RangeError);
  });
});

describe("a run folder", () => {
  const lock = () => join(folder, "study.lock");

  it("is refused while another living process works in it", async () => {
    // Process 1 always lives.
    await writeFile(lock(), '{"pid":1,"start":null}');
    await expect(lockRun(folder)).rejects.toThrow(RunInUseError);
  });

  it("is taken over from a process that was killed, and released at the end", async () => {
    await writeFile(lock(), '{"pid":999999999,"start":null}');
    const { release } = await lockRun(folder);
    expect(JSON.parse(await readFile(lock(), "utf8"))).toMatchObject({ pid: process.pid });
    await release();
    expect(existsSync(lock())).toBe(false);
  });

  it("is taken over from a process that died while it wrote its claim", async () => {
    await writeFile(lock(), "");
    await (await lockRun(folder)).release();
  });

  it.runIf(existsSync("/proc/1/stat"))(
    "is taken over where the owner's number now belongs to another process",
    async () => {
      await writeFile(lock(), '{"pid":1,"start":"another boot"}');
      await (await lockRun(folder)).release();
    },
  );

  it("is left to whoever is still writing its claim", async () => {
    await writeFile(lock(), "");
    const refused = expect(lockRun(folder)).rejects.toThrow(/process 1\) is working/);
    await writeFile(lock(), '{"pid":1,"start":null}');
    await refused;
  });
});
