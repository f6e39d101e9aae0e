// `node --import tsx --conditions=source bench/check-photos.ts [--photos 100000] [--unchanged 30000] [--side 48]`: what
// `penumbra check` does, on generated photos in the system's temporary folder: photos a second of processor time, peak
// memory, and how long the second look at unchanged files takes. Each look is a process of its own.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { Random } from "@penumbra/torch/random";
import sharp from "sharp";
import { checkHealth, mapConcurrently, scanPhotos } from "../penumbra/src/data/index.ts";

const { values } = parseArgs({
  options: {
    photos: { type: "string", default: "100000" },
    unchanged: { type: "string", default: "30000" },
    side: { type: "string", default: "48" },
    place: { type: "string" },
    cache: { type: "string" },
  },
});

/** Blobs along a side of a generated picture. */
const BLOBS = 12;

/** What a look at a folder cost. */
interface Cost {
  readonly photos: number;
  readonly findings: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakMiB: number;
}

if (values.place !== undefined) process.stdout.write(JSON.stringify(await look(values.place)));
else await measure();

async function look(place: string): Promise<Cost> {
  const startedAt = performance.now();
  const manifest = await scanPhotos(place, { ...(values.cache && { cacheFolder: values.cache }) });
  const { problems } = checkHealth(manifest);
  const { user, system } = process.cpuUsage();
  return {
    photos: manifest.photos.length,
    findings: problems.length,
    seconds: (performance.now() - startedAt) / 1000,
    processorSeconds: (user + system) / 1e6,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  };
}

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "penumbra-check-"));
  try {
    const [all, unchanged, side] = [values.photos, values.unchanged, values.side].map(Number) as [
      number,
      number,
      number,
    ];
    const place = join(folder, "photos");
    await writePhotos(place, all, side);
    tell(`first look at ${all} photos of ${side} px`, await lookApart(place));
    const small = join(folder, "unchanged");
    await writePhotos(small, unchanged, side);
    const cache = join(folder, "cache");
    tell(`first look at ${unchanged}`, await lookApart(small, cache));
    tell(`second look at ${unchanged} unchanged`, await lookApart(small, cache));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function lookApart(place: string, cache?: string): Promise<Cost> {
  const self = ["--import", "tsx", "--conditions=source", import.meta.filename, "--place", place];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...self,
    ...(cache === undefined ? [] : ["--cache", cache]),
  ]);
  return JSON.parse(stdout) as Cost;
}

function tell(title: string, { photos, findings, seconds, processorSeconds, peakMiB }: Cost): void {
  const rate = (photos / processorSeconds).toFixed(0);
  console.log(
    `${title}: ${processorSeconds.toFixed(1)} s of processor time (${rate} photos/s), ${seconds.toFixed(1)} s, ${peakMiB.toFixed(0)} MiB at most; ${photos} used, ${findings} findings`,
  );
}

/** JPEG files of random pictures, 100 to a class. */
async function writePhotos(root: string, count: number, side: number): Promise<void> {
  const folders = Math.ceil(count / 100);
  for (let index = 0; index < folders; index++)
    await mkdir(join(root, `class-${index}`), { recursive: true });
  await mapConcurrently(
    Array.from({ length: count }, (_, index) => index),
    async (index) => {
      const raw = { width: side, height: side, channels: 3 } as const;
      const bytes = await sharp(await picture(index, side), { raw })
        .jpeg({ quality: 90 })
        .toBuffer();
      await writeFile(join(root, `class-${Math.floor(index / 100)}`, `${index}.jpg`), bytes);
    },
  );
}

/** Blobs of random colours: no picture resembles another. */
async function picture(seed: number, side: number): Promise<Uint8Array> {
  const random = new Random(seed);
  const small = Uint8Array.from({ length: 3 * BLOBS * BLOBS }, () => random.int(256));
  return sharp(small, { raw: { width: BLOBS, height: BLOBS, channels: 3 } })
    .resize(side, side, { kernel: "cubic" })
    .raw()
    .toBuffer();
}
