import { type ObjectiveTable, objectives, usesOf } from "../../contrast/index.ts";
import { type DetectorTable, detectors } from "../../unknowns/index.ts";
import { type Arm, type ArmTable, arms, UNTRAINED } from "../arms/index.ts";

/** Thrown for entries of one's own that a study cannot work with. */
export class TableError extends Error {
  override readonly name = "TableError";
}

/** What a configuration chooses from by name. */
export interface StudyTables {
  readonly arms: ArmTable;
  readonly objectives: ObjectiveTable;
  readonly detectors: DetectorTable;
}

/** What Penumbra brings. */
export const TABLES: StudyTables = { arms, objectives, detectors };

/**
 * The built-in tables with entries of one's own: `loadConfig` takes them, and the whole study follows, from the
 * sections of the configuration to the report.
 *
 * Finished stages are found again by settings, not by code: an own objective or detector whose code changes says so by
 * another `version`.
 *
 * @throws TableError for a name that is taken, for an arm whose objective is in no table or cannot use the arm's
 *   negatives so, and for negatives without a use or a use without negatives
 * @example
 * const tables = tablesWith({
 *   objectives: { focal },
 *   arms: { focal: { title: "Focal", description: "…", objective: "focal", positives: null, negatives: null, use: null } },
 * });
 * const outcome = await runStudy(planStudy(await loadConfig("study.yaml", tables)));
 */
export function tablesWith({
  arms = {},
  objectives = {},
  detectors = {},
}: Partial<StudyTables>): StudyTables {
  const tables: StudyTables = {
    arms: joined("arm", TABLES.arms, arms),
    objectives: joined("objective", TABLES.objectives, objectives),
    detectors: joined("detector", TABLES.detectors, detectors),
  };
  for (const [name, arm] of Object.entries(arms)) requireFitting(name, arm, tables.objectives);
  return tables;
}

function requireFitting(
  name: string,
  { objective, positives, negatives, use }: Arm,
  table: ObjectiveTable,
): void {
  if (objective === UNTRAINED) {
    if (positives === null && negatives === null) return;
    throw new TableError(
      `The arm "${name}" has redraws, but nothing is trained with them. Name an objective, or set "positives" and "negatives" to null.`,
    );
  }
  const found = table[objective];
  if (!found) {
    throw new TableError(
      `The arm "${name}" trains for "${objective}", which is no objective. Pass it under "objectives", or choose ${Object.keys(table).join(", ")}.`,
    );
  }
  if ((negatives === null) !== (use === null)) {
    throw new TableError(
      `The arm "${name}" has negatives ${JSON.stringify(negatives)} and the use ${JSON.stringify(use)}. Give both, or set both to null.`,
    );
  }
  const uses = usesOf(found);
  if (use === null || uses.includes(use)) return;
  throw new TableError(
    uses.length === 0
      ? `The arm "${name}" has negatives, for which its objective "${objective}" has no place. Take another objective, or set the arm's "negatives" and "use" to null.`
      : `The arm "${name}" uses negatives as "${use}", which its objective "${objective}" cannot. Use them as ${uses.join(" or ")}.`,
  );
}

/** Both tables; what is hashed is a name, so that no entry may take the place of another. */
function joined<T>(kind: string, own: Readonly<Record<string, T>>, added: Readonly<Record<string, T>>) {
  const taken = Object.keys(added).find((name) => Object.hasOwn(own, name));
  if (taken === undefined) return { ...own, ...added };
  throw new TableError(`There is ${article(kind)} "${taken}" already. Give yours another name.`);
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}
