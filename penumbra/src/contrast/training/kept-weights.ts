/** How far an encoder is, on photos that it learns from and on others. */
export interface Evaluation {
  /** Steps done. */
  readonly step: number;
  readonly train: EvaluatedPart;
  readonly validation: EvaluatedPart;
}

export interface EvaluatedPart {
  /** The objective's loss on photos alone, without redraws and negatives: the same function on both parts. */
  readonly loss: number;
  /** Share of the photos whose features, as angles, are nearest to the mean of their own class's training photos. */
  readonly accuracy: number;
}

/** Which weights a training keeps: those of its last step, or those with the best validation figure. */
export const KEPT_WEIGHTS = ["last", "loss", "accuracy"] as const;
export type KeptWeights = (typeof KEPT_WEIGHTS)[number];

/** Place of the best of some evaluations, the first of equal ones; -1 of none. */
export function bestOf(evaluations: readonly Evaluation[], keep: Exclude<KeptWeights, "last">): number {
  const value = ({ validation }: Evaluation) => (keep === "loss" ? -validation.loss : validation.accuracy);
  return evaluations.reduce(
    (best, next, place) => (best < 0 || value(next) > value(evaluations[best]!) ? place : best),
    -1,
  );
}
