/** In what arms differ: the factors of the design. */
export const FACTORS = ["positives", "negatives", "use", "objective", "changes"] as const;
export type Factor = (typeof FACTORS)[number];

/** An arm as its level of each factor; null = no synthetic images there. */
export interface ArmDesign extends Readonly<Record<Factor, string | null>> {
  readonly name: string;
  readonly objective: string;
}

/** What a question is about: one factor, from one level to another. */
export interface Change {
  readonly factor: Factor;
  readonly from: string | null;
  readonly to: string;
}

/**
 * A question is a change (or those that belong together), and answered by every pair of arms that differ in it only:
 * mean of `treatment` minus mean of `control`, seed by seed. In the 2 x 2 design around SupCon that is the main effect
 * of each kind of redraws: ((faithful - none) + (both - near-ood)) / 2.
 */
export interface Question extends Contrast {
  readonly name: string;
  readonly changes: readonly Change[];
  /**
   * The objective of all its arms: what images do is asked for each objective by itself, since they may help one and
   * harm another. Null where the question is about objectives.
   */
  readonly objective: string | null;
}

export interface Contrast {
  readonly treatment: readonly string[];
  /** Empty: the treatment's own figure, without a difference. */
  readonly control: readonly string[];
  /** What the difference of the means is multiplied by; 1 unless given. */
  readonly scale?: number;
}
