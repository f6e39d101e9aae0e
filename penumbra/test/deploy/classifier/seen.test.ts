import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanPhotos } from "../../../src/data/index.ts";
import {
  Classifier,
  evaluateClassifier,
  evaluationReport,
  loadClassifier,
  type PhotoSource,
  seenPhotos,
} from "../../../src/deploy/index.ts";
import { renderEvaluation } from "../../../src/report/index.ts";
import { photoBytes } from "../../data/folder.ts";
import { CLASSES, noise, photo, writeClassifier } from "../tiny-classifier.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-evaluate-"));
  await mkdir(join(folder, "model"));
  await writeClassifier(join(folder, "model"));
  for (const [label, name] of CLASSES.entries())
    for (let object = 0; object < 3; object++)
      for (let view = 0; view < 2; view++)
        await write(
          `known/${name}/${object}/${view}.png`,
          await photo(label, 1000 + 100 * label + 10 * object + view),
        );
  await write("near/<odd>/0/0.png", await noise());
  await write("known/dark/0/broken.png", Buffer.from("nothing"));
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(join(folder, "photos", path)), { recursive: true });
  await writeFile(join(folder, "photos", path), bytes);
}

/** Counts how many photos are decoded. */
class CountingClassifier extends Classifier {
  decoded = 0;
  override decodePhoto(source: PhotoSource): Promise<Uint8Array> {
    this.decoded++;
    return super.decodePhoto(source);
  }
}

describe("an evaluation", () => {
  it("decodes every photo once, for its own verdict and its object's, which are those of predict", async () => {
    const loaded = loadClassifier(join(folder, "model"));
    const classifier = new CountingClassifier(loaded.parts);
    const manifest = await scanPhotos(join(folder, "photos"));
    expect(manifest.photos).toHaveLength(19);
    const {
      photo: single,
      object,
      photos,
    } = await evaluateClassifier(classifier, manifest, { batchSize: 5 });
    expect(classifier.decoded).toBe(19);
    expect([single.objects, object?.objects]).toEqual([19, 10]);
    const paths = photos.map(({ photo: { id } }) => join(manifest.root, id));
    const verdicts = await loaded.predict(paths);
    for (const [i, verdict] of verdicts.entries()) {
      expect(photos[i]!.verdict.className).toBe(verdict.className);
      // Batches of another size round otherwise.
      expect(photos[i]!.verdict.score).toBeCloseTo(verdict.score, 2);
    }
    const pairs = CLASSES.flatMap((name) =>
      [0, 1, 2].map((at) => [0, 1].map((view) => join(manifest.root, `known/${name}/${at}/${view}.png`))),
    );
    const together = await loaded.predict(pairs);
    const right = together.filter(({ className }, i) => className === CLASSES[Math.floor(i / 3)]).length;
    expect(object?.known.accuracy).toBeCloseTo(right / 9, 12);
    expect(object?.known.flagged.count).toBe(together.filter(({ isUnknown }) => isUnknown).length);
    expect(object?.roc.near?.at(-1)).toMatchObject({ y: 1 });
    expect(object?.roc.far).toBeNull();
    classifier.dispose();
  });

  it("has a page of its own, which loads nothing, escapes names and shows the worst mistakes", async () => {
    const classifier = loadClassifier(join(folder, "model"));
    const manifest = await scanPhotos(join(folder, "photos"));
    const evaluated = await evaluateClassifier(classifier, manifest);
    const about = { place: "photos", createdAt: "now", penumbra: "0", seen: { same: 2, similar: 1 } };
    const report = await evaluationReport(classifier, manifest, evaluated, about);
    const page = renderEvaluation(report);
    for (const id of ["answer", "figures", "classes", "unknowns", "curves", "mistakes"])
      expect(page).toContain(`id="${id}"`);
    expect(page).toContain("&lt;odd&gt;");
    expect(page).not.toContain("<odd>");
    expect(page).not.toMatch(/(src|href)="https?:/);
    expect(page).toMatch(/2 are ones that it was made with and 1 look almost the same/);
    expect(page).not.toMatch(/[>",]NaN/);
    for (const { image } of report.mistakes) expect(image).toMatch(/^data:image\/webp;base64,/);
    classifier.dispose();
  });
});

describe("photos that a classifier was made with", () => {
  it("are known by their bytes under any name, and by their look in any format and size; others are not", async () => {
    const lively = async (seed: string) =>
      sharp(await photoBytes(seed))
        .resize(64, 64)
        .png()
        .toBuffer();
    const root = join(folder, "seen");
    await mkdir(join(root, "a"), { recursive: true });
    await writeFile(join(root, "a/one.png"), await lively("one"));
    const { photos } = await scanPhotos(root);
    const used = photos.map(({ id, object, className, hash, look }) => ({
      ...{ id, object, className, hash, look, use: "train" as const },
    }));
    const other = join(folder, "other");
    await mkdir(join(other, "b"), { recursive: true });
    await writeFile(join(other, "b/renamed.png"), await lively("one"));
    await writeFile(join(other, "b/new.png"), await lively("two"));
    const copy = sharp(await lively("one"))
      .resize(48, 48)
      .jpeg({ quality: 85 });
    await writeFile(join(other, "b/smaller.jpg"), await copy.toBuffer());
    const seen = seenPhotos((await scanPhotos(other)).photos, used);
    expect(seen.map(({ photo: { id }, used: from, isSame }) => [id, from, isSame])).toEqual([
      ["b/renamed.png", "a/one.png", true],
      ["b/smaller.jpg", "a/one.png", false],
    ]);
  });
});
