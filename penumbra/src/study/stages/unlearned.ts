import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { extractStages, type LinearProbe } from "../../contrast/index.ts";
import type { ImageLine, Photo } from "../../data/index.ts";
import type { Network } from "../../unknowns/index.ts";
import { armOf } from "../arms/index.ts";
import { drawnSources, type LoadedConfig } from "../config/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import type { StudyContext } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { imagesStage } from "./images.ts";
import { loadImages } from "./load-images.ts";
import type { ImagesInputs } from "./prepared-source.ts";
import { evidenceOf, NO_SAMPLES, type PartSamples } from "./samples.ts";

/** Photos that such images are made of: enough for an AUROC, few beside those that are learned from. */
export const UNLEARNED_PHOTOS = 32;

/** What needs no generator, so that every arm meets a recipe that it has not seen. */
const FREE = "collage";

type Tables = Pick<LoadedConfig, "config" | "tables">;

/**
 * The sources whose near-OOD images are drawn once more, of validation photos, so that arms can be asked of recipes that
 * they learned from and of others: those of some arm, and collages. None where no arm learns from such images, and none
 * of images that are brought, of which there are no others.
 */
export function unlearnedSources(study: Tables): string[] {
  const table = study.tables.sources;
  const drawn = drawnSources(study).map((name) => sourceOf(name, table).sifts ?? name);
  const near = drawn.filter((name) => sourceOf(name, table).kind === "near-ood");
  if (near.length === 0) return [];
  return Object.keys(table).filter(
    (name) => (name === FREE || near.includes(name)) && sourceOf(name, table).brings === undefined,
  );
}

/** The recipes of the images that an arm learns from, as whatever it takes them. */
export function seenRecipes(arm: string, { arms, sources }: LoadedConfig["tables"]): ReadonlySet<string> {
  const { positives, negatives } = armOf(arm, arms);
  return new Set(
    [positives, negatives].flatMap((name) =>
      name === null ? [] : Object.keys(sourceOf(name, sources).recipes),
    ),
  );
}

/** Draws, for a seed, what no arm learns from. */
export async function unlearnedImages(
  context: StudyContext,
  validation: readonly Photo[],
  inputs: ImagesInputs,
): Promise<Readonly<Record<string, Artifact>>> {
  const count = Math.min(UNLEARNED_PHOTOS, validation.length);
  const photos = Array.from(
    { length: count },
    (_, place) => validation[Math.floor((place * validation.length) / count)]!,
  );
  const images: Record<string, Artifact> = {};
  for (const name of unlearnedSources(context)) {
    images[name] = await imagesStage(context, name, { ...inputs, of: photos, stage: "unlearned" });
  }
  return images;
}

/** The images as an encoder sees them, as a part whose classes are recipes. */
export async function readUnlearned(
  context: StudyContext,
  encoder: Artifact,
  images: Readonly<Record<string, Artifact>>,
  probe: LinearProbe,
  network: Network | undefined,
): Promise<PartSamples> {
  if (Object.keys(images).length === 0) return NO_SAMPLES;
  const { encoder: own } = readEncoder(context, encoder);
  const all: {
    readonly pixels: Tensor;
    readonly stages: readonly Tensor[];
    readonly lines: readonly ImageLine[];
  }[] = [];
  for (const artifact of Object.values(images)) {
    const { images: pixels, lines } = await loadImages(context, artifact);
    all.push({ pixels, stages: extractStages(own, pixels, { device: context.device }), lines });
  }
  const stages = all[0]!.stages.map((_, place) => torch.cat(all.map((each) => each.stages[place]!)));
  const pixels = network && torch.cat(all.map((each) => each.pixels));
  for (const each of all) for (const tensor of [each.pixels, ...each.stages]) tensor.dispose();
  const lines = all.flatMap((each) => each.lines);
  return {
    ids: lines.map(({ file }) => file),
    objects: lines.map(({ recipe, object }) => `${recipe} of ${object}`),
    classNames: lines.map(({ recipe }) => recipe),
    labels: lines.map(() => -1),
    evidence: { ...evidenceOf(stages, probe), ...(network && { network, pixels }) },
  };
}
