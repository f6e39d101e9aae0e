import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  keepUnknown,
  type Verdict,
  type WatchEntry,
  type WatchOptions,
  watchPhotos,
} from "../../../src/deploy/index.ts";

let folder = "";
let log = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "penumbra-watch-"));
  log = join(folder, "verdicts.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const linesOf = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as WatchEntry & { class?: string; error?: string });

const verdictOf = (className: string): Verdict => ({
  ...{
    views: 1,
    isUnknown: className === "odd",
    className,
    confidence: 1,
    pValue: 1,
    unknownScore: 0,
    score: 1,
  },
  classes: [{ className, probability: 1 }],
});

/** A photo's bytes are its class, the first view's that of an object; those that begin with "bad" cannot be read. */
const judge: WatchOptions["judge"] = async (objects) =>
  objects.map(({ photos }) => {
    const texts = photos.map((bytes) => Buffer.from(bytes).toString());
    const isBad = (text: string) => text.startsWith("bad");
    const readable = texts.filter((text) => !isBad(text));
    return {
      verdict: readable.length > 0 ? { ...verdictOf(readable[0]!), views: readable.length } : null,
      unreadable: [...texts.entries()]
        .filter(([, text]) => isBad(text))
        .map(([photo]) => ({ photo, reason: "it is damaged" })),
    };
  });

/** Watches until `until` holds, or for three seconds; returns how many photos were judged. */
async function watchUntil(until: () => boolean, options: Partial<WatchOptions> = {}): Promise<number> {
  const stop = new AbortController();
  let judged = 0;
  const watching = watchPhotos(folder, {
    ...{ log, settleMs: 40, signal: stop.signal },
    judge: (objects) => {
      judged += objects.length;
      return judge(objects);
    },
    ...options,
  });
  watching.catch(() => {}); // awaited below
  for (const end = Date.now() + 3000; !until() && Date.now() < end; ) await sleep(10);
  stop.abort();
  await watching;
  return judged;
}
const written = (count: number) => () => {
  try {
    return readFileSync(log, "utf8").split("\n").length > count;
  } catch {
    return false; // not begun
  }
};

describe("a watched folder", () => {
  it("has a line for what lies there, below it too, and for what arrives; what cannot be read is told once", async () => {
    writeFileSync(at("one.jpg"), "bolt");
    mkdirSync(at("deep"));
    writeFileSync(at("deep/two.png"), "odd");
    writeFileSync(at("broken.png"), "bad");
    writeFileSync(at("notes.txt"), "no photo");
    setTimeout(() => writeFileSync(at("three.jpg"), "nut"), 150);
    await watchUntil(written(4));
    const entries = linesOf(log);
    expect(
      Object.fromEntries(
        entries.map(({ photo, ...rest }) => [
          photo.slice(folder.length + 1),
          "error" in rest ? rest.error : rest.verdict,
        ]),
      ),
    ).toEqual({
      ...{ "one.jpg": "bolt", "deep/two.png": "unknown", "three.jpg": "nut" },
      "broken.png": expect.stringMatching(/damaged/),
    });
    expect(entries).toHaveLength(4);
  });

  it("waits for a file that is still being written", async () => {
    writeFileSync(at("slow.jpg"), "bo");
    const writing = setInterval(() => {
      const text = readFileSync(at("slow.jpg"), "utf8");
      if (text.length < 12) appendFileSync(at("slow.jpg"), "bo");
      else clearInterval(writing);
    }, 20);
    // Twenty times the writer's pause: a busy machine makes that longer.
    await watchUntil(written(1), { settleMs: 400 });
    expect(linesOf(log).map(({ class: name }) => name)).toEqual(["bobobobobobo"]);
  });

  it("goes on after a restart without doing a photo twice, and does one again that has changed", async () => {
    for (let i = 0; i < 5; i++) writeFileSync(at(`${i}.jpg`), `c${i}`);
    expect(await watchUntil(written(5))).toBe(5);
    writeFileSync(at("new.jpg"), "new");
    writeFileSync(at("0.jpg"), "changed");
    expect(await watchUntil(written(7))).toBe(2);
    expect(await watchUntil(() => false, { settleMs: 20 })).toBe(0);
    const last = new Map(linesOf(log).map(({ photo, class: name }) => [photo, name]));
    expect(last.get(at("0.jpg"))).toBe("changed");
    expect(linesOf(log)).toHaveLength(7);
  }, 15_000);

  it("removes a line that was cut off, and does that photo again", async () => {
    writeFileSync(at("a.jpg"), "a");
    writeFileSync(at("b.jpg"), "b");
    await watchUntil(written(2));
    const whole = readFileSync(log, "utf8");
    writeFileSync(log, whole.slice(0, -20)); // as kill -9 or a full disk may leave it
    expect(await watchUntil(written(2))).toBe(1);
    expect(linesOf(log).map(({ class: name }) => name)).toEqual(["a", "b"]);
  });

  it("judges what was moved there whole, once", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "penumbra-watch-"));
    writeFileSync(join(elsewhere, "x.jpg"), "x");
    setTimeout(() => renameSync(join(elsewhere, "x.jpg"), at("x.jpg")), 100);
    expect(await watchUntil(written(1))).toBe(1);
    rmSync(elsewhere, { recursive: true });
  });

  it("judges what arrives together at once", async () => {
    for (let i = 0; i < 7; i++) writeFileSync(at(`${i}.jpg`), `c${i}`);
    const batches: number[] = [];
    const counting: WatchOptions["judge"] = (objects) => {
      batches.push(objects.length);
      return judge(objects);
    };
    await watchUntil(written(7), { judge: counting, atOnce: 5 });
    expect(batches).toEqual([5, 2]);
  });

  it("takes the photos of a folder for views of one object, and judges it again when one is added", async () => {
    mkdirSync(at("nut"));
    writeFileSync(at("nut/1.jpg"), "nut");
    writeFileSync(at("nut/2.jpg"), "bad");
    writeFileSync(at("nut/3.jpg"), "nut");
    mkdirSync(at("gone"));
    writeFileSync(at("gone/1.jpg"), "bad");
    await watchUntil(written(2), { views: true });
    writeFileSync(at("nut/4.jpg"), "nut");
    expect(await watchUntil(written(3), { views: true })).toBe(1);
    expect(
      linesOf(log)
        .map(({ photo, class: name, error, ...rest }) => ({
          photo,
          name,
          error,
          ...("views" in rest && { views: rest.views }),
        }))
        .sort((a, b) => (a.photo < b.photo ? -1 : 1)),
    ).toEqual([
      { photo: at("gone"), error: "it is damaged" },
      { photo: at("nut"), name: "nut", views: 2, error: "2.jpg: it is damaged" },
      { photo: at("nut"), name: "nut", views: 3, error: "2.jpg: it is damaged" },
    ]);
  });

  it("is refused where it is none, and where the log is of something else", async () => {
    const options = { judge, log, signal: new AbortController().signal };
    await expect(watchPhotos(at("nowhere"), options)).rejects.toThrow(
      /There is no folder ".*nowhere" to watch/,
    );
    writeFileSync(log, '{"x":1}\n');
    await expect(watchPhotos(folder, options)).rejects.toThrow(/verdicts\.jsonl:1 is no line of a watch/);
  });
});

it("an unknown object that comes twice is kept once, with all its views", async () => {
  const views = [Buffer.from("one"), Buffer.from("two")];
  await keepUnknown(at("kept"), views);
  await keepUnknown(at("kept"), views);
  await keepUnknown(at("kept"), [...views].reverse());
  const folders = readdirSync(at("kept"));
  expect(folders).toHaveLength(2);
  for (const name of folders) expect(readdirSync(at(`kept/${name}`))).toHaveLength(2);
});
