import { type ObjectiveTable, objectives } from "../../contrast/index.ts";
import { type DetectorTable, detectors } from "../../unknowns/index.ts";
import { type ArmTable, arms } from "../arms/index.ts";
import { type SourceTable, sources, withSifted } from "../sources/index.ts";
import { armProblem } from "./fitting-arm.ts";

/** Thrown for entries of one's own that a study cannot work with. */
export class TableError extends Error {
  override readonly name = "TableError";
}

/** What a configuration chooses from by name. */
export interface StudyTables {
  readonly arms: ArmTable;
  readonly objectives: ObjectiveTable;
  readonly detectors: DetectorTable;
  readonly sources: SourceTable;
}

/** What Penumbra brings. */
export const TABLES: StudyTables = { arms, objectives, detectors, sources };

/**
 * The built-in tables with entries of one's own: `loadConfig` takes them, and the whole study follows, from the
 * sections of the configuration to the report.
 *
 * Finished stages are found again by settings, not by code: an own objective or detector whose code changes says so by
 * another `version`.
 *
 * @throws TableError for a name that is taken, for an arm whose objective or source is in no table, or that cannot use
 *   the arm's negatives so, and for negatives without a use or a use without negatives
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
  sources = {},
}: Partial<StudyTables>): StudyTables {
  const tables: StudyTables = {
    arms: joined("arm", TABLES.arms, arms),
    objectives: joined("objective", TABLES.objectives, objectives),
    detectors: joined("detector", TABLES.detectors, detectors),
    sources: joined("source", TABLES.sources, withSifted(sources)),
  };
  for (const [name, arm] of Object.entries(arms)) {
    const problem = armProblem(name, arm, tables);
    if (problem !== null) throw new TableError(problem);
  }
  return tables;
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
