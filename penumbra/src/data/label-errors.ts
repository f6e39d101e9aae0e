import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { groupBy } from "./group.ts";
import type { Photo, Problem } from "./types.ts";

/** Neighbours that have a say, where a photo's class has that many photos of other objects. */
const NEIGHBOURS = 10;
/** With fewer photos of other objects a class cannot say what it looks like. */
const FEWEST = 3;
/** Neighbours of its own class that a suspected photo has at most, and of one other class at least, as shares. */
const MOST_OWN = 0.1;
const LEAST_OTHER = 0.5;

/**
 * Photos whose label is probably wrong: hardly any of the photos of OTHER objects that resemble them most is of their
 * own class, and most are of one other. Neighbours by cosine similarity; of the photo's own object none counts, since
 * they share its label, right or wrong. (k-NN label audit, as cleanlab and FiftyOne Brain have it; here by object.)
 *
 * @param features [N, D] of the photos, in their order
 * @returns findings of the kind "label", each with the nearest photo of the other class
 */
export function findLabelErrors(
  photos: readonly Photo[],
  features: Tensor,
  onProgress?: (done: number, total: number) => void,
): Problem[] {
  const classes = numbered(photos.map(({ role, className }) => `${role}/${className}`));
  const objects = numbered(photos.map(({ role, object }) => `${role}/${object}`));
  const counts = neighboursOf(classes, objects);
  const found: Suspicion[] = [];
  scope(() => {
    const rows = torch.nn.functional.normalize(features.to("float32"), { dim: 1 });
    const owners = torch.tensor(objects, { dtype: "int64" });
    const most = Math.min(NEIGHBOURS, photos.length);
    // A block of similarities has some 16 million numbers.
    const step = Math.max(1, Math.floor(2 ** 24 / photos.length));
    for (let start = 0; start < photos.length; start += step) {
      const length = Math.min(step, photos.length - start);
      const nearest = scope(() => {
        const isOwn = owners.narrow(0, start, length).unsqueeze(1).eq(owners); // [B, N]
        const similarity = rows.narrow(0, start, length).matmul(rows.t());
        const [, places] = similarity.maskedFill(isOwn, Number.NEGATIVE_INFINITY).topk(most, { dim: 1 });
        return places.tolist() as number[][];
      });
      for (const [offset, places] of nearest.entries()) {
        const index = start + offset;
        const k = Math.min(NEIGHBOURS, counts[index]!);
        if (k < FEWEST) continue;
        const suspected = suspicion(photos, classes, index, places.slice(0, k));
        if (suspected) found.push(suspected);
      }
      onProgress?.(start + length, photos.length);
    }
  });
  // The surest first: a person stops looking when there is nothing more to find.
  return found.sort((a, b) => b.margin - a.margin).map(({ problem }) => problem);
}

interface Suspicion {
  readonly problem: Problem;
  /** Share of the neighbours that are of the other class, less that of its own, 0.4 … 1. */
  readonly margin: number;
}

/** Known and unknown classes with too few objects to tell whether their labels are right. */
export function classesWithoutCompany(photos: readonly Photo[]): string[] {
  return [...groupBy(photos, ({ role, className }) => `${role}/${className}`).values()].flatMap((own) => {
    const objects = groupBy(own, ({ object }) => object);
    const largest = Math.max(...[...objects.values()].map(({ length }) => length));
    return own.length - largest < FEWEST ? [own[0]!.className] : [];
  });
}

function suspicion(
  photos: readonly Photo[],
  classes: readonly number[],
  index: number,
  nearest: readonly number[],
): Suspicion | undefined {
  const votes = groupBy(nearest, (place) => classes[place]!);
  const own = votes.get(classes[index]!)?.length ?? 0; // none of the neighbours is of its class
  const [other] = [...votes.values()].sort((a, b) => b.length - a.length);
  const k = nearest.length;
  if (!other || own > MOST_OWN * k || other.length < LEAST_OTHER * k) return undefined;
  const [photo, like] = [photos[index]!, photos[other[0]!]!];
  const problem: Problem = {
    kind: "label",
    file: photo.id,
    other: like.id,
    isLeftOut: false,
    message: `"${photo.id}" looks like class "${like.className}": of the ${k} photos of other objects that resemble it most, ${other.length} are of that class and ${own} of its own ("${photo.className}"). Look at it beside "${like.id}"; if its label is wrong, move it.`,
  };
  return { problem, margin: (other.length - own) / k };
}

/** How many photos of other objects each photo's class has. */
function neighboursOf(classes: readonly number[], objects: readonly number[]): number[] {
  const inClass = countsOf(classes);
  const inObject = countsOf(objects);
  return classes.map((label, index) => inClass[label]! - inObject[objects[index]!]!);
}

function countsOf(numbers: readonly number[]): number[] {
  const counts: number[] = [];
  for (const number of numbers) counts[number] = 1 + (counts[number] ?? 0); // the first of its kind
  return counts;
}

/** Names as whole numbers from 0, in the order in which they come. */
function numbered(names: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}
