import { type Objective, type ObjectiveTable, usesOf } from "../../contrast/index.ts";
import { type Arm, type ArmTable, UNTRAINED } from "../arms/index.ts";
import type { SourceTable } from "../sources/index.ts";

/** What an arm names things of. */
interface NamedTables {
  readonly arms: ArmTable;
  readonly objectives: ObjectiveTable;
  readonly sources: SourceTable;
}

/** Why a study cannot work with an arm and what to do, in words; null where it can. */
export function armProblem(
  name: string,
  { objective, positives, negatives, use, changes = {} }: Arm,
  tables: NamedTables,
): string | null {
  const { objectives, sources } = tables;
  for (const [side, source] of Object.entries({ positives, negatives })) {
    if (source === null || Object.hasOwn(sources, source)) continue;
    return `The arm "${name}" takes its ${side} from "${source}", which is no source of images. Choose ${Object.keys(sources).join(", ")}.`;
  }
  if (objective === UNTRAINED) {
    if (positives === null && negatives === null) return null;
    return `The arm "${name}" has redraws, but nothing is trained with them. Name an objective, or set "positives" and "negatives" to null.`;
  }
  const found = objectives[objective];
  if (!found) {
    return `The arm "${name}" trains for "${objective}", which is no objective. Pass it under "objectives", or choose ${Object.keys(objectives).join(", ")}.`;
  }
  const ofTeacher =
    changes.teacher === undefined ? null : teacherProblem(name, changes.teacher, found, tables);
  if (ofTeacher !== null) return ofTeacher;
  const uses = usesOf(found);
  if (uses.length === 0 && negatives !== null) {
    return `The arm "${name}" has negatives, for which its objective "${objective}" has no place. Take another objective, or set the arm's "negatives" and "use" to null.`;
  }
  if ((negatives === null) !== (use === null)) {
    return `The arm "${name}" has negatives ${JSON.stringify(negatives)} and the use ${JSON.stringify(use)}. Give both, or set both to null.`;
  }
  if (use === null || uses.includes(use)) return null;
  return `The arm "${name}" uses negatives as "${use}", which its objective "${objective}" cannot. Use them as ${uses.join(" or ")}.`;
}

/** Why an arm cannot learn from a teacher, in words. Nobody teaches himself: a teacher stands in the table before its arm. */
function teacherProblem(
  name: string,
  teacher: string,
  objective: Objective,
  { arms, objectives }: Omit<NamedTables, "sources">,
): string | null {
  const able = (is: (objective: Objective) => boolean) =>
    Object.keys(objectives).filter((other) => is(objectives[other] as Objective));
  if (!objective.teacher) {
    return `The arm "${name}" has a teacher, for which its objective has no place. Take ${able((other) => other.teacher !== undefined).join(" or ")}, or leave the teacher out.`;
  }
  const names = Object.keys(arms);
  const before = names.includes(name) ? names.slice(0, names.indexOf(name)) : names;
  const ofTeacher = before.includes(teacher) ? arms[teacher]?.objective : undefined;
  if (ofTeacher === undefined) {
    return `The arm "${name}" has the teacher "${teacher}", which is no arm that stands before it. Choose ${before.join(", ")}.`;
  }
  if (objectives[ofTeacher]?.logitsOf) return null;
  return `The arm "${name}" has the teacher "${teacher}", which has no classifier. Take an arm that trains for ${able((other) => other.logitsOf !== undefined).join(" or ")}.`;
}
