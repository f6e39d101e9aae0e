// `node --import tsx --conditions=source bench/large-study.ts [--classes 300] [--objects 42] [--keep FOLDER]`: a whole
// study of generated photos, eight views an object, 100,800 by default; a tenth of the classes are near unknowns, a
// tenth far ones. Prints how long each kind of stage took, and the most memory of the process.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "@penumbra/torch/random";
import sharp from "sharp";
import { mapConcurrently } from "../penumbra/src/data/index.ts";
import type { Outcome } from "../penumbra/src/results/index.ts";

const { values } = parseArgs({
  options: {
    classes: { type: "string", default: "300" },
    objects: { type: "string", default: "42" },
    keep: { type: "string" },
  },
});
const [classes, objects] = [Number(values.classes), Number(values.objects)];
const VIEWS = 8;
const SIDE = 48;
/** Patches of colour along a side of a picture: what a class is. */
const PATCHES = 6;

const config = {
  ...{ name: "large", photos: "photos", imageSize: 48, arms: ["cross-entropy", "supcon"], seeds: [0] },
  split: { shots: 4, validation: 4, test: "rest" },
  encoder: { network: "resnet10", width: 32, steps: 200, batchSize: 64 },
  detectors: ["msp", "energy", "knn", "mahalanobis"],
};

const folder = values.keep ?? (await mkdtemp(join(tmpdir(), "penumbra-large-")));
try {
  await writePhotos(join(folder, "photos"));
  await writeFile(join(folder, "study.yaml"), JSON.stringify(config));
  await runStudy();
} finally {
  if (values.keep === undefined) await rm(folder, { recursive: true, force: true });
}

function roleOf(place: number): string {
  return place % 10 === 0 ? "near" : place % 10 === 1 ? "far" : "known";
}

/** A near class is the class before it with a part of its patches changed; objects differ in some, views by noise. */
async function writePhotos(root: string): Promise<void> {
  const tasks: { path: string; patches: Uint8Array; seed: string }[] = [];
  let before: Uint8Array = new Uint8Array();
  for (let place = 0; place < classes; place++) {
    const role = roleOf(place);
    const random = new Random(`class ${place}`);
    const own = changed(role === "near" && place > 0 ? before : null, 0.2, random);
    before = own;
    for (let object = 0; object < objects; object++) {
      const name = join(root, role, `class-${place}`, `${object}`);
      await mkdir(name, { recursive: true });
      const patches = changed(own, 0.1, random);
      for (let view = 0; view < VIEWS; view++)
        tasks.push({ path: join(name, `${view}.jpg`), patches, seed: `${place} ${object} ${view}` });
    }
  }
  await mapConcurrently(tasks, async ({ path, patches, seed }) => {
    const random = new Random(seed);
    const noisy = patches.map((value) => Math.max(0, Math.min(255, value + random.uniform(-24, 24))));
    const image = sharp(Buffer.from(noisy), { raw: { width: PATCHES, height: PATCHES, channels: 3 } });
    await writeFile(path, await image.resize(SIDE, SIDE, { kernel: "cubic" }).jpeg().toBuffer());
  });
}

/** Patches of which a share are drawn anew; all of them where there are none yet. */
function changed(patches: Uint8Array | null, share: number, random: Random): Uint8Array {
  const made = patches ? patches.slice() : new Uint8Array(3 * PATCHES ** 2);
  for (let patch = 0; patch < PATCHES ** 2; patch++) {
    if (patches && random.uniform() >= share) continue;
    for (let channel = 0; channel < 3; channel++) made[3 * patch + channel] = random.int(256);
  }
  return made;
}

async function runStudy(): Promise<void> {
  const bin = fileURLToPath(new URL("../penumbra/bin/penumbra.js", import.meta.url));
  const args = [bin, "study", "study.yaml", "--out", "run", "--json", "--threads", "1", "--jobs", "1"];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const seconds = new Map<string, number>();
  let last = performance.now();
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const { event, stage = "report" } = JSON.parse(line) as { event: string; stage?: string };
    if (event === "progress") return;
    // What lies between two stages is the study's own bookkeeping, and is counted as such.
    const now = performance.now();
    const kind = event === "done" || event === "reused" ? stage : "between stages";
    seconds.set(kind, (seconds.get(kind) ?? 0) + (now - last) / 1000);
    last = now;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`The study ended with ${code}.`);
  const outcome: Outcome = JSON.parse(await readFile(join(folder, "run", "report.json"), "utf8"));
  const whole = [...seconds.values()].reduce((sum, value) => sum + value, 0);
  for (const [stage, value] of [...seconds].sort((a, b) => b[1] - a[1]))
    console.log(`${stage}: ${value.toFixed(1)} s (${((100 * value) / whole).toFixed(1)} %)`);
  const peak = (outcome.peakMemoryBytes ?? Number.NaN) / 2 ** 20;
  console.log(`${classes * objects * VIEWS} photos: ${whole.toFixed(0)} s, ${peak.toFixed(0)} MiB at most`);
}
