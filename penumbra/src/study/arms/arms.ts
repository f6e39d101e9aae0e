/** One way to train the encoder. The arms form the 2 x 2 design around `supcon`, with cross-entropy beside it. */
export interface Arm {
  readonly objective: "cross-entropy" | "supcon";
  /** Faithful redraws join the training photos as further members of their class. */
  readonly hasFaithful: boolean;
  /** Near-OOD redraws are columns of the denominator: negatives only. */
  readonly hasNearOod: boolean;
  /** What the report calls it. */
  readonly title: string;
}

export const armNames = ["cross-entropy", "supcon", "supcon+id", "supcon+near-ood", "supcon+both"] as const;
export type ArmName = (typeof armNames)[number];

export const arms: Readonly<Record<ArmName, Arm>> = {
  "cross-entropy": {
    objective: "cross-entropy",
    hasFaithful: false,
    hasNearOod: false,
    title: "Cross-entropy",
  },
  supcon: { objective: "supcon", hasFaithful: false, hasNearOod: false, title: "SupCon" },
  "supcon+id": { objective: "supcon", hasFaithful: true, hasNearOod: false, title: "SupCon + faithful" },
  "supcon+near-ood": {
    objective: "supcon",
    hasFaithful: false,
    hasNearOod: true,
    title: "SupCon + near-OOD",
  },
  "supcon+both": { objective: "supcon", hasFaithful: true, hasNearOod: true, title: "SupCon + both" },
};

/** Which redraws: positives, or negatives only. */
export type RedrawKind = "faithful" | "near-ood";

/** The redraws that some of these arms want. */
export function redrawKinds(names: readonly ArmName[]): RedrawKind[] {
  return [
    ...(names.some((name) => arms[name].hasFaithful) ? (["faithful"] as const) : []),
    ...(names.some((name) => arms[name].hasNearOod) ? (["near-ood"] as const) : []),
  ];
}
