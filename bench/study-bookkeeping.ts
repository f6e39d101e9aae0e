// `node --import tsx --conditions=source bench/study-bookkeeping.ts [--photos 100000] [--classes 300]`: what a study of
// many photos does beside its networks, without any: splits of five seeds at four numbers of shots, written and read,
// and the identities of the lists that five arms ask for. Processor time and peak memory, with made-up photos.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Manifest, Photo } from "../penumbra/src/data/index.ts";
import { hashOf } from "../penumbra/src/files/index.ts";
import { parseSettings, type SettledConfig, settleImages, TABLES } from "../penumbra/src/study/index.ts";
import {
  photosHash,
  pixelsHash,
  type StudyContext,
  splitNames,
  splitSeeds,
} from "../penumbra/src/study/stages/index.ts";
import { StageStore } from "../penumbra/src/study/store/index.ts";

const { values } = parseArgs({
  options: { photos: { type: "string", default: "100000" }, classes: { type: "string", default: "300" } },
});
const [count, classCount] = [Number(values.photos), Number(values.classes)];
const OBJECT_VIEWS = 8;

/** Three quarters of the classes are known, an eighth each near and far. */
function roleOf(place: number): Photo["role"] {
  return place % 8 === 0 ? "near" : place % 8 === 1 ? "far" : "known";
}

const photos = Array.from({ length: count }, (_, index): Photo => {
  const place = index % classCount;
  const className = `class-${place}`;
  const object = `${className}/${Math.floor(index / classCount / OBJECT_VIEWS)}`;
  const id = `${roleOf(place)}/${object}/${index}.jpg`;
  return {
    ...{ id, hash: hashOf(id), className, object, role: roleOf(place) },
    ...{ width: 48, height: 48 },
  } as Photo;
}).sort((a, b) => (a.id < b.id ? -1 : 1));
const known = [...new Set(photos.flatMap(({ role, className }) => (role === "known" ? [className] : [])))];
const manifest = {
  root: ".",
  photos,
  classes: known,
  problems: [],
  notes: [],
  white: {},
} as unknown as Manifest;

const folder = await mkdtemp(join(tmpdir(), "penumbra-bookkeeping-"));
const before = process.cpuUsage();
const config: SettledConfig = settleImages(
  parseSettings({ photos: ".", split: { shots: [1, 2, 4, 8] } }, "bench"),
  null,
);
const context = {
  ...{ config, tables: TABLES, store: new StageStore(folder), folder, root: ".", cacheFolder: folder },
  ...{ classes: known, weights: null, device: "cpu", precision: "fp32", white: {} },
} as unknown as StudyContext;
const splits = await splitSeeds(context, manifest);
for (const { split } of splits) {
  for (let arm = 0; arm < config.arms.length; arm++) {
    for (const name of splitNames) {
      pixelsHash(context, split[name]); // features
      photosHash(split[name]); // scores
    }
    for (let others = 0; others < 4; others++) photosHash(split.train); // encoder, probe, audit
  }
}
const { user, system } = process.cpuUsage(before);
await rm(folder, { recursive: true, force: true });
process.stdout.write(
  `${JSON.stringify({
    ...{ photos: count, classes: classCount, splits: splits.length },
    processorSeconds: (user + system) / 1e6,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  })}\n`,
);
