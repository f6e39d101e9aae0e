import { scope, type Tensor, tensor } from "@penumbra/torch";
import { type DetectorState, defineDetector, numberOf, requireOption } from "./detector.ts";
import { dealObjects } from "./folds.ts";
import { MEASURES, type MeasureName, type MeasureState, meanDistances, type Space } from "./measures.ts";
import { quantile } from "./quantile.ts";
import { lastStages, type StagesOptions, takeLast } from "./stages.ts";
import { everyCombination } from "./tuning.ts";

export interface NearnessDetectorOptions extends StagesOptions {
  /** Share of the training photos, each measured without its object, that count as inside their class. Default 0.9. */
  readonly known?: number;
}

/** What is measured in each stage. */
const COUNTED: readonly MeasureName[] = ["nearest-photo", "mahalanobis"];
/** Parts that the objects of a class are dealt to; each is measured by the others. */
const FOLDS = 3;

/**
 * How near an image lies to its nearest class, as the sift measures it: in each of the last stages the distance to the
 * class's nearest photo and the Mahalanobis distance to its mean, each divided by what is usual for photos of objects
 * that were left out (the `known` quantile); their mean, divided by its own such quantile, at the nearest class. A score
 * of -1 is as far out as the outermost training photos that count as known.
 *
 * Objects are dealt to three parts by name, and each part is measured by the others. Where no class has a second object
 * photos are left out one by one part instead; where none has a second photo, units are the distances between classes.
 */
export const nearness = defineDetector({
  title: "Nearest photo + Mahalanobis",
  description:
    "Distance to the nearest class over several stages: its nearest photo and its Gaussian together",
  needs: ["stages"],
  fitsOn: "train",
  tuning: everyCombination<NearnessDetectorOptions>({ last: lastStages }),
  learn: ({ stages, labels, objects, once }, options: NearnessDetectorOptions) => {
    const { last = stages.length, known = 0.9 } = options;
    requireOption("Nearest photo + Mahalanobis", "known", known, known > 0 && known <= 1, "above 0, up to 1");
    const counted = takeLast(stages, last);
    const rows = stages[0]?.shape[0] as number;
    const photos = labels(rows).map((label, row) => ({
      className: String(label),
      object: objects(rows)[row] as string,
    }));
    const spaces = counted.flatMap((stage, index) =>
      COUNTED.map((measure) => ({
        ...{ stage: index, measure },
        ...once(`stage -${counted.length - index} measured by ${measure}`, () =>
          measured(measure, stage, photos),
        ),
      })),
    );
    const units = spaces.map(({ usual }) => quantile(usual, known) || 1);
    const means = (spaces[0]?.usual ?? []).map(
      (_, place) =>
        spaces.reduce(
          (sum, { usual }, space) => sum + (usual[place] as number) / (units[space] as number),
          0,
        ) / spaces.length,
    );
    return {
      numbers: {
        ...{ last: counted.length, known, unit: quantile(means, known) || 1 },
        ...Object.fromEntries(units.map((unit, space) => [`unit${space}`, unit])),
      },
      tensors: Object.fromEntries(
        spaces.flatMap(({ state }, space) =>
          Object.entries(state).map(([name, values]) => [`${name}${space}`, values] as const),
        ),
      ),
    };
  },
  score: (state, { stages }) =>
    meanDistances(nearnessSpaces(state), takeLast(stages, numberOf(state, "last")))
      .amin({ dim: [1] })
      .div(numberOf(state, "unit"))
      .neg(),
});

/** The spaces of a fitted {@link nearness}. */
export function nearnessSpaces(state: DetectorState): Space[] {
  return Array.from({ length: numberOf(state, "last") * COUNTED.length }, (_, space) => {
    const own = new RegExp(`^(\\D+)${space}$`);
    const tensors = Object.entries(state.tensors).flatMap(([key, values]) => {
      const [, name] = own.exec(key) ?? [];
      return name === undefined ? [] : [[name, values] as const];
    });
    return {
      stage: Math.floor(space / COUNTED.length),
      measure: COUNTED[space % COUNTED.length] as MeasureName,
      state: Object.fromEntries(tensors),
      unit: numberOf(state, `unit${space}`),
    };
  });
}

interface NamedPhoto {
  readonly className: string;
  readonly object: string;
}

/** A measure fitted on all photos, and how far each that could be left out lies from its class without it. */
function measured(
  name: MeasureName,
  rows: Tensor,
  photos: readonly NamedPhoto[],
): { readonly state: MeasureState; readonly usual: readonly number[] } {
  const { fit, distances } = MEASURES[name];
  const classes = [...new Set(photos.map(({ className }) => className))];
  const labelOf = ({ className }: NamedPhoto) => classes.indexOf(className);
  const state = fit(rows, photos.map(labelOf));
  const usual = partsOf(photos).flatMap(({ seen, held }) =>
    scope(() => {
      const present = [...new Set(seen.map((row) => photos[row]?.className))];
      const known = seen.map((row) => present.indexOf(photos[row]?.className));
      const all = distances(fit(pick(rows, seen), known), pick(rows, held)).tolist() as number[][];
      return held.map((row, place) => all[place]?.[present.indexOf(photos[row]?.className)] as number);
    }),
  );
  if (usual.length > 0) return { state, usual };
  const others = scope(() => distances(state, rows).tolist()) as number[][];
  const between = others.map((row, place) =>
    Math.min(...row.filter((_, label) => label !== labelOf(photos[place] as NamedPhoto))),
  );
  return { state, usual: between.filter(Number.isFinite) };
}

/** Which photos are measured by which others; none where no class has two photos. */
function partsOf(photos: readonly NamedPhoto[]): { readonly seen: number[]; readonly held: number[] }[] {
  const byName = photos
    .map((photo, row) => ({ ...photo, row }))
    .sort((a, b) => (a.object < b.object ? -1 : Number(a.object > b.object)));
  const dealt = (named: readonly (NamedPhoto & { readonly row: number })[]) => {
    const folds = dealObjects(named, FOLDS);
    return Array.from({ length: FOLDS }, (_, fold) => {
      const seen = named.flatMap(({ row }, place) => (folds[place] === fold ? [] : [row]));
      const left = new Set(seen.map((row) => photos[row]?.className));
      // A class that is left out as a whole has nothing to be measured by.
      const held = named.flatMap(({ row, className }, place) =>
        folds[place] === fold && left.has(className) ? [row] : [],
      );
      return { seen, held };
    }).filter(({ held }) => held.length > 0);
  };
  const byObject = dealt(byName);
  return byObject.length > 0
    ? byObject
    : dealt(byName.map((photo) => ({ ...photo, object: `${photo.row}` })));
}

function pick(rows: Tensor, places: readonly number[]): Tensor {
  return rows.indexSelect(0, tensor([...places], { dtype: "int64" }));
}
