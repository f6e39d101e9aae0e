import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Classifier,
  loadClassifier,
  type PhotoSource,
  predictEach,
  readClassifierInfo,
  readUsedPhotos,
  type Verdict,
} from "../../../src/deploy/index.ts";
import { lookLike } from "../../data/folder.ts";
import { CLASSES, noise, photo, writeClassifier } from "../tiny-classifier.ts";

let folder = "";
let classifier: Classifier;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "penumbra-classifier-"));
  await writeClassifier(folder);
  classifier = loadClassifier(folder);
});
afterAll(() => {
  classifier.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe("a classifier", () => {
  it("names the class, how surely, and what else it could be", async () => {
    const [verdict] = (await classifier.predict([await photo(1, 900)])) as [Verdict];
    expect(verdict.className).toBe("light");
    expect(verdict.classes.map(({ className }) => className).sort()).toEqual(CLASSES);
    const sum = verdict.classes.reduce((total, { probability }) => total + probability, 0);
    expect(sum).toBeCloseTo(1, 12);
    expect(verdict.classes[0]).toEqual({ className: "light", probability: verdict.confidence });
    expect(verdict.unknownScore).toBe(1 - verdict.pValue);
  });

  it("calls unknown what its p-value says, and tells which class it resembles", async () => {
    const [verdict] = (await classifier.predict([await noise()])) as [Verdict];
    expect(verdict.isUnknown).toBe(true);
    expect(verdict.pValue).toBeCloseTo(1 / 13, 12); // 12 calibration objects
    expect(CLASSES).toContain(verdict.className);
  });

  it("judges several views by the mean of their features, whatever else is in the batch", async () => {
    const views = await Promise.all([photo(0, 901), photo(0, 902), photo(0, 903)]);
    const others = await Promise.all([photo(1, 904), photo(2, 905)]);
    const [alone] = (await classifier.predict([views])) as [Verdict];
    const [first, together] = (await classifier.predict([others[0]!, views, others[1]!])) as Verdict[];
    expect(first!.views).toBe(1);
    expect(together!.views).toBe(3);
    expect(together!.score / alone.score).toBeCloseTo(1, 4);
    expect(together!.isUnknown).toBe(alone.isUnknown);
    const singles = await classifier.predict(views);
    const scores = singles.map(({ score }) => score);
    expect(alone.score).toBeGreaterThan(Math.min(...scores)); // a mean lies nearer to its class than its worst view
  });

  it("does not depend on the order of views and objects", async () => {
    const photos = await Promise.all([photo(0, 911), photo(1, 912), photo(2, 913), photo(1, 914)]);
    const verdicts = await classifier.predict(photos);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), async (order) => {
        const permuted = await classifier.predict(order.map((index) => photos[index]!));
        for (const [at, index] of order.entries()) {
          expect(permuted[at]!.className).toBe(verdicts[index]!.className);
          expect(permuted[at]!.pValue).toBe(verdicts[index]!.pValue);
          expect(permuted[at]!.score / verdicts[index]!.score).toBeCloseTo(1, 4); // fp32 rounds by batch
        }
      }),
      { numRuns: 6 },
    );
  });

  it("keeps no tensor of what it has judged", async () => {
    const one = await photo(0, 920);
    await classifier.predict([one]);
    const before = torch.memory().tensors;
    for (let i = 0; i < 20; i++) await classifier.predict([one, [one, one]]);
    await classifier.predict([]);
    // Less where what the fixture left was collected meanwhile.
    expect(torch.memory().tensors).toBeLessThanOrEqual(before);
  });

  it("refuses photos that cannot be read and objects without a photo", async () => {
    await expect(classifier.predict([new Uint8Array([1, 2, 3])])).rejects.toThrow(/Cannot read the image/);
    await expect(classifier.predict([[]])).rejects.toThrow(/at least one photo/);
  });
});

describe("a classifier on the disk", () => {
  it("judges the same to the bit after it was saved and loaded, and gives everything back", async () => {
    const photos = await Promise.all([photo(0, 930), photo(1, 931), noise()]);
    const before = torch.memory().tensors;
    const again = loadClassifier(folder);
    expect(await again.predict(photos)).toEqual(await classifier.predict(photos));
    again.dispose();
    expect(torch.memory().tensors).toBeLessThanOrEqual(before);
    expect(again.classes).toEqual(CLASSES);
  });

  it("keeps every fitted detector, each with p-values of its own, and takes the chosen one where none is named", async () => {
    const photos = await Promise.all([photo(0, 930), photo(1, 931), noise()]);
    expect(readClassifierInfo(folder).detectors).toEqual(["mahalanobis", "knn"]);
    using other = loadClassifier(folder, { detector: "knn" });
    expect([classifier.detector, other.detector]).toEqual(["mahalanobis", "knn"]);
    const copy = mkdtempSync(join(tmpdir(), "penumbra-classifier-knn-"));
    await writeClassifier(copy, undefined, ["knn"]);
    using wanted = loadClassifier(copy);
    const verdicts = await other.predict(photos);
    expect(verdicts).toEqual(await wanted.predict(photos));
    expect(verdicts.map(({ score }) => score)).not.toEqual(
      (await classifier.predict(photos)).map(({ score }) => score),
    );
    expect(() => loadClassifier(folder, { detector: "vim" })).toThrow(
      /has no detector "vim"\. It has mahalanobis, knn; .*study\.yaml/,
    );
    rmSync(copy, { recursive: true });
  });

  it("tells which photos it was made with", async () => {
    expect(await readUsedPhotos(folder)).toEqual([
      { id: "a.png", object: "dark/a", className: "dark", hash: "00", look: lookLike("a"), use: "train" },
    ]);
  });

  it.each([
    ["classifier.json", /is no classifier/],
    ["probe.safetensors", /probe\.safetensors/],
    ["detectors/mahalanobis.safetensors", /mahalanobis\.safetensors/],
    ["calibration.safetensors", /calibration\.safetensors/],
  ])("is refused without %s, which is named", async (file, message) => {
    const copy = await copied();
    rmSync(join(copy, file));
    expect(() => loadClassifier(copy)).toThrow(message);
    rmSync(copy, { recursive: true });
  });

  it("is refused when a file is cut off or of another version", async () => {
    const copy = await copied();
    const path = join(copy, "classifier.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.slice(0, 50));
    expect(() => loadClassifier(copy)).toThrow(/classifier\.json is damaged/);
    writeFileSync(path, text.replace('"format": 2', '"format": 99'));
    expect(() => loadClassifier(copy)).toThrow(/another version or damaged\. format/);
    rmSync(copy, { recursive: true });
  });
});

describe("predicting one after the other", () => {
  it("tells photos that cannot be read with their reason and goes on", async () => {
    const good = await photo(2, 940);
    const objects = [
      { name: "good", photos: [good] as PhotoSource[] },
      { name: "bad", photos: [new Uint8Array(0)] },
      { name: "half", photos: [good, new Uint8Array([1])] },
      { name: "missing", photos: [join(folder, "nothing.png")] },
    ];
    const found = [];
    for await (const judged of predictEach(classifier, objects, { batchSize: 2 })) found.push(judged);
    expect(found.map(({ object }) => object.name)).toEqual(["good", "bad", "half", "missing"]);
    expect(found.map(({ verdict }) => verdict?.views)).toEqual([1, undefined, 1, undefined]);
    expect(found.map(({ unreadable }) => unreadable.map((item) => item.photo))).toEqual([[], [0], [1], [0]]);
    expect(found[3]!.unreadable[0]!.reason).toMatch(/ENOENT/);
  });

  it("gives the verdicts of a single batch, whatever the size of its batches", async () => {
    const photos = await Promise.all(Array.from({ length: 7 }, (_, i) => photo(i % 3, 950 + i)));
    const whole = await classifier.predict(photos);
    const objects = photos.map((source, i) => ({ name: String(i), photos: [source] }));
    for (const batchSize of [1, 3, 64]) {
      const verdicts: (Verdict | null)[] = [];
      for await (const { verdict } of predictEach(classifier, objects, { batchSize })) verdicts.push(verdict);
      expect(verdicts.map((verdict) => verdict?.className)).toEqual(whole.map(({ className }) => className));
      for (const [i, verdict] of verdicts.entries())
        expect(verdict!.score / whole[i]!.score).toBeCloseTo(1, 4);
    }
  });

  it("can be left early", async () => {
    const objects = Array.from({ length: 9 }, () => ({ name: "bad", photos: [new Uint8Array(0)] }));
    for await (const { verdict } of predictEach(classifier, objects, { batchSize: 1 })) {
      expect(verdict).toBeNull();
      break;
    }
  });
});

async function copied(): Promise<string> {
  const { cp } = await import("node:fs/promises");
  const copy = mkdtempSync(join(tmpdir(), "penumbra-classifier-copy-"));
  await cp(folder, copy, { recursive: true });
  return copy;
}
