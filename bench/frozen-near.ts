// `node --import tsx --conditions=source bench/frozen-near.ts PHOTOS WEIGHTS [--size 128] [--seeds 0,1,2,3,4]`: near unknowns
// by frozen features of EfficientNet-Lite0's ImageNet weights, of the classes that a study reports on and of all of them,
// as the features are and standardised by the training photos, as plain Python's figures have them (docs/transfer.md).
import { parseArgs } from "node:util";
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { Encoder, photoFeatures } from "../penumbra/src/contrast/index.ts";
import { type Photo, scanPhotos, splitByObject } from "../penumbra/src/data/index.ts";
import { findEncoderWeights } from "../penumbra/src/models/index.ts";
import { auroc, detectors } from "../penumbra/src/unknowns/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: "string", default: "128" }, seeds: { type: "string", default: "0,1,2,3,4" } },
});
const [photos, weights] = positionals;
if (!photos || !weights) {
  process.stderr.write("Give the folder of photos and the file of weights.\n");
  process.exit(2);
}
const manifest = await scanPhotos(photos);
const encoder = Encoder.published("efficientnet-lite0", await findEncoderWeights(weights)).eval();
const all = await photoFeatures(encoder, manifest, { size: Number(values.size) });
const places = new Map(manifest.photos.map(({ id }, place) => [id, place]));
const featuresOf = (of: readonly Photo[]) =>
  all
    .indexSelect(
      0,
      torch.tensor(
        of.map(({ id }) => places.get(id) as number),
        { dtype: "int64" },
      ),
    )
    .to("float64");
const mean = (figures: readonly number[]) =>
  figures.reduce((sum, figure) => sum + figure, 0) / figures.length;

/** By detector, features and classes: the mean AUROC over classes of each seed. */
const figures = new Map<string, number[]>();
for (const seed of values.seeds.split(",").map(Number)) {
  scope(() => {
    // As bench/transfer.ts has it.
    const split = splitByObject(manifest, { shots: 4, validation: 6, test: 10, seed });
    const labels = split.train.map(({ className }) => manifest.classes.indexOf(className));
    const train = featuresOf(split.train);
    const [middle, spread] = [train.mean([0]), train.std({ dim: [0], correction: 0 }).clampMin(1e-8)];
    const ways = {
      "as they are": (features: Tensor) => features,
      standardised: (features: Tensor) => features.sub(middle).div(spread),
    };
    for (const [way, seen] of Object.entries(ways)) {
      const known = { features: seen(train), labels };
      for (const [name, fitted] of Object.entries({
        KNN: detectors.knn.fit(known, { k: 1 }),
        Mahalanobis: detectors.mahalanobis.fit(known),
      })) {
        const test = fitted.score({ features: seen(featuresOf(split.test)) });
        const areas = (unknown: readonly Photo[]) =>
          [...new Set(unknown.map(({ className }) => className))].map((className) => {
            const own = unknown.filter((photo) => photo.className === className);
            return auroc(test, fitted.score({ features: seen(featuresOf(own)) }));
          });
        const [reported, others] = [areas(split.nearTest), areas(split.nearValidation)];
        const note = (which: string, area: number) => {
          const key = `${name} | ${way} | ${which}`;
          figures.set(key, [...(figures.get(key) ?? []), area]);
        };
        note("of the test", mean(reported));
        note("all", mean([...reported, ...others]));
      }
    }
  });
}
process.stdout.write("| detector | features | near classes | AUROC | by seed |\n|---|---|---|---|---|\n");
for (const [key, areas] of figures) {
  const [whole, ...each] = [mean(areas), ...areas].map((area) => (100 * area).toFixed(1));
  process.stdout.write(`| ${key} | ${whole} | ${each.join(", ")} |\n`);
}
