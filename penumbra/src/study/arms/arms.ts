import type { NegativeUse, ObjectiveName } from "../../contrast/index.ts";
import type { Json } from "../../files/index.ts";
import type { ArmDesign } from "../../results/index.ts";
import { type SourceName, type SourceTable, sources } from "../sources/index.ts";

/** In place of an objective, where nothing is trained. */
export const UNTRAINED = "none";

/** One way to train the encoder. To add one: an entry in the table; questions, colours and words follow from it. */
export interface Arm<Objective extends string = string, Source extends string = string> {
  /** What the report calls it. */
  readonly title: string;
  /** What it is, in one sentence. */
  readonly description: string;
  /** What the encoder is trained for, or that it is not. */
  readonly objective: Objective | typeof UNTRAINED;
  /** The source of images that join the training photos as further members of their class. */
  readonly positives: Source | null;
  /** The source of images that must not be taken for known. */
  readonly negatives: Source | null;
  /** What the negatives are used as, one of the objective's uses; null without negatives. */
  readonly use: NegativeUse | null;
  /** What it is trained with in place of the study's settings. */
  readonly changes?: ArmChanges;
}

/** Settings of one arm alone. */
export interface ArmChanges {
  /** Of the objective. */
  readonly settings?: Readonly<Record<string, Json>>;
  /** In place of `encoder.faithfulProbability`. */
  readonly faithfulProbability?: number;
  /** In place of `encoder.negatives`. */
  readonly negativesPerStep?: number;
  /** The arm whose classifier of the same seed answers beside the labels (distillation). */
  readonly teacher?: string;
}

/** An arm on real photos alone. */
const REAL = { positives: null, negatives: null, use: null } as const;
/** Near-OOD redraws as columns of the contrastive loss's denominator. */
const COLUMNS = { negatives: "near-ood", use: "columns" } as const;

/** The same with redraws that lie just outside of every class. */
const SIFTED_COLUMNS = { negatives: "sifted-near-ood", use: "columns" } as const;
/** The same with redraws that a judge led to just outside of every class. */
const BOUNDARY_COLUMNS = { negatives: "boundary", use: "columns" } as const;
/** The same with images that no generator draws. */
const COLLAGE_COLUMNS = { negatives: "collage", use: "columns" } as const;

/**
 * The arms. The first five are a study's usual ones: a 2 x 2 design of redraws around `supcon`, with cross-entropy
 * beside it.
 */
export const arms = {
  "cross-entropy": {
    title: "Cross-entropy",
    description: "A classifier's loss on real photos alone",
    objective: "cross-entropy",
    ...REAL,
  },
  supcon: {
    title: "SupCon",
    description: "The supervised contrastive loss on real photos alone",
    objective: "supcon",
    ...REAL,
  },
  "supcon+faithful": {
    title: "SupCon + faithful",
    description: "Faithful redraws stand in for their photos: more positives",
    objective: "supcon",
    ...REAL,
    positives: "faithful",
  },
  "supcon+near-ood": {
    title: "SupCon + near-OOD",
    description: "Near-OOD redraws are columns of the loss's denominator: negatives only",
    objective: "supcon",
    ...REAL,
    ...COLUMNS,
  },
  "supcon+both": {
    title: "SupCon + both",
    description: "Faithful redraws as positives and near-OOD redraws as negatives",
    objective: "supcon",
    positives: "faithful",
    ...COLUMNS,
  },
  "supcon+ce": {
    title: "Joint",
    description: "SupCon and cross-entropy together on real photos alone",
    objective: "supcon+ce",
    ...REAL,
  },
  "supcon+ce+faithful": {
    title: "Joint + faithful",
    description: "SupCon and cross-entropy together; faithful redraws stand in for their photos",
    objective: "supcon+ce",
    ...REAL,
    positives: "faithful",
  },
  "supcon+ce+near-ood": {
    title: "Joint + near-OOD",
    description: "SupCon and cross-entropy together; near-OOD redraws are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    ...COLUMNS,
  },
  "supcon+ce+both": {
    title: "Joint + both",
    description:
      "SupCon and cross-entropy together; faithful redraws as positives, near-OOD redraws as columns of SupCon's denominator",
    objective: "supcon+ce",
    positives: "faithful",
    ...COLUMNS,
  },
  "supcon+ce+background": {
    title: "Joint + background",
    description: "SupCon and cross-entropy together; near-OOD redraws are one class more of the classifier",
    objective: "supcon+ce",
    ...REAL,
    negatives: "near-ood",
    use: "extra-class",
  },
  "supcon+ce+exposure": {
    title: "Joint + outlier exposure",
    description:
      "SupCon and cross-entropy together; the classifier is to find every class equally likely for near-OOD redraws",
    objective: "supcon+ce",
    ...REAL,
    negatives: "near-ood",
    use: "outlier-exposure",
  },
  "supcon+ce+energy": {
    title: "Joint + energy margin",
    description:
      "SupCon and cross-entropy together; near-OOD redraws are pushed above an energy, photos below another",
    objective: "supcon+ce",
    ...REAL,
    negatives: "near-ood",
    use: "energy",
  },
  "cross-entropy+faithful": {
    title: "Cross-entropy + faithful",
    description: "A classifier's loss; faithful redraws stand in for their photos",
    objective: "cross-entropy",
    ...REAL,
    positives: "faithful",
  },
  "cross-entropy+background": {
    title: "Cross-entropy + background",
    description: "A classifier's loss; near-OOD redraws are one class more",
    objective: "cross-entropy",
    ...REAL,
    negatives: "near-ood",
    use: "extra-class",
  },
  "cross-entropy+exposure": {
    title: "Outlier exposure",
    description: "A classifier's loss; near-OOD redraws are to find every class equally likely",
    objective: "cross-entropy",
    ...REAL,
    negatives: "near-ood",
    use: "outlier-exposure",
  },
  "cross-entropy+energy": {
    title: "Energy margin",
    description: "A classifier's loss; near-OOD redraws are pushed above an energy, photos below another",
    objective: "cross-entropy",
    ...REAL,
    negatives: "near-ood",
    use: "energy",
  },
  "supcon+background": {
    title: "SupCon + background",
    description: "Near-OOD redraws are one class more of the contrastive loss: they attract each other",
    objective: "supcon",
    ...REAL,
    negatives: "near-ood",
    use: "extra-class",
  },
  "supcon+faithful-negatives": {
    title: "SupCon, faithful as negatives",
    description: "Faithful redraws as columns of the loss's denominator: a control that must hurt",
    objective: "supcon",
    ...REAL,
    negatives: "faithful",
    use: "columns",
  },
  "supcon+ce+faithful-negatives": {
    title: "Joint, faithful as negatives",
    description:
      "SupCon and cross-entropy together; faithful redraws as columns of SupCon's denominator: a control that must hurt",
    objective: "supcon+ce",
    ...REAL,
    negatives: "faithful",
    use: "columns",
  },
  "supcon+collage": {
    title: "SupCon + collages",
    description: "Collages of photos, which need no generator, are columns of the loss's denominator",
    objective: "supcon",
    ...REAL,
    ...COLLAGE_COLUMNS,
  },
  "supcon+augmented": {
    title: "SupCon + augmented",
    description: "Classically augmented copies, which need no generator, stand in for their photos",
    objective: "supcon",
    ...REAL,
    positives: "augmented",
  },
  "supcon+ce+collage": {
    title: "Joint + collages",
    description:
      "SupCon and cross-entropy together; collages of photos, which need no generator, are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    ...COLLAGE_COLUMNS,
  },
  "supcon+ce+vae": {
    title: "Joint + VAE",
    description:
      "SupCon and cross-entropy together; flawed images of a variational autoencoder that learned from the training photos are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    negatives: "vae-near-ood",
    use: "columns",
  },
  "supcon+ce+augmented": {
    title: "Joint + augmented",
    description:
      "SupCon and cross-entropy together; classically augmented copies, which need no generator, stand in for their photos",
    objective: "supcon+ce",
    ...REAL,
    positives: "augmented",
  },
  "cross-entropy+collage-background": {
    title: "Cross-entropy + collage background",
    description: "A classifier's loss; collages of photos, which need no generator, are one class more",
    objective: "cross-entropy",
    ...REAL,
    negatives: "collage",
    use: "extra-class",
  },
  "cross-entropy+collage-exposure": {
    title: "Outlier exposure, collages",
    description:
      "A classifier's loss; collages of photos, which need no generator, are to find every class equally likely",
    objective: "cross-entropy",
    ...REAL,
    negatives: "collage",
    use: "outlier-exposure",
  },
  "supcon+sifted": {
    title: "SupCon + sifted near-OOD",
    description:
      "Near-OOD redraws that lie just outside of every class are columns of the loss's denominator",
    objective: "supcon",
    ...REAL,
    ...SIFTED_COLUMNS,
  },
  "supcon+ce+sifted": {
    title: "Joint + sifted near-OOD",
    description:
      "SupCon and cross-entropy together; near-OOD redraws that lie just outside of every class are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    ...SIFTED_COLUMNS,
  },
  "supcon+ce+sifted-both": {
    title: "Joint + sifted both",
    description:
      "SupCon and cross-entropy together; sifted faithful redraws as positives, sifted near-OOD redraws as columns of SupCon's denominator",
    objective: "supcon+ce",
    positives: "sifted-faithful",
    ...SIFTED_COLUMNS,
  },
  "cross-entropy+sifted-background": {
    title: "Cross-entropy + sifted background",
    description:
      "A classifier's loss; near-OOD redraws that lie just outside of every class are one class more",
    objective: "cross-entropy",
    ...REAL,
    negatives: "sifted-near-ood",
    use: "extra-class",
  },
  "supcon+ce+boundary": {
    title: "Joint + boundary",
    description:
      "SupCon and cross-entropy together; redraws that a judge led to just outside of every class are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    ...BOUNDARY_COLUMNS,
  },
  "supcon+ce+sifted-boundary": {
    title: "Joint + sifted boundary",
    description:
      "SupCon and cross-entropy together; of the redraws that a judge led to just outside of every class those that came there are columns of SupCon's denominator",
    objective: "supcon+ce",
    ...REAL,
    negatives: "sifted-boundary",
    use: "columns",
  },
  "supcon+round-trip": {
    title: "SupCon + round trips",
    description: "Photos through the autoencoder and back stand in for themselves: synthetic traces alone",
    objective: "supcon",
    ...REAL,
    positives: "round-trip",
  },
  "supcon+round-trip+near-ood": {
    title: "SupCon + near-OOD, round trips",
    description:
      "Near-OOD redraws as negatives, and photos through the autoencoder and back as positives, so that synthetic traces tell nothing",
    objective: "supcon",
    positives: "round-trip",
    ...COLUMNS,
  },
  "supcon+ce+round-trip": {
    title: "Joint + round trips",
    description:
      "SupCon and cross-entropy together; photos through the autoencoder and back stand in for themselves: synthetic traces alone",
    objective: "supcon+ce",
    ...REAL,
    positives: "round-trip",
  },
  "supcon+ce+round-trip+near-ood": {
    title: "Joint + near-OOD, round trips",
    description:
      "SupCon and cross-entropy together; near-OOD redraws as negatives, and photos through the autoencoder and back as positives",
    objective: "supcon+ce",
    positives: "round-trip",
    ...COLUMNS,
  },
  "supcon-in": {
    title: "SupCon, mean inside",
    description:
      "SupCon's other form, which one near photo of the class satisfies (L_in), on real photos alone",
    objective: "supcon-in",
    ...REAL,
  },
  simclr: {
    title: "SimCLR",
    description: "The contrastive loss without labels (NT-Xent) on real photos alone",
    objective: "simclr",
    ...REAL,
  },
  stablerep: {
    title: "StableRep",
    description: "A photo and its faithful redraws attract each other, all other images repel",
    objective: "stablerep",
    ...REAL,
    positives: "faithful",
  },
  genscl: {
    title: "Generalized SupCon",
    description: "Images attract as much as their label distributions agree, on real photos alone",
    objective: "genscl",
    ...REAL,
  },
  "cross-entropy+mix": {
    title: "Cross-entropy + mixing",
    description: "A classifier's loss on real photos that are mixed with each other (MixUp, CutMix)",
    objective: "cross-entropy+mix",
    ...REAL,
  },
  "genscl+mix": {
    title: "Generalized SupCon + mixing",
    description:
      "Images attract as much as their label distributions agree, on real photos mixed with each other",
    objective: "genscl+mix",
    ...REAL,
  },
  "genscl+near-ood": {
    title: "Generalized SupCon + near-OOD",
    description: "Near-OOD redraws stand in for their photos with soft labels between two classes",
    objective: "genscl",
    ...REAL,
    positives: "near-ood",
  },
  "genscl+teacher": {
    title: "Generalized SupCon + teacher",
    description:
      "Images attract as much as their labels and a cross-entropy classifier's answers agree (distillation), on real photos alone",
    objective: "genscl",
    ...REAL,
    changes: { teacher: "cross-entropy" },
  },
  "genscl+mix+teacher": {
    title: "Generalized SupCon + mixing + teacher",
    description:
      "Images attract as much as their labels and the answers of a classifier trained so agree, on real photos mixed with each other",
    objective: "genscl+mix",
    ...REAL,
    changes: { teacher: "cross-entropy+mix" },
  },
  hscl: {
    title: "Hard SupCon",
    description:
      "SupCon in which the nearer photos of other classes count more (H-SCL), on real photos alone",
    objective: "hscl",
    ...REAL,
  },
  frozen: {
    title: "Frozen",
    description: "Published features as they are: no training, a linear probe and the detectors",
    objective: UNTRAINED,
    ...REAL,
  },
} as const satisfies Readonly<Record<string, Arm<ObjectiveName, SourceName>>>;

export type ArmName = keyof typeof arms;

/** Arms by name: the room's own, or with a caller's. */
export type ArmTable = Readonly<Record<string, Arm>>;

/** All arms, in the order of the table. */
export const armNames = Object.keys(arms) as [ArmName, ...ArmName[]];

/** The built-in arms of a study that names none. */
const USUAL: readonly string[] = [
  "cross-entropy",
  "supcon",
  "supcon+faithful",
  "supcon+near-ood",
  "supcon+both",
] satisfies ArmName[];

/** The arms of a study that names none: of the built-in ones the usual, and a caller's own. */
export function usualArms(table: ArmTable = arms): string[] {
  return Object.keys(table).filter((name) => USUAL.includes(name) || !(name in arms));
}

/**
 * An arm by its name.
 * @throws RangeError when the table has none of this name
 */
export function armOf(name: string, table: ArmTable = arms): Arm {
  const arm = table[name];
  if (arm) return arm;
  throw new RangeError(`There is no arm "${name}". Choose ${Object.keys(table).join(", ")}.`);
}

/** Whether nothing of this arm's encoder is trained: then it is the same for all such arms and all seeds. */
export function isFrozen(
  {
    config,
    tables,
  }: {
    readonly config: { readonly encoder: { readonly train: string } };
    readonly tables: { readonly arms: ArmTable };
  },
  arm: string,
): boolean {
  return config.encoder.train === "frozen" || armOf(arm, tables.arms).objective === UNTRAINED;
}

/** How these arms differ from each other, in the order of the table. */
export function designsOf(names: readonly string[], table: ArmTable = arms): ArmDesign[] {
  return Object.keys(table)
    .filter((name) => names.includes(name))
    .map((name) => designOf(name, table));
}

/** An arm as its level of each factor. */
export function designOf(name: string, table: ArmTable = arms): ArmDesign {
  const { objective, positives, negatives, use, changes } = armOf(name, table);
  return { name, objective, positives, negatives, use, changes: describeChanges(changes, table) };
}

/** "negativeWeight 2, faithfulProbability 0.3": what an arm is trained with otherwise; null where that is nothing. */
function describeChanges({ settings, teacher, ...others }: ArmChanges = {}, table: ArmTable): string | null {
  const values = Object.entries({
    ...{ ...settings, ...others },
    ...(teacher !== undefined && { teacher: armOf(teacher, table).title }),
  });
  if (values.length === 0) return null;
  return values
    .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

/** These arms and the teachers that they learn from, teachers before the first arm that needs them. */
export function withTeachers(names: readonly string[], table: ArmTable = arms): string[] {
  const all = new Set<string>();
  const add = (name: string): void => {
    const teacher = armOf(name, table).changes?.teacher;
    if (teacher !== undefined && !all.has(teacher)) add(teacher);
    all.add(name);
  };
  for (const name of names) add(name);
  return [...all];
}

/** The sources that some of these arms or their teachers want images of, in the order of their table. */
export function sourcesOf(
  names: readonly string[],
  table: ArmTable = arms,
  sourceTable: SourceTable = sources,
): string[] {
  const wanted = withTeachers(names, table)
    .map((name) => armOf(name, table))
    .flatMap((arm) => [arm.positives, arm.negatives]);
  return Object.keys(sourceTable).filter((name) => wanted.includes(name));
}

/**
 * The arm whose features may judge images, because it has seen none: of several the one with the objective of an arm
 * that has. Undefined where every arm has seen some.
 */
export function judgeOf(names: readonly string[], table: ArmTable = arms): string | undefined {
  const isReal = (name: string) =>
    withTeachers([name], table).every((each) => countSources(armOf(each, table)) === 0);
  const objectiveOf = (name: string) => armOf(name, table).objective;
  const objectives = names.filter((name) => !isReal(name)).map(objectiveOf);
  const real = names.filter(isReal);
  return real.find((name) => objectives.includes(objectiveOf(name))) ?? real[0];
}

/** The arm whose mistakes are shown: the last of those with the most kinds of synthetic images. */
export function shownArm(names: readonly string[], table: ArmTable = arms): string {
  const count = (name: string) => countSources(armOf(name, table));
  const most = Math.max(...names.map(count));
  const shown = names.findLast((name) => count(name) === most);
  if (!shown) throw new RangeError("A study has at least one arm.");
  return shown;
}

/** How many kinds of synthetic images an arm learns from. */
function countSources({ positives, negatives }: Arm): number {
  return Number(positives !== null) + Number(negatives !== null);
}
