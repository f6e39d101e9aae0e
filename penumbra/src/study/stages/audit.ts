import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { safetensors, scope, type Tensor, tensor } from "@penumbra/torch";
import { extractFeatures, fitLinearProbe } from "../../contrast/index.ts";
import type { ImageLine, Photo } from "../../data/index.ts";
import type { FoundModel } from "../../diffusion/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import { type AuditResult, mean } from "../../results/index.ts";
import { auroc, classMeans, detectors } from "../../unknowns/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, labelsOf, photosHash, type StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { featuresFile } from "./features.ts";
import { imagesStage } from "./images.ts";
import { loadImages } from "./load-images.ts";
import { ModelLoader } from "./model-loader.ts";
import type { SeedData } from "./prepare-seeds.ts";
import type { TrainedArm } from "./train-arms.ts";

const auditFile = "audit.json";
/** Images of each kind that a probe is fitted on: enough to tell, few enough to be quick. */
const MOST = 256;
const FOLDS = 4;
const L2 = 1e-2;

/**
 * Shortcut audits of every arm: whether its features tell how an image was made. Only training and validation photos
 * are looked at, and what was made of them.
 */
export async function auditArms(
  context: StudyContext,
  seeds: readonly SeedData[],
  trained: readonly TrainedArm[],
  model: FoundModel | undefined,
): Promise<Artifact[]> {
  const loader = model ? new ModelLoader(model, context.device, context.precision) : null;
  const artifacts: Artifact[] = [];
  for (const own of seeds) {
    // The validation photos are the same at every seed: their round trips are made once.
    const roundTrips = loader && (await roundTripsOf(context, own.split.validation, loader));
    if (!roundTrips && Object.keys(own.images).length === 0) continue;
    for (const arm of trained.filter(({ seed }) => seed === own.seed)) {
      artifacts.push(await auditStage(context, own, arm, roundTrips));
    }
  }
  return artifacts;
}

function roundTripsOf(
  context: StudyContext,
  photos: readonly Photo[],
  loader: ModelLoader,
): Promise<Artifact> {
  const title = { stage: "round-trips", label: "of the validation photos" };
  return imagesStage(context, "round-trip", { train: photos, seed: 0, loader, words: null, ...title });
}

export function readAudit({ folder }: Artifact): Promise<AuditResult> {
  return readJson<AuditResult>(join(folder, auditFile));
}

function auditStage(
  context: StudyContext,
  { split, images }: SeedData,
  { arm, seed, encoder, features }: TrainedArm,
  roundTrips: Artifact | null,
): Promise<Artifact> {
  const { config, store, tables, classes, device } = context;
  const drawn = Object.entries(images).filter(
    ([name]) => sourceOf(name, tables.sources).sifts === undefined, // of sifted ones there may be none
  );
  return store.run({
    name: "audit",
    version: 1,
    label: labelOf(context, seed, arm),
    inputs: {
      ...{ encoder, features, ...Object.fromEntries(drawn) },
      ...(roundTrips && { roundTrips }),
      train: photosHash(split.train),
      validation: photosHash(split.validation),
    },
    config: { imageSize: config.imageSize },
    run: async ({ folder }) => {
      const { tensors } = safetensors.read(join(features.folder, featuresFile));
      const real = { train: tensors.train as Tensor, validation: tensors.validation as Tensor };
      const { encoder: network } = readEncoder(context, encoder);
      const rowsOf = async (artifact: Artifact) => {
        const { images: all, lines } = await loadImages(context, artifact);
        const places = someOf(lines.length);
        const some = all.indexSelect(0, tensor(places, { dtype: "int64" }));
        const rows = extractFeatures(network, some, { device });
        for (const pixels of [all, some]) pixels.dispose();
        return { rows, lines: places.map((place) => lines[place] as ImageLine) };
      };
      const sources: { source: string; probe: number }[] = [];
      for (const [source, artifact] of drawn) {
        const { rows, lines } = await rowsOf(artifact);
        sources.push({ source, probe: tellApart(partOf(real.train, split.train), partOf(rows, lines)) });
      }
      let moved: AuditResult["moved"] = null;
      let roundTripProbe: number | null = null;
      if (roundTrips) {
        const { rows, lines } = await rowsOf(roundTrips);
        const places = new Map(split.validation.map(({ id }, place) => [id, place]));
        const parents = lines.map(({ parent }) => places.get(parent) as number);
        const photos = real.validation.indexSelect(0, tensor(parents, { dtype: "int64" })); // in the order of the lines
        roundTripProbe = tellApart(partOf(photos, lines), partOf(rows, lines));
        const trained = { features: real.train, labels: labelsOf(split.train, classes) };
        const labels = labelsOf(
          parents.map((place) => split.validation[place] as Photo),
          classes,
        );
        moved = movedBy(trained, { photos, trips: rows, labels });
      }
      const result: AuditResult = { arm, seed, roundTripProbe, sources, moved };
      await writeFileAtomic(join(folder, auditFile), `${JSON.stringify(result)}\n`);
      return { roundTripProbe, sources: sources.length };
    },
  });
}

/** Features of images with the object that each shows or was made of. */
export interface Part {
  readonly rows: Tensor;
  readonly objects: readonly string[];
}

/** Features of at most {@link MOST} images, from all over. */
function partOf(rows: Tensor, items: readonly (Photo | ImageLine)[]): Part {
  const places = someOf(items.length);
  return {
    rows: rows.indexSelect(0, tensor(places, { dtype: "int64" })),
    objects: places.map((place) => items[place]!.object),
  };
}

/** Places of at most {@link MOST} items, from all over. */
function someOf(count: number): number[] {
  const kept = Math.min(MOST, count);
  return Array.from({ length: kept }, (_, place) => Math.floor((place * count) / kept));
}

/**
 * AUROC of a linear probe that tells two kinds of images, on objects that it was not fitted on: the mean over folds of
 * objects.
 */
export function tellApart(one: Part, other: Part): number {
  const objects = [...new Set([...one.objects, ...other.objects])].sort();
  const foldOf = (object: string) => objects.indexOf(object) % FOLDS;
  const rows = torch.cat([one.rows, other.rows]);
  const folds = [...one.objects, ...other.objects].map(foldOf);
  const labels = [...one.objects.map(() => 0), ...other.objects.map(() => 1)];
  const found = Array.from({ length: FOLDS }, (_, fold) => {
    const places = (isHeld: boolean) => folds.flatMap((own, row) => ((own === fold) === isHeld ? [row] : []));
    const [fitted, held] = [places(false), places(true)];
    const kinds = (chosen: readonly number[]) => chosen.map((place) => labels[place] as number);
    if (new Set(kinds(held)).size < 2 || new Set(kinds(fitted)).size < 2) return null;
    return scope(() => {
      const pick = (chosen: readonly number[]) =>
        rows.indexSelect(0, tensor([...chosen], { dtype: "int64" }));
      const probe = fitLinearProbe(pick(fitted), kinds(fitted), { classes: 2, l2: L2 });
      const logits = probe.logits(pick(held)).tolist() as [number, number][];
      const scores = logits.map(([first, second]) => second - first);
      const of = (kind: number) => scores.filter((_, row) => labels[held[row] as number] === kind);
      return auroc(of(1), of(0));
    });
  }).filter((value) => value !== null);
  return mean(found);
}

/** What a round trip does to known photos, seen by features that were fitted on the training photos. */
function movedBy(
  trained: { readonly features: Tensor; readonly labels: readonly number[] },
  { photos, trips, labels }: { photos: Tensor; trips: Tensor; labels: readonly number[] },
): AuditResult["moved"] {
  return scope(() => {
    const length = (rows: Tensor) => rows.square().sum([1]).sqrt().mean().item();
    const exact = (rows: Tensor) => rows.to("float64");
    const { means } = classMeans(exact(trained.features), trained.labels);
    const own = means.indexSelect(0, tensor([...labels], { dtype: "int64" }));
    const right = (rows: Tensor) => {
      const answers = torch.cdist(exact(rows), means).argmin({ dim: 1 }).toNumbers();
      return answers.filter((answer, row) => answer === labels[row]).length / labels.length;
    };
    const judge = detectors.mahalanobis.fit(trained);
    return {
      shift: length(exact(trips).sub(exact(photos))) / length(exact(photos).sub(own)),
      lessKnown: auroc(judge.score({ features: photos }), judge.score({ features: trips })),
      accuracy: right(photos),
      roundTripAccuracy: right(trips),
    };
  });
}
