// `node --import tsx --conditions=source bench/honesty.ts PHOTOS WEIGHTS [--seeds 0,1,2,3,4]`: how many known objects that a
// classifier has not seen get a p-value of at most some level, beside that level. PHOTOS holds classes below `id` and
// near unknowns below `near`; half of each class's objects are for the test, drawn anew at each seed.
// docs/honesty.md has the command and what came out.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { deriveSeed } from "@penumbra/torch/random";
import { stringify } from "yaml";
import { groupBy, type Photo, scanPhotos } from "../penumbra/src/data/index.ts";
import {
  evaluateClassifier,
  flaggedShares,
  loadClassifier,
  predictEach,
} from "../penumbra/src/deploy/index.ts";
import { loadConfig, planStudy, trainClassifier } from "../penumbra/src/study/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "0,1,2,3,4" },
    size: { type: "string", default: "128" },
    calibration: { type: "string", default: "6" },
  },
});
const [photosFolder, weights] = positionals;
if (!photosFolder || !weights) {
  process.stderr.write("Give the folder of photos and the file of weights.\n");
  process.exit(2);
}

const LEVELS = [0.02, 0.05, 0.1, 0.2, 0.5] as const;
const folder = await mkdtemp(join(tmpdir(), "penumbra-honesty-"));
try {
  const known = await scanPhotos(join(photosFolder, "id"));
  const near = await scanPhotos(join(photosFolder, "near"));
  console.log(
    "| seed | objects | calibration objects | " +
      LEVELS.map((level) => `p ≤ ${level}`).join(" | ") +
      " | one view: " +
      LEVELS.map((level) => `p ≤ ${level}`).join(" | ") +
      " |",
  );
  const seeds = values.seeds.split(",").map(Number);
  for (const seed of seeds) {
    const { learned, tested } = halves(known.photos, seed);
    const line = (root: string, role: string) => (photo: Photo) =>
      JSON.stringify({ path: join(root, photo.id), class: photo.className, object: photo.object, role });
    const list = (photos: readonly Photo[]) => photos.map(line(known.root, "known"));
    const unknown = near.photos.map(line(near.root, "near"));
    await writeFile(join(folder, `learn-${seed}.jsonl`), [...list(learned), ...unknown].join("\n"));
    await writeFile(join(folder, `test-${seed}.jsonl`), list(tested).join("\n"));
    const path = join(folder, `study-${seed}.yaml`);
    await writeFile(
      path,
      stringify({
        name: `honesty-${seed}`,
        photos: `learn-${seed}.jsonl`,
        imageSize: Number(values.size),
        arms: ["frozen"],
        seeds: [seed],
        encoder: { network: "efficientnet-lite0", weights: resolve(weights), train: "frozen" },
        probe: { l2: [1e-3, 1e-2, 1e-1] },
        detectors: ["msp", "knn", "mahalanobis"],
      }),
    );
    const study = planStudy(await loadConfig(path), join(folder, `run-${seed}`));
    const out = join(folder, `model-${seed}`);
    await trainClassifier(study, { out, arm: "frozen", seed, calibration: Number(values.calibration) });
    using classifier = loadClassifier(out);
    const test = await scanPhotos(join(folder, `test-${seed}.jsonl`));
    const { photos } = await evaluateClassifier(classifier, test);
    const single = [...groupBy(photos, ({ photo }) => photo.object).values()].map(
      (views) => views[deriveSeed("view", seed, views[0]!.photo.object) % views.length]!.verdict.pValue,
    );
    const objects = [...groupBy(test.photos, ({ object }) => object)].map(([name, views]) => ({
      name,
      photos: views.map(({ id }) => join(test.root, id)),
    }));
    const whole: number[] = [];
    for await (const { verdict } of predictEach(classifier, objects)) if (verdict) whole.push(verdict.pValue);
    const calibration = new Set(classifier.parts.calibration.objects).size;
    const bounds = LEVELS.map((level) => flaggedShares({ calibration, tested: whole.length, level }));
    if (seed === seeds[0]) {
      const told = bounds.map(
        ({ mean, low, high }) => `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`,
      );
      console.log(`| 95 of 100 draws | ${whole.length} | ${calibration} | ${told.join(" | ")} | |`);
    }
    const shares = (pValues: readonly number[]) =>
      LEVELS.map((level) => (pValues.filter((p) => p <= level).length / pValues.length).toFixed(3)).join(
        " | ",
      );
    console.log(`| ${seed} | ${whole.length} | ${calibration} | ${shares(whole)} | ${shares(single)} |`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Half of each class's objects, drawn by the seed, and the others. */
function halves(photos: readonly Photo[], seed: number) {
  const tested = new Set(
    [...groupBy(photos, ({ className }) => className).values()].flatMap((own) => {
      const objects = [...new Set(own.map(({ object }) => object))];
      const drawn = objects
        .map((object) => ({ object, at: deriveSeed("honesty", seed, object) }))
        .sort((a, b) => a.at - b.at);
      return drawn.slice(0, Math.floor(objects.length / 2)).map(({ object }) => object);
    }),
  );
  return {
    learned: photos.filter(({ object }) => !tested.has(object)),
    tested: photos.filter(({ object }) => tested.has(object)),
  };
}
