import { spawn } from "node:child_process";
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadClassifier } from "../../src/deploy/index.ts";
import { makeTinyStudy, tinySettings } from "../study/tiny-study.ts";

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
let folder = "";

beforeAll(async () => {
  folder = await makeTinyStudy(
    { ...tinySettings, detectors: ["knn", "msp"] },
    { known: 2, near: 2, far: 1, views: 2 },
  );
  const { code, out } = await penumbra(["train", "study.yaml"]);
  expect(out).toMatch(/Next: penumbra predict models\/tiny/);
  expect(code).toBe(0);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function penumbra(args: string[], input = ""): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const texts = { out: "", err: "" };
    child.stdout.on("data", (text) => (texts.out += text));
    child.stderr.on("data", (text) => (texts.err += text));
    child.on("close", (code) => resolve({ code, ...texts }));
    child.stdin.end(input);
  });
}

describe("penumbra predict", () => {
  it("prints a line a photo, goes on after one that cannot be read, and ends with 2", async () => {
    await writeFile(join(folder, "broken.png"), "nothing");
    const { code, out } = await penumbra(["predict", "models/tiny", "broken.png", "photos/known/part-0"]);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(11); // five objects of two views, and the broken one
    expect(lines[0]).toMatch(/^broken\.png: cannot be read: /);
    expect(lines[1]).toMatch(/^photos\/known\/part-0\/0\/0\.png: (part-\d|unknown) /);
    expect(code).toBe(2);
  });

  it("takes the photos of a folder as views, and paths from standard input, as JSON", async () => {
    const { code, out } = await penumbra(
      ["predict", "models/tiny", "-", "--views", "--json"],
      "photos/known/part-1\nphotos/far/far-0/0\n",
    );
    expect(code).toBe(0);
    const records = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ object, views }) => [object, views])).toEqual([
      ...[0, 1, 2, 3, 4].map((object) => [`photos/known/part-1/${object}`, 2]),
      ["photos/far/far-0/0", 2],
    ]);
    for (const { verdict, class: className, pValue, unknownScore, classes } of records) {
      expect(["unknown", className]).toContain(verdict);
      expect(unknownScore).toBe(1 - pValue);
      expect(classes).toHaveLength(2);
    }
  });

  it("asks the detector that is named, and names those that there are where it is none of them", async () => {
    const photo = "photos/known/part-0/0/0.png";
    for (const detector of ["knn", "msp"]) {
      const { out } = await penumbra(["predict", "models/tiny", photo, "--json", "--detector", detector]);
      using wanted = loadClassifier(join(folder, "models", "tiny"), { detector });
      const [verdict] = await wanted.predict([join(folder, photo)]);
      expect(JSON.parse(out)).toMatchObject({ pValue: verdict!.pValue });
    }
    const { code, err } = await penumbra(["predict", "models/tiny", photo, "--detector", "vim"]);
    expect(err).toMatch(/has no detector "vim"\. It has (knn, msp|msp, knn);/);
    expect(code).toBe(1);
  });

  it("writes CSV that quotes what must be quoted, and sorts copies into folders without losing one", async () => {
    const odd = join(folder, 'odd, "name".png');
    await copyFile(join(folder, "photos/known/part-0/0/0.png"), odd);
    const args = ["predict", "models/tiny", 'odd, "name".png', "photos/known/part-0", "photos/known/part-1"];
    const { out } = await penumbra([...args, "--csv", "--copy-to", "sorted"]);
    const lines = out.trimEnd().split("\r\n");
    expect(lines[0]).toBe("object,verdict,class,confidence,unknownScore,pValue,views,error");
    expect(lines[1]).toMatch(/^"odd, ""name""\.png",/);
    expect(lines).toHaveLength(22);
    const copies = async () => {
      const sorted = await readdir(join(folder, "sorted"), { recursive: true });
      return sorted.filter((name) => name.endsWith(".png")).sort();
    };
    const first = await copies();
    expect(first).toHaveLength(21);
    await penumbra([...args, "--copy-to", "sorted"]);
    expect(await copies()).toEqual(first); // what lies there already is not copied again
  });

  it("ends with 3 for an unknown where that is asked for, and with 1 where nothing can be done", async () => {
    const known = await penumbra(["predict", "models/tiny", "photos/known/part-0", "--json"]);
    const isUnknown = known.out.includes('"verdict":"unknown"');
    const asked = await penumbra(["predict", "models/tiny", "photos/known/part-0", "--fail-on-unknown"]);
    expect(asked.code).toBe(isUnknown ? 3 : 0);
    const none = await penumbra(["predict", "models/none", "photos"]);
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/is no classifier.*penumbra train/s);
  });
});

describe("penumbra predict --explain and --watch", () => {
  it("write what a verdict rests on as a page with its pictures", async () => {
    const { code } = await penumbra([
      "predict",
      "models/tiny",
      "photos/known/part-0/0",
      "--views",
      "--explain",
      "why",
    ]);
    expect(code).toBe(0);
    const page = await readFile(join(folder, "why/index.html"), "utf8");
    const images = [...page.matchAll(/src="([^"]+)"/g)].map(([, path]) => path!);
    expect(images.length).toBeGreaterThanOrEqual(2 * 2 + 4); // two views with their maps, training photos
    const written = await readdir(join(folder, "why"), { recursive: true });
    for (const image of images) expect(written).toContain(image);
  });

  it("judge what lies in a folder until they are told to end, and refuse what does not go together", async () => {
    const child = spawn(
      process.execPath,
      [bin, "predict", "models/tiny", "photos/near", "--watch", "--log", "log.jsonl"],
      {
        cwd: folder,
        env: { ...process.env, NODE_OPTIONS: "" },
      },
    );
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    let out = "";
    await new Promise<void>((resolve) =>
      child.stdout.on("data", (text) => {
        out += text;
        if (out.split("\n").length > 20) resolve(); // two classes of five objects of two views
      }),
    );
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(await readFile(join(folder, "log.jsonl"), "utf8")).toBe(out);
    expect((await penumbra(["predict", "models/tiny", "photos", "--watch", "--csv"])).err).toMatch(
      /--watch does not go with --csv/,
    );
  });
});

describe("penumbra evaluate", () => {
  it("refuses photos that the classifier was made with, and marks them where it is told to go on", async () => {
    const refused = await penumbra(["evaluate", "models/tiny", "photos"]);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/was made with \d+ of the 50 photos in photos, such as known\/part-0/);
    const anyway = ["evaluate", "models/tiny", "photos", "--anyway", "--json", "--html", "page.html"];
    const { code, out } = await penumbra(anyway);
    expect(code).toBe(0);
    const { seen, photo, object } = JSON.parse(out);
    expect(seen.same).toBe(40); // all but the far class
    expect(await readFile(join(folder, "page.html"), "utf8")).toMatch(/40 are ones that it was made with/);
    expect([photo.objects, object.objects]).toEqual([50, 25]);
    expect(photo.unknowns.map((line: { className: string | null }) => line.className)).toEqual([
      ...[null, "near-0", "near-1", null, "far-0"],
    ]);
  });
});

describe("penumbra serve", () => {
  it("answers wherever it is started, logs every request, and ends when it is told to", async () => {
    const child = spawn(process.execPath, [bin, "serve", "models/tiny", "--port", "0"], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    let out = "";
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (text) => {
        out += text;
        const found = /"event":"listening","url":"([^"]+)"/.exec(out);
        if (found) resolve(found[1]!);
      });
      child.stderr.on("data", (text) => reject(new Error(String(text))));
    });
    const body = new Uint8Array(await readFile(join(folder, "photos/known/part-0/0/0.png")));
    const headers = { "content-type": "image/png" };
    const answer = await fetch(`${url}/predict`, { method: "POST", body, headers });
    expect(answer.status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(out).toMatch(/"event":"request".*"path":"\/predict","status":200/);
  });
});
