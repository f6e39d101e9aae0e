import { join } from "node:path";
import { safetensors } from "@penumbra/torch";
import type { Split, SplitName } from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { autocastTo } from "../../models/index.ts";
import type { ScoreFile, Unit, UnitScores } from "../../results/index.ts";
import { type DetectorTable, detectorOf } from "../../unknowns/index.ts";
import type { StudyConfig } from "../config/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, photosHash, pixelsHash, pixelsOf, type StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { featuresFile } from "./features.ts";
import type { SeedImages } from "./images.ts";
import { loadProbe } from "./probe.ts";
import { objectSamples, type PhotoEvidence, photoSamples } from "./samples.ts";
import { scoreObjects, scorePhotos } from "./score-unit.ts";
import { splitNames } from "./split.ts";
import { readStandIns } from "./stand-ins.ts";
import { readUnlearned } from "./unlearned.ts";

export const scoresFile = "scores.json";

export interface ScoreInputs {
  readonly arm: string;
  readonly seed: number;
  readonly encoder: Artifact;
  readonly features: Artifact;
  readonly probe: Artifact;
  /** What stands in for validation unknowns, where there are none. */
  readonly standIns?: Artifact | undefined;
  /** Images that no arm learns from. */
  readonly unlearned: SeedImages;
}

/** Scores of an arm at a seed, of single photos and, where objects have several views, of objects. */
export function scoreStage(context: StudyContext, split: Split, inputs: ScoreInputs): Promise<Artifact> {
  const { config, tables, store, classes, precision } = context;
  const { arm, seed, encoder, features, probe, standIns, unlearned } = inputs;
  const { detectors: names } = config;
  const tuned = Object.entries(config.tuning).filter(([name]) => names.includes(name));
  const settings = { detectors: names, tuning: Object.fromEntries(tuned) as StudyConfig["tuning"] };
  const versions = versionsOf(names, tables.detectors);
  const looksAtPixels = names.some((name) => detectorOf(name, tables.detectors).needs.includes("pixels"));
  const hashOfPhotos = looksAtPixels
    ? (name: SplitName) => pixelsHash(context, split[name])
    : (name: SplitName) => photosHash(split[name]);
  const seesImages = looksAtPixels || Object.keys(unlearned).length > 0;
  return store.run({
    name: "score",
    version: 7,
    label: labelOf(context, seed, arm),
    inputs: {
      features,
      probe,
      ...(standIns && { standIns }),
      ...(seesImages && { encoder }),
      ...Object.fromEntries(
        Object.entries(unlearned).map(([name, artifact]) => [`unlearned ${name}`, artifact]),
      ),
      ...Object.fromEntries(splitNames.map((name) => [name, hashOfPhotos(name)])),
    },
    config: {
      ...settings,
      ...(seesImages && { imageSize: config.imageSize }),
      ...(looksAtPixels && { precision }),
      ...(Object.keys(versions).length > 0 && { versions }),
    },
    run: async ({ folder }) => {
      const evidence: PhotoEvidence = {
        features: safetensors.read(join(features.folder, featuresFile)).tensors,
        probe: loadProbe(probe),
        ...(looksAtPixels && { network: networkEvidence(context, split, encoder) }),
      };
      const seenBy = [evidence.probe, evidence.network?.forward] as const;
      const others = {
        standIns: await readStandIns(standIns, ...seenBy),
        synthetic: await readUnlearned(context, encoder, unlearned, ...seenBy),
      };
      const photo = photoSamples(split, evidence, others, classes);
      const all = { ...settings, table: tables.detectors, classes, fits: new Map() };
      const { scores, fitted } = await scorePhotos(photo, all);
      const units: Partial<Record<Unit, UnitScores>> = { photo: scores };
      if (photo.test.ids.length > new Set(photo.test.objects).size) {
        units.object = await scoreObjects(objectSamples(photo, evidence.probe), scores, all);
      }
      await writeFileAtomic(join(folder, scoresFile), JSON.stringify({ units, fitted } satisfies ScoreFile));
      return { ...fitted };
    },
  });
}

/** The versions of those detectors that have one: part of the identity of their scores. */
function versionsOf(names: readonly string[], table: DetectorTable): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const { version } = detectorOf(name, table);
      return version === undefined ? [] : [[name, version] as const];
    }),
  );
}

/** The encoder as a function of pixels, and the way to the pixels of a part: what ODIN and its like look at. */
function networkEvidence(
  context: StudyContext,
  split: Split,
  artifact: Artifact,
): NonNullable<PhotoEvidence["network"]> {
  const { config, device, precision } = context;
  const { encoder } = readEncoder(context, artifact);
  encoder.eval(); // an image's features must not depend on the other images
  const exactly = autocastTo(device, "float32");
  // In float16 small gradients would become 0.
  const roughly = autocastTo(device, precision === "bf16" ? "bfloat16" : "float32");
  return {
    forward: (pixels01, purpose) => {
      const compute = purpose === "signs" ? roughly : exactly;
      return compute(() => encoder.forward(pixels01.to(device))).to("cpu");
    },
    pixels: (part) => pixelsOf(context, split[part], config.imageSize),
  };
}
