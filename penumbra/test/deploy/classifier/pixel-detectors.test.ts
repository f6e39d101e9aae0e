import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Classifier,
  explain,
  exportOnnx,
  loadClassifier,
  loadGallery,
  lookAt,
  SERVICE_DEFAULTS,
  startService,
  type Verdict,
} from "../../../src/deploy/index.ts";
import { photo, writeClassifier } from "../tiny-classifier.ts";

describe.each(["odin", "reconstruction", "abnormality"] as const)(
  "a classifier that keeps %s",
  (detector) => {
    let folder = "";
    let classifier: Classifier;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "penumbra-pixels-"));
      await writeClassifier(join(folder, "shades"), undefined, [detector, "msp"]);
      classifier = loadClassifier(join(folder, "shades"));
    });
    afterAll(() => {
      classifier.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    it("scores an object by the mean of its photos, and calibrates that", async () => {
      const views = await Promise.all([photo(0, 901), photo(0, 902), photo(0, 903)]);
      const [together, ...single] = await classifier.predict([views, ...views]);
      const mean = single.reduce((sum, { score }) => sum + score, 0) / 3;
      expect(together!.score / mean).toBeCloseTo(1, 5);
      expect(together!.className).toBe("dark");
      // Its own calibration objects: each p-value once, from 2 / 13 on (each counts itself).
      const calibration = await Promise.all(Array.from({ length: 12 }, (_, i) => photo(i % 3, 36 + i)));
      const pValues = (await classifier.predict(calibration))
        .map(({ pValue }) => pValue)
        .sort((a, b) => a - b);
      expect(pValues[0]).toBeLessThan(0.3);
      expect(pValues.at(-1)).toBeCloseTo(1, 1);
    });

    it("is kept in rows, so that photos are looked at once", async () => {
      const views = await Promise.all([photo(1, 911), photo(1, 912)]);
      const { stages } = await lookAt(classifier, views);
      const [wanted] = await classifier.predict([views]);
      const [verdict] = classifier.judgeRows(stages, [2]);
      expect(verdict!.score / wanted!.score).toBeCloseTo(1, 5);
      using gallery = loadGallery(join(folder, "shades"));
      const { heat, neighbours } = explain(classifier, gallery, await classifier.decode(views), {
        places: 2,
      });
      expect([heat.length, neighbours.length]).toEqual([2, 5]);
    });

    it("is refused by name in an export", async () => {
      await expect(exportOnnx(join(folder, "shades"), { out: join(folder, "x.onnx") })).rejects.toThrow(
        `The detector "${detector}" cannot be exported`,
      );
    });

    it.runIf(detector === "odin")("is served, gradients and all", async () => {
      const image = await photo(2, 920);
      const [wanted] = await classifier.predict([image]);
      const service = await startService([join(folder, "shades")], { ...SERVICE_DEFAULTS, port: 0 });
      const answer = await fetch(`${service.url}/predict`, {
        method: "POST",
        body: new Uint8Array(image),
        headers: { "content-type": "image/png" },
      });
      expect(((await answer.json()) as Verdict).score / wanted!.score).toBeCloseTo(1, 5);
      await service.close();
    });
  },
);
