import type { Peer } from "./peer.ts";

/** One comparison with a peer, in Python unless `against` says otherwise. */
export interface Measure {
  readonly name: string;
  /** What is measured, in a few words, with the shapes that matter. */
  readonly title: string;
  readonly unit: "µs" | "ms" | "MiB";
  /** The ratio that this measure is meant to reach. */
  readonly goal: number;
  /** What the peer is. Default "Python". */
  readonly against?: string;
  /** Why this machine cannot run it; undefined where it can. */
  readonly unavailable?: () => string | undefined;
  /** Builds both sides: the same shapes, the same mathematics, the same number of threads, the same precision. */
  readonly prepare: (peer: Peer) => Promise<Sides>;
}

/** Both sides of a measure, ready to run. Each call takes one sample: the cost of one step in the measure's unit. */
export interface Sides {
  readonly ours: () => number | Promise<number>;
  readonly peer: () => Promise<number>;
  /** How many samples of each side; without it, the runner's number of rounds. */
  readonly rounds?: number;
  /** What else was seen while sampling, in a few words; asked for at the end. */
  readonly note?: () => string;
  /** Ends what was started for sampling. */
  readonly close?: () => void;
}

/** What came out of a measure. `ratio` = cost of ours / cost of the peer: below 1 is better. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  readonly unit: string;
  readonly ratio: number;
  /** The middle half of the rounds' ratios. */
  readonly spread: readonly [number, number];
  readonly rounds: number;
  readonly goal: number;
  readonly note?: string;
}

/** Samples both sides in turns (A B, B A, …), so that a machine that slows down slows both. */
export async function compare(measure: Measure, sides: Sides, rounds: number): Promise<Result> {
  const ours: number[] = [];
  const peer: number[] = [];
  const count = sides.rounds ?? rounds;
  for (let round = 0; round < count; round += 1) {
    if (round % 2 === 0) ours.push(await sides.ours());
    peer.push(await sides.peer());
    if (round % 2 === 1) ours.push(await sides.ours());
  }
  sides.close?.();
  const ratios = ours.map((cost, round) => cost / (peer[round] ?? Number.NaN));
  return {
    name: measure.name,
    ours: quantile(ours, 0.5),
    peer: quantile(peer, 0.5),
    unit: measure.unit,
    ratio: quantile(ratios, 0.5),
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    rounds: count,
    goal: measure.goal,
    ...(sides.note ? { note: sides.note() } : {}),
  };
}

/** Linear interpolation between the sorted values. */
function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = at * (sorted.length - 1);
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}
