import { ContrastError } from "../errors.ts";
import { crossEntropyObjective } from "./cross-entropy-objective.ts";
import { gensclObjective } from "./genscl-objective.ts";
import { hsclObjective } from "./hscl-objective.ts";
import { jointObjective } from "./joint-objective.ts";
import { mixedCrossEntropyObjective, mixedGensclObjective } from "./mixed-objectives.ts";
import type { Objective } from "./objective.ts";
import { simclrObjective } from "./simclr-objective.ts";
import { stablerepObjective } from "./stablerep-objective.ts";
import { supconInObjective } from "./supcon-in-objective.ts";
import { supconObjective } from "./supcon-objective.ts";

/** All objectives by name. To add one: its file, and a line here. */
export const objectives = {
  supcon: supconObjective,
  "cross-entropy": crossEntropyObjective,
  "supcon+ce": jointObjective,
  "supcon-in": supconInObjective,
  simclr: simclrObjective,
  stablerep: stablerepObjective,
  genscl: gensclObjective,
  hscl: hsclObjective,
  "cross-entropy+mix": mixedCrossEntropyObjective,
  "genscl+mix": mixedGensclObjective,
};

export type ObjectiveName = keyof typeof objectives;

/** Objectives by name: the room's own, or a caller's. */
export type ObjectiveTable = Readonly<Record<string, Objective>>;

/** @throws ContrastError when the table has no objective of this name */
export function objectiveOf(name: string, table: ObjectiveTable = objectives): Objective {
  const objective = table[name];
  if (objective) return objective;
  throw new ContrastError(
    `There is no objective "${name}". Choose ${Object.keys(table).join(" or ")}, or pass your own in "objectives".`,
  );
}
