import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { INPUT } from "../../../src/deploy/export/classifier-graph.ts";
import { readModelPhoto } from "../../../src/deploy/export/model-photos.ts";
import { loadModel } from "../../../src/deploy/export/onnx-runtime.ts";
import { judgeExported, verifyExport } from "../../../src/deploy/export/verify.ts";
import { type Classifier, exportOnnx, loadClassifier, readUsedPhotos } from "../../../src/deploy/index.ts";
import { CLASSES, noise, photo, writeClassifier } from "../tiny-classifier.ts";

let root = "";
let folder = "";
let photos = "";
let classifier: Classifier;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "penumbra-export-"));
  [folder, photos] = [join(root, "shades"), join(root, "photos")];
  await writeClassifier(folder, photos);
  classifier = loadClassifier(folder);
});
afterAll(() => {
  classifier.dispose();
  rmSync(root, { recursive: true, force: true });
});

describe("an exported classifier", () => {
  it("says what the classifier says, of photos of any size, one by one and together", async () => {
    const out = join(root, "fp32.onnx");
    const exported = await exportOnnx(folder, { out });
    expect(exported.bytes).toBe(readFileSync(out).length);
    expect(exported.verification.photos).toBe(12);
    expect(exported.verification.pixels).toEqual({ equal: 12, largest: 0 });
    expect(exported.verification.largestDifference).toBeLessThan(1e-4);
    expect(exported.verification.files.equal).toBe(12);

    const model = await loadModel(out);
    const small = await Promise.all([photo(0, 900), photo(1, 901), photo(2, 902), noise(), noise(8)]);
    const large = await Promise.all(small.map((file) => sharp(file).resize(70, 45).png().toBuffer()));
    for (const files of [small, large]) {
      const raws = await Promise.all(
        files.map((file) => sharp(file).raw().toBuffer({ resolveWithObject: true })),
      );
      const { width, height } = raws[0]!.info;
      const data = Uint8Array.from(Buffer.concat(raws.map((raw) => raw.data)));
      const dims = [files.length, height, width, 3];
      const told = await judgeExported(model, { type: "uint8", dims, data }, CLASSES);
      const wanted = await classifier.predict(files);
      for (const [i, verdict] of wanted.entries()) {
        expect(told[i]).toMatchObject({ className: verdict.className, isUnknown: verdict.isUnknown });
        expect(told[i]!.confidence).toBeCloseTo(verdict.confidence, 4);
        expect(told[i]!.unknownScore).toBeCloseTo(verdict.unknownScore, 4);
      }
      if (files === small) expect(wanted.map(({ isUnknown }) => isUnknown)).toContain(true);
    }
    const { logits, features } = await model.run({
      [INPUT]: { type: "uint8", dims: [1, 16, 16, 3], data: new Uint8Array(3 * 16 * 16) },
    });
    expect([logits!.dims, features!.dims]).toEqual([
      [1, 3],
      [1, 64],
    ]);
    await model.release();
  });

  it.each(["fp16", "int8"] as const)(
    "in %s is smaller, calibrated anew, and tells what it lost",
    async (precision) => {
      const out = join(root, `${precision}.onnx`);
      const exported = await exportOnnx(folder, { out, precision });
      expect(exported.bytes).toBeLessThan(0.7 * readFileSync(join(root, "fp32.onnx")).length);
      expect(exported.verification.largestDifference).toBeLessThan(1e-4);
      const { before, after } = exported.quality!;
      expect(before.accuracy).toBe(1);
      expect(after.accuracy).toBeGreaterThan(0.9);
      expect(before.auroc).toBeGreaterThan(0.9);
      expect(after.auroc).toBeGreaterThan(0.9);
    },
  );

  it("carries its classes, its card and what it decides by", async () => {
    writeFileSync(join(folder, "README.md"), "# shades\nä");
    const out = join(root, "card.onnx");
    await exportOnnx(folder, { out });
    const text = readFileSync(out, "utf8");
    expect(text).toContain(JSON.stringify(CLASSES));
    expect(text).toContain("# shades\nä");
    for (const key of ["threshold", "temperature", "level", "mahalanobis"]) expect(text).toContain(key);
  });
});

describe("an export", () => {
  it("writes nothing and leaves what is there where a photo is missing or another one", async () => {
    const out = join(root, "kept.onnx");
    writeFileSync(out, "old");
    await expect(exportOnnx(folder, { out, photos: join(root, "nowhere") })).rejects.toThrow(
      /calibration-0.png is not in .*nowhere \(ENOENT\). Say where the photos lie: --photos FOLDER/,
    );
    const changed = join(photos, "calibration-3.png");
    const bytes = readFileSync(changed);
    writeFileSync(changed, await photo(0, 1));
    await expect(exportOnnx(folder, { out })).rejects.toThrow(/calibration-3.png .* bytes have changed/);
    writeFileSync(changed, bytes);
    expect(readFileSync(out, "utf8")).toBe("old");
    expect(readdirSync(root).filter((name) => name.includes(".partial"))).toEqual([]);
  });

  it("asks where the photos lie where the classifier does not say it", async () => {
    const other = join(root, "elsewhere");
    await writeClassifier(other);
    const out = join(root, "never.onnx");
    await expect(exportOnnx(other, { out })).rejects.toThrow(
      /does not say where its photos lay.*--photos FOLDER/,
    );
    expect(existsSync(out)).toBe(false);
  });

  it("is refused where the model says something else than the classifier", async () => {
    const file = join(root, "fp32.onnx");
    await exportOnnx(folder, { out: file });
    const used = (await readUsedPhotos(folder)).filter(({ use }) => use === "calibration");
    async function* reading() {
      for (const each of used) yield await readModelPhoto(photos, each);
    }
    // A judge that is a little less sure than the model.
    const wrong = (pixels: Parameters<Classifier["judge"]>[0]) => {
      const [verdict] = classifier.judge(pixels, [1]);
      return { ...verdict!, confidence: verdict!.confidence - 2e-4 };
    };
    await expect(verifyExport(readFileSync(file), classifier, reading(), wrong)).rejects.toThrow(
      /does not say what the classifier says. Of calibration-0.png .* 2.0e-4 apart, and 0.0001 is allowed. Nothing was written/s,
    );
  });
});
