import { hashOf } from "../../files/index.ts";
import type { Outcome, ResultLine } from "../../results/index.ts";

/** A figure over the steps of a training, or one alone at its end. */
export interface TrackedFigure {
  /** "train/loss", "test/photo/near/auroc/knn" */
  readonly name: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** One arm at one seed with a number of shots, as tools that keep track of experiments know a run. */
export interface TrackedRun {
  readonly arm: string;
  readonly seed: number;
  /** Null where the study has one number of shots. */
  readonly shots: number | null;
  /** What it was made with. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly figures: readonly TrackedFigure[];
}

/**
 * Every arm at every seed: curves of its training, and its figures on the test at the step whose weights were kept; with
 * the other numbers of shots the figures alone.
 */
export function trackedRuns(outcome: Outcome): TrackedRun[] {
  const { training, otherShots } = outcome;
  const hasCurves = otherShots.length > 0;
  return [
    ...runsOf(outcome, hasCurves ? training.shots : null),
    ...otherShots.flatMap(({ shots, results }) =>
      runsOf({ ...outcome, training: { ...training, shots }, results, curves: [] }, shots),
    ),
  ];
}

function runsOf(outcome: Outcome, shots: number | null): TrackedRun[] {
  return outcome.arms.flatMap((arm) =>
    outcome.seeds.map((seed): TrackedRun => {
      const isOwn = (item: { readonly arm: string; readonly seed: number }) =>
        item.arm === arm.name && item.seed === seed;
      const curve = outcome.curves.find(isOwn);
      const step = curve?.keptStep ?? 0; // nothing was trained
      return {
        arm: arm.name,
        seed,
        shots,
        parameters: parametersOf(outcome, arm, seed),
        figures: [
          ...(curve ? curvesOf(curve) : []),
          ...outcome.results
            .filter(isOwn)
            .flatMap(finalsOf)
            .map(({ name, value }) => ({
              name,
              points: [{ step, value }],
            })),
        ].filter(({ points }) => points.length > 0),
      };
    }),
  );
}

/** What tells a run from the others of its arm: its seed, and its shots where there are several. */
export function partsOf({ seed, shots }: Pick<TrackedRun, "seed" | "shots">): string[] {
  return [...(shots === null ? [] : [`${shots}-shots`]), `seed-${seed}`];
}

/** A name for an arm at a seed that is the same whenever it is written. @returns 32 hexadecimal digits */
export function runId(...parts: readonly (string | number)[]): string {
  return hashOf(parts).slice(0, 32);
}

function parametersOf(
  { training, model, detector }: Outcome,
  { name, objective, positives, negatives, use }: Outcome["arms"][number],
  seed: number,
): Record<string, string> {
  const all = {
    ...{ arm: name, seed, objective, positives, negatives, use },
    ...training,
    ...{ model: model && `${model.name} (${model.hash.slice(0, 12)})`, detector },
  };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, String(value ?? "none")]));
}

function curvesOf({ points, evaluations }: Outcome["curves"][number]): TrackedFigure[] {
  const looks = (["train", "validation"] as const).flatMap((part) =>
    (["loss", "accuracy"] as const).map((figure) => ({
      name: `photos/${part}/${figure}`,
      points: evaluations.map((at) => ({ step: at.step, value: at[part][figure] })),
    })),
  );
  return [{ name: "train/loss", points: points.map(({ step, loss }) => ({ step, value: loss })) }, ...looks];
}

/** The figures of a line of results.jsonl that are about the test. */
function finalsOf(line: ResultLine): { readonly name: string; readonly value: number }[] {
  if (line.kind === "trial") return []; // of validation
  const figures = (name: (figure: string) => string) =>
    Object.entries(line).flatMap(([key, value]) =>
      typeof value === "number" && key !== "seed" && key !== "shots" && key !== "items"
        ? [{ name: `test/${name(key)}`, value }]
        : [],
    );
  const { unit } = line;
  if (line.kind === "classification") return figures((figure) => `${unit}/${figure}`);
  const { detector, views } = line;
  const read = views === "single" || views === "features" ? unit : `${unit}-${views}`;
  if (line.kind === "synthetic") return figures((figure) => `${read}/${line.recipe}/${figure}/${detector}`);
  const { part, role, unknownClass } = line;
  if (part !== "test" || unknownClass !== null) return [];
  return figures((figure) => `${read}/${role}/${figure}/${detector}`);
}
