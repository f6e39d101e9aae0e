import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writePhotos } from "../penumbra/test/study/photos.ts";
import { classify } from "./classify.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-classify-"));
beforeAll(() => writePhotos(folder, { objects: 6, near: 1, far: 0 }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a few lines learn to name photos of other objects", async () => {
  const answers = await classify(folder, { shots: 3, size: 32, steps: 20 });
  const known = [...answers].filter(([photo]) => photo.startsWith("known/"));
  const named = known.filter(([, answer]) => answer !== "unknown");
  const right = named.filter(([photo, answer]) => photo.startsWith(`known/${answer}/`));
  expect(answers.size).toBe(3 * 2 * 2 + 6 * 2); // two test objects of three classes, six near ones, two views each
  expect(named.length).toBeGreaterThan(known.length / 2);
  expect(right.length).toBeGreaterThan(0.8 * named.length);
});
