import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { decodePhotos, scanPhotos } from "../../src/data/index.ts";
import { decodeImage } from "../../src/images/index.ts";
import { folderWith, photoBytes, temporaryFolder } from "./folder.ts";

const PATHS = ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png"];
const files = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

test("photos become one uint8 tensor in their order", async () => {
  const root = await folderWith(PATHS);
  const { photos } = await scanPhotos(root);
  const reversed = [...photos].reverse();
  const pixels = await decodePhotos(root, reversed, { size: 6 });
  expect([pixels.dtype, pixels.shape]).toEqual(["uint8", [5, 3, 6, 6]]);
  for (const [i, { id }] of reversed.entries()) {
    expect(pixels.select(0, i).contiguous().toTyped()).toEqual(await decodeImage(join(root, id), 6));
  }
});

test("the cache gives the same pixels, also after files were removed, renamed or damaged in it", async () => {
  const root = await folderWith(PATHS);
  const cacheFolder = temporaryFolder();
  const { photos } = await scanPhotos(root);
  const first = await decodePhotos(root, photos, { size: 6, cacheFolder });
  const kept = files(cacheFolder).map((entry) => join(entry.parentPath, entry.name));
  expect(kept).toHaveLength(5);
  expect(kept.every((path) => statSync(path).size === 3 * 6 * 6)).toBe(true);

  truncateSync(kept[0]!, 10);
  rmSync(kept[1]!);
  expect((await decodePhotos(root, photos, { size: 6, cacheFolder })).toTyped()).toEqual(first.toTyped());
  expect(files(cacheFolder)).toHaveLength(5);

  rmSync(root, { recursive: true }); // everything is cached: the photos are not opened
  expect((await decodePhotos(root, photos, { size: 6, cacheFolder })).toTyped()).toEqual(first.toTyped());
});

test("size, fit and background have pixels of their own", async () => {
  const root = await folderWith(PATHS);
  const cacheFolder = temporaryFolder();
  const { photos } = await scanPhotos(root);
  const options = [
    { size: 6 },
    { size: 8 },
    { size: 8, fit: "letterbox" },
    { size: 8, fit: "letterbox", background: [0, 0, 0] },
  ] as const;
  const results = [];
  for (const option of options)
    results.push((await decodePhotos(root, photos, { ...option, cacheFolder })).toTyped());
  for (const [i, option] of options.entries()) {
    expect((await decodePhotos(root, photos, option)).toTyped()).toEqual(results[i]);
  }
  expect(results[2]).not.toEqual(results[3]);
});

test("progress counts up to the number of photos", async () => {
  const root = await folderWith(PATHS);
  const { photos } = await scanPhotos(root);
  const seen: number[] = [];
  await decodePhotos(root, photos, { size: 4, onProgress: (done, total) => seen.push(done, total) });
  expect(seen).toEqual([1, 5, 2, 5, 3, 5, 4, 5, 5, 5]);
});

test("a photo that changed or vanished after the scan is an error", async () => {
  const root = await folderWith(PATHS);
  const { photos } = await scanPhotos(root);
  writeFileSync(join(root, "a/1.png"), await photoBytes("changed"));
  await expect(decodePhotos(root, photos, { size: 4 })).rejects.toThrow(
    /"a\/1\.png".*changed after the scan\. Scan/,
  );
  rmSync(join(root, "a/1.png"));
  await expect(decodePhotos(root, photos, { size: 4 })).rejects.toThrow(/"a\/1\.png".*can no longer be read/);
});

test("a process killed while decoding leaves a cache that the next one completes", async () => {
  const root = await folderWith(Array.from({ length: 60 }, (_, i) => `c${i % 2}/${i}.png`));
  const cacheFolder = temporaryFolder();
  const { photos } = await scanPhotos(root);
  const script = fileURLToPath(new URL("./decode-forever.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--conditions=source", script, root, cacheFolder],
    { stdio: "inherit" },
  );
  const isBegun = () => existsSync(cacheFolder) && files(cacheFolder).length >= 5;
  for (let i = 0; i < 600 && !isBegun() && child.exitCode === null; i++)
    await new Promise((done) => setTimeout(done, 50));
  child.kill("SIGKILL");
  await new Promise((done) =>
    child.exitCode !== null || child.signalCode ? done(0) : child.on("exit", done),
  );
  expect(isBegun()).toBe(true);
  const whole = files(cacheFolder).filter(({ name }) => name.endsWith(".u8"));
  for (const { parentPath, name } of whole) expect(statSync(join(parentPath, name)).size % 3).toBe(0);
  const resumed = await decodePhotos(root, photos, { size: 6, cacheFolder });
  expect(resumed.toTyped()).toEqual((await decodePhotos(root, photos, { size: 6 })).toTyped());
});
