import { usesOf } from "../../contrast/index.ts";
import { type Arm, UNTRAINED } from "../arms/index.ts";
import type { StudyTables } from "./tables.ts";

/** Why a study cannot work with an arm and what to do, in words; null where it can. */
export function armProblem(
  name: string,
  { objective, positives, negatives, use }: Arm,
  { objectives, sources }: Pick<StudyTables, "objectives" | "sources">,
): string | null {
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
