import { z } from "zod";
import { NEGATIVE_USES, type NegativeUse, usesOf } from "../../contrast/index.ts";
import type { Json } from "../../files/index.ts";
import { type Arm, UNTRAINED } from "../arms/index.ts";
import { armProblem } from "./fitting-arm.ts";
import type { StudyTables } from "./tables.ts";

/** An arm that a configuration describes, among the names of others under `arms`. */
export const ownArmSchemaOf = ({ objectives, sources }: Pick<StudyTables, "objectives" | "sources">) => {
  const source = (what: string) =>
    z.enum(namesOf(sources)).nullable().meta({ description: what }).default(null);
  return z.strictObject({
    name: z
      .string()
      .regex(/^[\w.+-]+$/, "Use letters, digits, dots, dashes, pluses and underscores.")
      .meta({ description: "Its name, which no other arm has" }),
    title: z.string().min(1).meta({ description: "What the report calls it; default: its name" }).optional(),
    objective: z
      .enum([...namesOf(objectives), UNTRAINED])
      .meta({ description: "What the encoder is trained for; none = nothing is trained" }),
    positives: source("Source of the images that stand in for photos, as further members of their class"),
    negatives: source("Source of the images that must not be taken for known"),
    use: z
      .enum(Object.keys(NEGATIVE_USES) as [NegativeUse, ...NegativeUse[]])
      .meta({ description: "What the negatives are used as; default: the objective's usual use" })
      .optional(),
    settings: z
      .record(z.string(), z.json())
      .meta({ description: "Settings of the objective for this arm alone, such as negativeWeight: 2" })
      .optional(),
    faithfulProbability: z
      .number()
      .min(0)
      .max(1)
      .meta({ description: "For this arm alone, in place of encoder.faithfulProbability" })
      .optional(),
    negativesPerStep: z
      .int()
      .positive()
      .meta({ description: "For this arm alone, in place of encoder.negatives" })
      .optional(),
    teacher: z
      .string()
      .meta({
        description:
          "The arm whose classifier of the same seed answers beside the labels (distillation), such as cross-entropy",
      })
      .optional(),
  });
};

export type OwnArm = z.output<ReturnType<typeof ownArmSchemaOf>>;

/** What is wrong with an own arm: the setting of it, and what to do. */
export interface OwnArmProblem {
  readonly at: readonly string[];
  readonly message: string;
}

/** The entry of the table of arms that a configuration describes, or what is wrong with it. */
export function readOwnArm(own: OwnArm, tables: StudyTables): Arm | OwnArmProblem {
  const { name, title = name, objective: objectiveName, positives, negatives, settings } = own;
  if (Object.hasOwn(tables.arms, name)) {
    return { at: ["name"], message: `There is an arm "${name}" already. Give yours another name.` };
  }
  const objective = tables.objectives[objectiveName];
  const use = negatives === null ? null : (own.use ?? (objective && usesOf(objective)[0]) ?? null);
  if (negatives === null && own.use !== undefined) {
    return {
      at: ["use"],
      message: `The arm "${name}" has a use and no negatives. Name their source under "negatives", or leave "use" out.`,
    };
  }
  const unusable = unusableChange(own);
  if (unusable) return unusable;
  const wrong = settings && objective?.settings.safeParse(settings).error;
  if (wrong) {
    const [issue] = wrong.issues;
    const at = ["settings", ...(issue?.path.map(String) ?? [])];
    return { at, message: `The arm "${name}" changes ${at.join(".")}: ${issue?.message}.` };
  }
  const arm: Arm = {
    ...{ title, objective: objectiveName, positives, negatives, use },
    description: "An arm of the configuration",
    ...changesOf(own),
  };
  const problem = armProblem(name, arm, tables);
  return problem === null ? arm : { at: [], message: problem };
}

/** A change that nothing of the arm would read. */
function unusableChange({
  name,
  objective,
  positives,
  negatives,
  settings,
  faithfulProbability,
  negativesPerStep,
}: OwnArm): OwnArmProblem | null {
  const changes: readonly (readonly [string, boolean, string])[] = [
    ["settings", settings !== undefined && objective === UNTRAINED, "nothing is trained"],
    ["faithfulProbability", faithfulProbability !== undefined && positives === null, "it has no positives"],
    ["negativesPerStep", negativesPerStep !== undefined && negatives === null, "it has no negatives"],
  ];
  const [at, , why] = changes.find(([, isUnusable]) => isUnusable) ?? [];
  if (at === undefined) return null;
  return { at: [at], message: `The arm "${name}" sets ${at}, but ${why}. Leave it out.` };
}

function changesOf({
  settings = {},
  faithfulProbability,
  negativesPerStep,
  teacher,
}: OwnArm): Pick<Arm, "changes"> {
  const changes = {
    ...(Object.keys(settings).length > 0 && { settings: settings as Readonly<Record<string, Json>> }),
    ...(faithfulProbability !== undefined && { faithfulProbability }),
    ...(negativesPerStep !== undefined && { negativesPerStep }),
    ...(teacher !== undefined && { teacher }),
  };
  return Object.keys(changes).length > 0 ? { changes } : {};
}

function namesOf(table: object): [string, ...string[]] {
  return Object.keys(table) as [string, ...string[]];
}
