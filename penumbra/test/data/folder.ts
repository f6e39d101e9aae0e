// Folders of small generated photos in the system's temporary folder, removed after each test.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterEach } from "vitest";
import type { Manifest, Photo, Role } from "../../src/data/index.ts";
import { FULL_DEPTH, type Look } from "../../src/images/index.ts";

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "penumbra-data-"));
  made.push(folder);
  return folder;
}

/** Writes a photo at each path, each with content of its own; where `content` is given, that is written instead. */
export async function folderWith(
  paths: readonly string[],
  content: Record<string, string | Buffer> = {},
): Promise<string> {
  const root = temporaryFolder();
  for (const path of paths) write(root, path, await photoBytes(path));
  for (const [path, bytes] of Object.entries(content)) write(root, path, bytes);
  return root;
}

function write(root: string, path: string, bytes: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
}

/** A 12 x 8 picture that follows from `seed`. */
export async function photoBytes(seed: string, format: "png" | "jpeg" | "webp" = "png"): Promise<Buffer> {
  const pixels = Buffer.alloc(12 * 8 * 3);
  for (let i = 0; i < pixels.length; i += 32) {
    createHash("sha256")
      .update(`${seed}/${i}`)
      .digest()
      .copy(pixels, i, 0, Math.min(32, pixels.length - i));
  }
  return sharp(pixels, { raw: { width: 12, height: 8, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

/** A manifest without files: `counts` gives the objects of each class, each with two views. */
export function manifestOf(counts: Partial<Record<Role, Record<string, number>>>): Manifest {
  const photos: Photo[] = [];
  for (const [role, classes] of Object.entries(counts) as [Role, Record<string, number>][]) {
    for (const [className, objects] of Object.entries(classes)) {
      for (let object = 0; object < objects; object++) {
        for (const view of ["0", "1"]) {
          const id = `${role}/${className}/${object}/${view}.png`;
          const hash = createHash("sha256").update(id).digest("hex");
          photos.push({
            id,
            className,
            object: `${className}/${object}`,
            view,
            role,
            hash,
            width: 120,
            height: 80,
            look: lookLike(id),
          });
        }
      }
    }
  }
  return {
    root: "/nowhere",
    photos,
    classes: Object.keys(counts.known ?? {}).sort(),
    problems: [],
    white: FULL_DEPTH,
    notes: [],
  };
}

/** The look of a lively picture that resembles no other seed's. */
export function lookLike(seed: string): Look {
  const bytes = Buffer.concat(
    Array.from({ length: 8 }, (_, i) => createHash("sha256").update(`${seed}/${i}`).digest()),
  );
  return {
    perceptual: bytes.toString("hex").slice(0, 16),
    tile: bytes.toString("base64"),
    mean: 128,
    deviation: 70,
    sharpness: 100,
  };
}
