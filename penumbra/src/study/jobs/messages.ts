import type { Photo, SplitName } from "../../data/index.ts";
import type { FoundModel } from "../../diffusion/index.ts";
import type { Machine } from "../../results/index.ts";
import type { SeedSplit, StudyContext } from "../stages/index.ts";
import type { StageEvent } from "../store/index.ts";
import type { StudyTask } from "./tasks.ts";

/** What a job is told of its study when it starts: plain data, from which it makes the same context. */
export interface JobStudy {
  readonly context: Omit<StudyContext, "store" | "tables">;
  /** The arms that the configuration has of its own, with the built-in ones: plain data as well. */
  readonly arms: StudyContext["tables"]["arms"];
  readonly run: string;
  readonly machine: Machine;
  /** Every photo once; the splits name their places. */
  readonly photos: readonly Photo[];
  readonly splits: readonly PackedSplit[];
  readonly model: FoundModel | undefined;
}

interface PackedSplit {
  readonly seed: number;
  readonly shots: number;
  readonly parts: Readonly<Record<SplitName, readonly number[]>>;
}

/** From the study to a job. */
export type ToJob =
  | { readonly kind: "study"; readonly study: JobStudy }
  | { readonly kind: "task"; readonly task: StudyTask }
  | { readonly kind: "granted"; readonly hash: string };

/** From a job to the study. */
export type FromJob =
  | { readonly kind: "ready"; readonly peakMemory: number }
  | { readonly kind: "event"; readonly event: StageEvent }
  | { readonly kind: "claim"; readonly hash: string }
  | { readonly kind: "release"; readonly hash: string }
  | { readonly kind: "failed"; readonly error: JobFailure };

/** What was thrown in a job. */
export interface JobFailure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of errors of the system: ENOSPC and the like. */
  readonly code: string | undefined;
}

/** Splits with every photo only once. */
export function packSplits(splits: readonly SeedSplit[]): Pick<JobStudy, "photos" | "splits"> {
  const places = new Map<Photo, number>();
  const placeOf = (photo: Photo) => {
    const place = places.get(photo) ?? places.size;
    places.set(photo, place);
    return place;
  };
  const packed = splits.map(({ seed, shots, split }) => ({
    seed,
    shots,
    parts: mapParts(split, (photos) => photos.map(placeOf)),
  }));
  return { photos: [...places.keys()], splits: packed };
}

/** What {@link packSplits} packed. */
export function unpackSplits({ photos, splits }: Pick<JobStudy, "photos" | "splits">): SeedSplit[] {
  return splits.map(({ seed, shots, parts }) => ({
    seed,
    shots,
    split: mapParts(parts, (places) => places.map((place) => photos[place]!)),
  }));
}

function mapParts<From, To>(
  parts: Readonly<Record<SplitName, From>>,
  change: (part: From) => To,
): Record<SplitName, To> {
  const entries = Object.entries(parts) as [SplitName, From][];
  return Object.fromEntries(entries.map(([name, part]) => [name, change(part)])) as Record<SplitName, To>;
}
