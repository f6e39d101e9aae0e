import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  averageLinkage,
  type Classifier,
  clustersWithin,
  finishMove,
  type LabelGroup,
  loadClassifier,
  makeLabelApp,
  moveGroup,
} from "../../../src/deploy/index.ts";
import { photo, writeClassifier } from "../tiny-classifier.ts";

describe("average linkage", () => {
  /** Joins the two nearest clusters, all pairs compared anew each time. */
  function byDefinition(distances: readonly number[], n: number): { items: string; distance: number }[] {
    let clusters = Array.from({ length: n }, (_, i) => [i]);
    const merges: { items: string; distance: number }[] = [];
    while (clusters.length > 1) {
      let best = { a: 0, b: 1, distance: Number.POSITIVE_INFINITY };
      for (let a = 0; a < clusters.length; a++)
        for (let b = a + 1; b < clusters.length; b++) {
          const pairs = clusters[a]!.flatMap((x) => clusters[b]!.map((y) => distances[x * n + y]!));
          const distance = pairs.reduce((sum, value) => sum + value, 0) / pairs.length;
          if (distance < best.distance) best = { a, b, distance };
        }
      const joined = [...clusters[best.a]!, ...clusters[best.b]!].sort((x, y) => x - y);
      clusters = [...clusters.filter((_, i) => i !== best.a && i !== best.b), joined];
      merges.push({ items: joined.join(), distance: best.distance });
    }
    return merges;
  }

  /** Symmetric distances that are all different, so that no tie leaves a choice. */
  const distancesOf = (n: number) =>
    fc
      .shuffledSubarray(
        Array.from({ length: (n * (n - 1)) / 2 }, (_, i) => i + 1),
        { minLength: (n * (n - 1)) / 2 },
      )
      .map((order) => {
        const distances = Array<number>(n * n).fill(0);
        let next = 0;
        for (let a = 0; a < n; a++)
          for (let b = a + 1; b < n; b++) {
            distances[a * n + b] = distances[b * n + a] = order[next++]! + 0.01 * Math.sin(17 * a + b);
          }
        return distances;
      });

  it("makes the merges of its definition", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }).chain((n) => distancesOf(n).map((distances) => ({ n, distances }))),
        ({ n, distances }) => {
          const merges = averageLinkage(Float64Array.from(distances), n);
          const expected = byDefinition(distances, n);
          const contents = Array.from({ length: n }, (_, i) => [i]);
          for (const [i, { first, second, distance }] of merges.entries()) {
            const items = [...contents[first]!, ...contents[second]!].sort((x, y) => x - y);
            contents.push(items);
            expect(items.join()).toBe(expected[i]!.items);
            expect(distance).toBeCloseTo(expected[i]!.distance, 9);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("has the heights of scipy's linkage", () => {
    // scipy.cluster.hierarchy.linkage(pdist([[0,0],[1,0],[5,0],[5.5,1],[10,3]]), "average")[:, 2]
    const points = [
      [0, 0],
      [1, 0],
      [5, 0],
      [5.5, 1],
      [10, 3],
    ];
    const distances = points.flatMap((p) => points.map((q) => Math.hypot(p[0]! - q[0]!, p[1]! - q[1]!)));
    const heights = averageLinkage(Float64Array.from(distances), 5).map(({ distance }) => distance);
    for (const [i, height] of [1.0, 1.118033988749895, 4.7999855430989795, 7.67063007128976].entries())
      expect(heights[i]).toBeCloseTo(height, 12);
  });

  it("cut at a distance gives every item to one cluster: alone at 0, all together at infinity", () => {
    const merges = averageLinkage(Float64Array.from([0, 1, 5, 1, 0, 4, 5, 4, 0]), 3);
    expect(clustersWithin(merges, 3, 0)).toEqual([[0], [1], [2]]);
    expect(clustersWithin(merges, 3, 2)).toEqual([[0, 1], [2]]);
    expect(clustersWithin(merges, 3, 100)).toEqual([[0, 1, 2]]);
    expect(averageLinkage(new Float64Array(1), 1)).toEqual([]);
  });
});

let folder = "";
const at = (...path: string[]) => join(folder, ...path);

describe("a group of unknowns", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "penumbra-move-"));
    for (const name of ["a", "b", "c"]) {
      mkdirSync(at("unknown", name), { recursive: true });
      for (const view of ["0.png", "1.png"]) writeFileSync(at("unknown", name, view), name + view);
    }
    writeFileSync(at("unknown", "single.png"), "single");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const tree = (path: string) => readdirSync(path, { recursive: true }).map(String).sort();

  it("moves into the folder of its class with all views; a single photo becomes an object of its own", async () => {
    expect(await moveGroup(at("unknown"), ["a", "single.png"], at("photos"), "bolt")).toBe(at("photos/bolt"));
    expect(tree(at("photos"))).toEqual([
      "bolt",
      "bolt/a",
      "bolt/a/0.png",
      "bolt/a/1.png",
      "bolt/single",
      "bolt/single/single.png",
    ]);
    expect(tree(at("unknown"))).toEqual(["b", "b/0.png", "b/1.png", "c", "c/0.png", "c/1.png"]);
    await moveGroup(at("unknown"), ["b"], at("photos"), "bolt");
    expect(readdirSync(at("photos/bolt")).sort()).toEqual(["a", "b", "single"]);
  });

  it("takes no other object's name", async () => {
    mkdirSync(at("photos/bolt/a"), { recursive: true });
    writeFileSync(at("photos/bolt/a/kept.png"), "kept");
    await moveGroup(at("unknown"), ["a"], at("photos"), "bolt");
    expect(tree(at("photos/bolt"))).toEqual(["a", "a-2", "a-2/0.png", "a-2/1.png", "a/kept.png"]);
  });

  it("is finished after an end amid the move, at whatever step, and nothing is lost or doubled", async () => {
    const steps = ["a", "b", "c"].map((name) => ({
      from: at("unknown", name),
      to: at("photos/bolt", name),
      isFile: false,
    }));
    for (const done of [0, 1, 2, 3]) {
      rmSync(at("photos"), { recursive: true, force: true });
      for (const { from, to } of steps) if (!existsSync(from)) cpSync(to, from, { recursive: true });
      const backup = tree(at("unknown"));
      cpSync(at("unknown"), at("before"), { recursive: true });
      mkdirSync(at("photos/bolt"), { recursive: true });
      for (const { from, to } of steps.slice(0, done)) cpSync(from, to, { recursive: true });
      // Of the last one the copy was whole, and the old one had not gone yet.
      for (const { from } of steps.slice(0, Math.max(0, done - 1))) rmSync(from, { recursive: true });
      // Of the next one only a part was copied.
      if (steps[done])
        cpSync(join(steps[done].from, "0.png"), at("photos/bolt", `.${"abc"[done]}.partial`, "0.png"));
      writeFileSync(at("unknown/.labelling.json"), JSON.stringify(steps));
      expect(await finishMove(at("unknown"))).toBe(3);
      expect(tree(at("photos/bolt"))).toEqual([
        "a",
        "a/0.png",
        "a/1.png",
        "b",
        "b/0.png",
        "b/1.png",
        "c",
        "c/0.png",
        "c/1.png",
      ]);
      expect(tree(at("unknown"))).toEqual(["single.png"]);
      expect(await finishMove(at("unknown"))).toBe(0);
      cpSync(at("before"), at("unknown"), { recursive: true });
      expect(tree(at("unknown"))).toEqual(backup);
    }
  });

  it("stays where it is when a step fails", async () => {
    const before = tree(at("unknown"));
    mkdirSync(at("photos/bolt"), { recursive: true });
    writeFileSync(at("photos/bolt/.b.partial"), "in the way, and gone"); // what an earlier end left is no obstacle
    await expect(moveGroup(at("unknown"), ["a", "missing"], at("photos"), "bolt")).rejects.toThrow(
      /no longer in/,
    );
    await expect(moveGroup(at("unknown"), ["../unknown"], at("photos"), "bolt")).rejects.toThrow(
      /is no object/,
    );
    expect(tree(at("unknown"))).toEqual(before);
  });

  it.each([
    ["", /needs a name/],
    ["a/b", /leave out/],
    ["..", /leave out/],
    ["unknown", /the verdict of objects/],
    ["BOLT", /there is "bolt" already/],
    [" nut", /spaces at its ends/],
  ])("cannot be called %j", async (name, message) => {
    mkdirSync(at("photos/bolt"), { recursive: true });
    await expect(moveGroup(at("unknown"), ["a"], at("photos"), name)).rejects.toThrow(message);
    expect(readdirSync(at("photos"))).toEqual(["bolt"]);
  });
});

describe("the page for naming", () => {
  let classifier: Classifier;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "penumbra-label-"));
    mkdirSync(at("model"));
    await writeClassifier(at("model"));
    classifier = loadClassifier(at("model"));
    for (let i = 0; i < 6; i++) {
      mkdirSync(at("unknown", `o${i}`), { recursive: true });
      for (let view = 0; view < 2; view++)
        writeFileSync(
          at("unknown", `o${i}`, `${view}.png`),
          await photo(i % 2 === 0 ? 2 : 1, 700 + 10 * i + view),
        );
    }
    writeFileSync(at("unknown", "o0", "broken.png"), "nothing");
  }, 60_000);
  afterAll(() => {
    classifier.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it("groups what looks alike, shows its pictures, and makes a class of what is named", async () => {
    const app = await makeLabelApp(classifier, { root: at("unknown"), into: at("photos") });
    const ask = (path: string, init?: RequestInit) =>
      app.request(`http://localhost${path}`, {
        ...init,
        headers: { host: "localhost:8081", ...init?.headers },
      });
    const groupsAt = async (distance?: number) => {
      const answer = await ask(`/groups${distance === undefined ? "" : `?distance=${distance}`}`);
      return (await answer.json()) as { groups: LabelGroup[]; usualDistance: number; classes: string[] };
    };
    const names = ({ groups }: { groups: LabelGroup[] }) =>
      groups.map(({ objects }) => objects.map(({ name }) => name).sort());
    expect(names(await groupsAt(1e9))).toHaveLength(1);
    expect(names(await groupsAt(0))).toHaveLength(6);
    const { usualDistance } = await groupsAt();
    expect(usualDistance).toBeGreaterThan(0);
    // Red and light parts: at some distance the groups are these two.
    const distances = Array.from({ length: 60 }, (_, i) => 2 ** (i / 3 - 16));
    const found = await Promise.all(distances.map(async (distance) => names(await groupsAt(distance))));
    expect(found).toContainEqual(
      expect.arrayContaining([
        ["o0", "o2", "o4"],
        ["o1", "o3", "o5"],
      ]),
    );

    const picture = await ask("/pictures/o0/1");
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/webp"]);
    expect((await ask("/pictures/..%2Fmodel/0")).status).toBe(404);

    const name = (body: object, headers: Record<string, string> = { "content-type": "application/json" }) =>
      ask("/name", { method: "POST", body: JSON.stringify(body), headers });
    expect((await name({ className: "new", objects: ["o0"] }, { "content-type": "text/plain" })).status).toBe(
      415,
    );
    expect((await name({ className: "a/b", objects: ["o0"] })).status).toBe(422);
    expect((await name({ objects: ["o0"] })).status).toBe(400);
    expect(await (await name({ className: "new", objects: ["o0", "o2", "o4"] })).json()).toMatchObject({
      moved: 3,
    });
    expect(readdirSync(at("photos/new")).sort()).toEqual(["o0", "o2", "o4"]);
    const after = await groupsAt(1e9);
    expect(names(after)).toEqual([["o1", "o3", "o5"]]);
    expect(after.classes).toEqual(["new"]);
    await ask("/refresh", { method: "POST" });
    expect(names(await groupsAt(1e9))).toEqual([["o1", "o3", "o5"]]);
    const foreign = await app.request("http://evil.example/groups", { headers: { host: "evil.example" } });
    expect(foreign.status).toBe(403);
  });
});
