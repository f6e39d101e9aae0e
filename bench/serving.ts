import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import sharp from "sharp";
import { Encoder, extractStages, fitLinearProbe, frozenEncoder } from "../penumbra/src/contrast/index.ts";
import {
  loadClassifier,
  predictEach,
  SERVICE_DEFAULTS,
  saveClassifier,
  startService,
} from "../penumbra/src/deploy/index.ts";
import { FULL_DEPTH } from "../penumbra/src/images/index.ts";
import { detectors } from "../penumbra/src/unknowns/index.ts";
import { now } from "./clock.ts";
import type { Measure } from "./measure.ts";
import { execute } from "./peer.ts";

/** What is served: ResNet-10 with the CIFAR stem, of weights that were never trained, which take as long. */
const SHAPE = { classes: 16, size: 64, width: 32, photos: 160, photoWidth: 640, photoHeight: 480, batch: 64 };
const CLIENTS = 100;

/** Photos as files. */
interface PhotoFiles {
  readonly photos: number;
  readonly width: number;
  readonly height: number;
  /** How the camera was held, as EXIF says it. Default 1, upright. */
  readonly orientation?: number;
}

/** A classifier of random weights and JPEG files as a camera writes them, in a folder of the system's own. */
export async function makeServed({
  photos = SHAPE.photos,
  width = SHAPE.photoWidth,
  height = SHAPE.photoHeight,
  orientation = 1,
}: Partial<PhotoFiles> = {}): Promise<{ model: string; files: string[]; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "penumbra-serving-"));
  const model = join(folder, "served");
  torch.manualSeed(0);
  const trained = frozenEncoder(
    new Encoder({ network: "resnet10", stem: "cifar", width: SHAPE.width }),
    SHAPE.classes,
  );
  const images = torch.randint(256, [4 * SHAPE.classes, 3, SHAPE.size, SHAPE.size], { dtype: "uint8" });
  const labels = Array.from({ length: 4 * SHAPE.classes }, (_, i) => i % SHAPE.classes);
  const stages = extractStages(trained.encoder, images);
  const features = stages.at(-1)!;
  const probe = fitLinearProbe(features, labels, { classes: SHAPE.classes, l2: 0.1 });
  const classes = Array.from({ length: SHAPE.classes }, (_, i) => `part-${i}`);
  const files: string[] = [];
  for (let i = 0; i < photos; i++) {
    const path = join(folder, `${i}.jpg`);
    await writeFile(path, await photo(i, width, height, orientation));
    files.push(path);
  }
  saveClassifier(model, {
    ...{ name: "served", classes, level: 0.05, trained, probe, photos: [] },
    preprocessing: { imageSize: SHAPE.size, fit: "squash", interpolation: "lanczos3", white: FULL_DEPTH },
    detectors: [{ name: "mahalanobis", fitted: detectors.mahalanobis.fit({ features, labels }) }],
    calibration: { objects: labels.map((_, i) => `object-${i}`), labels, stages },
    gallery: {
      photos: [{ id: "0", className: "part-0", picture: await photo(0, width, height) }],
      features: features.narrow(0, 0, 1).clone(),
    },
    provenance: { penumbra: "0", libtorch: "0", arm: "none", reason: "", seed: 0, artifacts: {} },
  });
  return { model, files, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A picture of blobs and noise, as JPEG of a camera's quality. */
async function photo(seed: number, width: number, height: number, orientation = 1): Promise<Buffer> {
  const random = new Random(seed);
  const small = Uint8Array.from({ length: 3 * 32 * 24 }, () => random.int(256));
  const jpeg = await sharp(small, { raw: { width: 32, height: 24, channels: 3 } })
    .resize(width, height, { kernel: "cubic" })
    .jpeg({ quality: 90 })
    .toBuffer();
  if (orientation === 1) return jpeg;
  // sharp writes an orientation with a profile of colours only, which would cost time of its own.
  const start = Buffer.from(
    "ffd8ffe1002245786966000049492a0008000000010012010300010000000000000000000000",
    "hex",
  );
  start.writeUInt16LE(orientation, start.length - 8);
  return Buffer.concat([start, jpeg.subarray(2)]);
}

/** A hundred clients at once beside one: milliseconds that a request costs the service. */
export const serving: Measure = {
  name: "serve",
  title: `a request to the service (JPEG of ${SHAPE.photoWidth} x ${SHAPE.photoHeight}), ${CLIENTS} clients at once`,
  unit: "ms",
  goal: 1,
  against: "one client",
  async prepare() {
    const { model, files, remove } = await makeServed();
    const { readFile } = await import("node:fs/promises");
    const bodies = await Promise.all(files.map(async (file) => new Uint8Array(await readFile(file))));
    const service = await startService([model], { ...SERVICE_DEFAULTS, port: 0 });
    const times: Record<"many" | "one", number[]> = { many: [], one: [] };
    let failed = 0;
    const ask = async (index: number, kind: "many" | "one") => {
      const startedAt = performance.now();
      const body = bodies[index % bodies.length]!;
      const answer = await fetch(`${service.url}/predict`, {
        method: "POST",
        body,
        headers: { "content-type": "image/jpeg" },
      });
      await answer.json();
      if (answer.status !== 200) failed++;
      times[kind].push(performance.now() - startedAt);
    };
    const share = (values: readonly number[], at: number) =>
      [...values].sort((a, b) => a - b)[Math.floor(at * (values.length - 1))]!.toFixed(1);
    const told = (kind: "many" | "one") =>
      `p50 ${share(times[kind], 0.5)} ms, p99 ${share(times[kind], 0.99)} ms`;
    return {
      async ours() {
        const requests = 5 * CLIENTS;
        let next = 0;
        const startedAt = now();
        await Promise.all(
          Array.from({ length: CLIENTS }, async () => {
            while (next < requests) await ask(next++, "many");
          }),
        );
        return (now() - startedAt) / requests;
      },
      async peer() {
        const requests = 100;
        const startedAt = now();
        for (let index = 0; index < requests; index++) await ask(index, "one");
        return (now() - startedAt) / requests;
      },
      note: () =>
        `${CLIENTS} clients ${told("many")}; one ${told("one")}; ${failed} of ${times.many.length + times.one.length} failed`,
      close: () => void service.close().then(remove),
    };
  },
};

/** Photos from files to verdicts, beside the same with PIL and PyTorch. */
function predictingOf(name: string, shape: PhotoFiles): Measure {
  const turned = shape.orientation === undefined ? "" : ", turned by EXIF";
  return {
    name,
    title: `a photo from its file (JPEG of ${shape.width} x ${shape.height}${turned}) to its verdict, batches of ${SHAPE.batch}`,
    unit: "ms",
    goal: 0.5,
    async prepare(peer) {
      await execute(peer.python, ["-m", "pip", "install", "--quiet", "pillow"]);
      const { model, files, remove } = await makeServed(shape);
      const classifier = loadClassifier(model);
      await peer.prepare("predict_files", { ...SHAPE, files });
      return {
        async ours() {
          const startedAt = now();
          let verdicts = 0;
          const objects = files.map((name) => ({ name, photos: [name] }));
          for await (const { verdict } of predictEach(classifier, objects, { batchSize: SHAPE.batch }))
            if (verdict) verdicts++;
          if (verdicts !== files.length)
            throw new Error(`${verdicts} of ${files.length} photos were judged.`);
          return (now() - startedAt) / files.length;
        },
        peer: async () => (await peer.run(1)) / files.length,
        close() {
          classifier.dispose();
          remove();
        },
      };
    },
  };
}

export const predicting = predictingOf("predict-files", {
  photos: SHAPE.photos,
  width: SHAPE.photoWidth,
  height: SHAPE.photoHeight,
});
const LARGE = { photos: 16, width: 4000, height: 3000 };
export const predictingLarge = predictingOf("predict-large-files", LARGE);
export const predictingTurned = predictingOf("predict-turned-files", { ...LARGE, orientation: 6 });
