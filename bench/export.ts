// `node --import tsx --conditions=source bench/export.ts MODEL`: a classifier exported in each precision: size, time of a
// photo in onnxruntime beside the engine (decoded photos of its own size), differences and losses. docs/export.md has
// what came out.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { loadModel } from "../penumbra/src/deploy/export/onnx-runtime.ts";
import {
  type ExportPrecision,
  exportOnnx,
  loadClassifier,
  PRECISIONS,
} from "../penumbra/src/deploy/index.ts";

const [model] = process.argv.slice(2);
if (!model) {
  process.stderr.write("Give the classifier.\n");
  process.exit(2);
}

const RUNS = 15;
const BATCHES = [1, 16];
const scratch = await mkdtemp(join(tmpdir(), "penumbra-export-"));
using classifier = loadClassifier(model);
const { imageSize } = classifier.preprocessing;

/** Milliseconds a photo, the median of the runs. */
async function timeOf(batch: number, run: () => unknown): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < RUNS + 2; i++) {
    const startedAt = performance.now();
    await run();
    times.push((performance.now() - startedAt) / batch);
  }
  return times
    .slice(2)
    .sort((a, b) => a - b)
    [RUNS >> 1]!.toFixed(2);
}

try {
  process.stdout.write(
    "| | MB | ms a photo, alone | in a batch of 16 | largest difference | accuracy % | near AUROC % |\n|---|---|---|---|---|---|---|\n",
  );
  const own: string[] = [];
  for (const batch of BATCHES) {
    const pixels = torch.randint(0, 256, [batch, 3, imageSize, imageSize], { dtype: "uint8" });
    own.push(await timeOf(batch, () => classifier.judge(pixels, Array<number>(batch).fill(1))));
  }
  const percent = (value: number | null | undefined) =>
    value === null || value === undefined ? "" : (100 * value).toFixed(1);
  for (const precision of Object.keys(PRECISIONS) as ExportPrecision[]) {
    const out = join(scratch, `${precision}.onnx`);
    const { bytes, verification, quality } = await exportOnnx(model, { out, precision });
    const session = await loadModel(out);
    const times: string[] = [];
    for (const batch of BATCHES) {
      const data = Uint8Array.from({ length: batch * imageSize ** 2 * 3 }, () => 256 * Math.random());
      const images = { type: "uint8", dims: [batch, imageSize, imageSize, 3], data };
      times.push(await timeOf(batch, () => session.run({ images })));
    }
    await session.release();
    if (quality && own.length > 0) {
      const { accuracy, auroc } = quality.before;
      process.stdout.write(
        `| engine | | ${own.splice(0).join(" | ")} | | ${percent(accuracy)} | ${percent(auroc)} |\n`,
      );
    }
    const { accuracy, auroc } = quality?.after ?? {};
    const difference = verification.largestDifference.toExponential(1);
    process.stdout.write(
      `| ${precision} | ${(bytes / 1e6).toFixed(1)} | ${times.join(" | ")} | ${difference} | ${percent(accuracy)} | ${percent(auroc)} |\n`,
    );
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
