// The table of where images come from. A new source is a file beside this one and a line in the table.
import type { Json } from "../../files/index.ts";
import { augmented } from "./augmented.ts";
import { collage } from "./collage.ts";
import { generated } from "./generated.ts";
import { boundary, faithful, nearOod } from "./redraws.ts";
import { roundTrips } from "./round-trip.ts";
import type { ImageSource, SourceNeed, SourceTraining } from "./source.ts";

/** What draws, in the order in which it is drawn and shown. */
const drawn = {
  faithful,
  "near-ood": nearOod,
  boundary,
  collage,
  augmented,
  "round-trip": roundTrips,
  ...generated,
} as const satisfies Readonly<Record<string, ImageSource>>;

type Drawn = typeof drawn;
type Sifted = { readonly [Name in keyof Drawn as `sifted-${Name}`]: ImageSource };

/** All sources by name: each as it is drawn, and sifted. */
export const sources = withSifted(drawn) as Drawn & Sifted;

export type SourceName = keyof typeof sources;

/** Each source with one beside it, `sifted-NAME`, that takes of its images only those that are what they are meant to be. */
export function withSifted(table: Readonly<Record<string, ImageSource>>): Record<string, ImageSource> {
  const sifted = Object.entries(table).map(([name, source]): [string, ImageSource] => [
    `sifted-${name}`,
    {
      ...source,
      title: `sifted ${source.title}`,
      description: `${source.description}; only those that encoders of real photos alone let pass`,
      sifts: name,
      section: null,
    },
  ]);
  return { ...table, ...Object.fromEntries(sifted) };
}

/** Sources by name: the room's own, or with a caller's. */
export type SourceTable = Readonly<Record<string, ImageSource>>;

/**
 * A source by its name.
 * @throws RangeError when the table has none of this name
 */
export function sourceOf(name: string, table: SourceTable = sources): ImageSource {
  const source = table[name];
  if (source) return source;
  throw new RangeError(`There is no source "${name}". Choose ${Object.keys(table).join(", ")}.`);
}

/** Whether one of these sources needs something. */
export function isNeeded(
  need: Exclude<SourceNeed, "photos">,
  names: readonly string[],
  table: SourceTable = sources,
): boolean {
  const wanted: readonly SourceNeed[] = need === "model" ? ["model", "words"] : ["words"];
  return names.some((name) => wanted.includes(sourceOf(name, table).needs));
}

/** Whether encoders of real photos alone judge images of some of these sources, on their way or afterwards. */
export function needsJudges(names: readonly string[], table: SourceTable = sources): boolean {
  return names.some((name) => {
    const { sifts, needsJudges: isGuided = false } = sourceOf(name, table);
    return isGuided || sifts !== undefined;
  });
}

/** The generator that each of these sources trains first, where it trains one; equal ones are trained once. */
export function trainingsOf(
  names: readonly string[],
  sections: Readonly<Record<string, Json | undefined>>,
  table: SourceTable = sources,
): SourceTraining[] {
  return names.flatMap((name) => {
    const { trains, sifts = name } = sourceOf(name, table);
    return trains?.(sections[sifts] ?? null) ?? [];
  });
}

/** How many of these sources read images from a folder first. */
export function countBrought(names: readonly string[], table: SourceTable = sources): number {
  return names.filter((name) => sourceOf(name, table).brings).length;
}

/** All recipes of a table with the kind of their images, in its order. */
export function recipesIn(table: SourceTable) {
  return Object.values(table).flatMap(({ recipes, kind, sifts }) =>
    Object.entries(sifts === undefined ? recipes : {}).map(([name, { title }]) => ({ name, title, kind })),
  );
}
