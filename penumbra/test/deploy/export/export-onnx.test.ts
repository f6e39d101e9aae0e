import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { safetensors } from "@penumbra/torch";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { INPUT } from "../../../src/deploy/export/classifier-graph.ts";
import { readModelPhoto } from "../../../src/deploy/export/model-photos.ts";
import { loadModel } from "../../../src/deploy/export/onnx-runtime.ts";
import { judgeExported, verifyExport } from "../../../src/deploy/export/verify.ts";
import {
  type Classifier,
  exportOnnx,
  exportWebPage,
  judgeOnnx,
  loadClassifier,
  readMetadata,
  readUsedPhotos,
  type UsedPhoto,
} from "../../../src/deploy/index.ts";
import { CLASSES, noise, photo, writeClassifier } from "../tiny-classifier.ts";

/** Each calibration photo has the score of one of twelve objects: there a rounding moves p most (`verify.ts`). */
const STEEPEST = 5e-4;

let root = "";
let folder = "";
let photos = "";
/** Its twelve calibration photos are of three objects. */
let viewed = "";
let classifier: Classifier;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "penumbra-export-"));
  [folder, photos] = [join(root, "shades"), join(root, "photos")];
  await writeClassifier(folder, photos);
  classifier = loadClassifier(folder);
  viewed = join(root, "viewed");
  cpSync(folder, viewed, { recursive: true });
  const { tensors, metadata } = safetensors.read(join(viewed, "calibration.safetensors"));
  const objects = Array.from({ length: 12 }, (_, i) => `object-${i % 3}`);
  safetensors.write(join(viewed, "calibration.safetensors"), tensors, {
    ...(metadata as { labels: string }),
    objects: JSON.stringify(objects),
  });
  const used = readFileSync(join(viewed, "photos.jsonl"), "utf8").trim().split("\n");
  const renamed = used.map((line) => {
    const photo = JSON.parse(line) as UsedPhoto;
    const number = Number(/calibration-(\d+)/.exec(photo.id)?.[1]);
    return JSON.stringify(photo.use === "calibration" ? { ...photo, object: `object-${number % 3}` } : photo);
  });
  writeFileSync(join(viewed, "photos.jsonl"), `${renamed.join("\n")}\n`);
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
    expect(exported.verification.largestDifference).toBeLessThan(STEEPEST);
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

  it("says what the classifier says of an object by its views, as many as they are", async () => {
    const out = join(root, "views.onnx");
    const { verification } = await exportOnnx(viewed, { out, photos });
    expect(verification.objects).toBe(3);
    using wanted = loadClassifier(viewed);
    const all = await Promise.all([0, 0, 0, 0, 0, 0].map((label, i) => photo(label, 900 + i)));
    const strange = await Promise.all([noise(1), noise(2), noise(3)]);
    // One view to more than any calibration object has.
    // Views of several sizes: as a camera that is held upright and across takes them.
    const sizes = await Promise.all(
      [all[0], all[1], strange[0]].map((view, i) =>
        sharp(view)
          .resize(20 + 30 * i, 40)
          .png()
          .toBuffer(),
      ),
    );
    const objects = [all.slice(0, 1), all.slice(0, 2), all.slice(0, 4), all, strange, sizes];
    const files = objects.map((views, object) =>
      views.map((view, i) => {
        const file = join(root, `view-${object}-${i}.png`);
        writeFileSync(file, view);
        return file;
      }),
    );
    const told = await judgeOnnx(out, files);
    for (const [i, verdict] of (await wanted.predict(files)).entries()) {
      expect(told[i]).toMatchObject({ className: verdict.className, isUnknown: verdict.isUnknown });
      expect(told[i]!.confidence).toBeCloseTo(verdict.confidence, 4);
      expect(told[i]!.unknownScore).toBeCloseTo(verdict.unknownScore, 4);
    }
    const { temperaturesByViews } = readMetadata(readFileSync(out));
    expect(JSON.parse(temperaturesByViews!)).toEqual(
      [1, 2, 3, 4].map((n) => wanted.reference(n).temperature),
    );
  });

  it("says of a large JPEG what the classifier says of the file", async () => {
    const out = join(root, "fp32.onnx");
    const file = join(root, "large.jpg");
    await sharp(await photo(2, 930))
      .resize(4000, 3000, { kernel: "nearest" })
      .jpeg()
      .toFile(file);
    const [told] = await judgeOnnx(out, [file]);
    const [wanted] = await classifier.predict([file]);
    expect(told).toMatchObject({ className: wanted!.className, isUnknown: wanted!.isUnknown });
    expect(told!.confidence).toBeCloseTo(wanted!.confidence, 5);
    expect(told!.unknownScore).toBeCloseTo(wanted!.unknownScore, 5);
  });

  it.each(["fp16", "int8"] as const)(
    "in %s is smaller, calibrated anew, and tells what it lost",
    async (precision) => {
      const out = join(root, `${precision}.onnx`);
      const exported = await exportOnnx(folder, { out, precision });
      expect(exported.bytes).toBeLessThan(0.7 * readFileSync(join(root, "fp32.onnx")).length);
      expect(exported.verification.largestDifference).toBeLessThan(STEEPEST);
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
    const metadata = readMetadata(readFileSync(out));
    expect(JSON.parse(metadata.classes!)).toEqual(CLASSES);
    expect(metadata.card).toBe("# shades\nä");
    expect(metadata).toMatchObject({ level: "0.1", detector: "mahalanobis", precision: "fp32" });
    const { known, temperature } = classifier.reference(1);
    expect(Number(metadata.threshold)).toBe(known.threshold(0.1));
    expect(Number(metadata.temperature)).toBe(temperature);
    expect(() => readMetadata(readFileSync(out).subarray(0, 4000))).toThrow(
      /no ONNX model, or it was cut off/,
    );
  });

  it("says of files what the classifier says, without its folder", async () => {
    const out = join(root, "alone.onnx");
    await exportOnnx(folder, { out });
    const files = ["calibration-0.png", "near-12.png"].map((name) => join(photos, name));
    const wanted = await classifier.predict(files);
    for (const [i, told] of (await judgeOnnx(out, files)).entries())
      expect(told).toMatchObject({ className: wanted[i]!.className, isUnknown: wanted[i]!.isUnknown });
    await expect(judgeOnnx(join(photos, "near-12.png"), files)).rejects.toThrow(/no ONNX model/);
  });

  it("becomes a page of static files, whole or not at all", async () => {
    const out = join(root, "page");
    await exportWebPage(folder, { out });
    const files = ["index.html", "judge.mjs", "model.json", "model.onnx"];
    expect(readdirSync(out).sort()).toEqual(
      [...files, "ort-wasm-simd-threaded.wasm", "ort.wasm.bundle.min.mjs"].sort(),
    );
    const { temperaturesByViews, level } = readMetadata(readFileSync(join(out, "model.onnx")));
    expect(JSON.parse(readFileSync(join(out, "model.json"), "utf8"))).toEqual({
      ...{ name: "shades", classes: CLASSES, level: Number(level) },
      temperatures: JSON.parse(temperaturesByViews!),
    });
    expect(readFileSync(join(out, "index.html"), "utf8")).toContain("Knows dark, light, red");
    const before = readFileSync(join(out, "model.onnx"));
    await expect(exportWebPage(folder, { out, photos: join(root, "nowhere") })).rejects.toThrow(/--photos/);
    expect(readFileSync(join(out, "model.onnx")).equals(before)).toBe(true);
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
    const wrong = (views: readonly Uint8Array[]) => {
      const [verdict] = classifier.judge(classifier.stack(views), [views.length]);
      return { ...verdict!, confidence: verdict!.confidence - 2e-4 };
    };
    await expect(verifyExport(readFileSync(file), classifier, reading(), wrong)).rejects.toThrow(
      /does not say what the classifier says. Of calibration-0.png .* 2.0e-4 apart, and 0.0001 is allowed. Nothing was written/s,
    );
  });
});
