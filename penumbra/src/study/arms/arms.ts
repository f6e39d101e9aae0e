import type { ObjectiveName } from "../../contrast/index.ts";
import type { RedrawKind } from "../../diffusion/index.ts";
import type { ArmDesign } from "../../results/index.ts";

/** The images that an arm's positives and negatives can be, beside real photos. */
export const SOURCES: readonly { readonly name: RedrawKind; readonly title: string }[] = [
  { name: "faithful", title: "faithful redraws" },
  { name: "near-ood", title: "near-OOD redraws" },
];

/** One way to train the encoder. To add one: an entry in the table; questions, colours and words follow from it. */
export interface Arm<Objective extends string = string> {
  /** What the report calls it. */
  readonly title: string;
  /** What it is, in one sentence. */
  readonly description: string;
  /** What the encoder is trained for. */
  readonly objective: Objective;
  /** Redraws that join the training photos as further members of their class. */
  readonly positives: RedrawKind | null;
  /** Redraws that the loss sees as negatives only. */
  readonly negatives: RedrawKind | null;
}

/** The arms: a 2 x 2 design of redraws around `supcon`, with cross-entropy beside it. */
export const arms = {
  "cross-entropy": {
    title: "Cross-entropy",
    description: "A classifier's loss on real photos alone",
    objective: "cross-entropy",
    positives: null,
    negatives: null,
  },
  supcon: {
    title: "SupCon",
    description: "The supervised contrastive loss on real photos alone",
    objective: "supcon",
    positives: null,
    negatives: null,
  },
  "supcon+faithful": {
    title: "SupCon + faithful",
    description: "Faithful redraws stand in for their photos: more positives",
    objective: "supcon",
    positives: "faithful",
    negatives: null,
  },
  "supcon+near-ood": {
    title: "SupCon + near-OOD",
    description: "Near-OOD redraws are columns of the loss's denominator: negatives only",
    objective: "supcon",
    positives: null,
    negatives: "near-ood",
  },
  "supcon+both": {
    title: "SupCon + both",
    description: "Faithful redraws as positives and near-OOD redraws as negatives",
    objective: "supcon",
    positives: "faithful",
    negatives: "near-ood",
  },
} as const satisfies Readonly<Record<string, Arm<ObjectiveName>>>;

export type ArmName = keyof typeof arms;

/** Arms by name: the room's own, or with a caller's. */
export type ArmTable = Readonly<Record<string, Arm>>;

/** All arms, in the order of the table. */
export const armNames = Object.keys(arms) as [ArmName, ...ArmName[]];

/**
 * An arm by its name.
 * @throws RangeError when the table has none of this name
 */
export function armOf(name: string, table: ArmTable = arms): Arm {
  const arm = table[name];
  if (arm) return arm;
  throw new RangeError(`There is no arm "${name}". Choose ${Object.keys(table).join(", ")}.`);
}

/** How these arms differ from each other, in the order of the table. */
export function designsOf(names: readonly string[], table: ArmTable = arms): ArmDesign[] {
  return Object.keys(table)
    .filter((name) => names.includes(name))
    .map((name) => {
      const { objective, positives, negatives } = armOf(name, table);
      return { name, objective, positives, negatives };
    });
}

/** The redraws that some of these arms want. */
export function redrawKinds(names: readonly string[], table: ArmTable = arms): RedrawKind[] {
  const wanted = names.map((name) => armOf(name, table)).flatMap((arm) => [arm.positives, arm.negatives]);
  return SOURCES.map(({ name }) => name).filter((kind) => wanted.includes(kind));
}

/**
 * The arm whose features may judge redraws, because it has seen none: of several the one with the objective of an arm
 * that has. Undefined where every arm has seen some.
 */
export function judgeOf(names: readonly string[], table: ArmTable = arms): string | undefined {
  const isReal = (name: string) => sources(armOf(name, table)) === 0;
  const objectiveOf = (name: string) => armOf(name, table).objective;
  const objectives = names.filter((name) => !isReal(name)).map(objectiveOf);
  const real = names.filter(isReal);
  return real.find((name) => objectives.includes(objectiveOf(name))) ?? real[0];
}

/** The arm whose mistakes are shown: the last of those with the most kinds of synthetic images. */
export function shownArm(names: readonly string[], table: ArmTable = arms): string {
  const count = (name: string) => sources(armOf(name, table));
  const most = Math.max(...names.map(count));
  const shown = names.findLast((name) => count(name) === most);
  if (!shown) throw new RangeError("A study has at least one arm.");
  return shown;
}

/** How many kinds of synthetic images an arm learns from. */
function sources({ positives, negatives }: Arm): number {
  return Number(positives !== null) + Number(negatives !== null);
}
