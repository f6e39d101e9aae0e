import { z } from "zod";
import { ModelError } from "./errors.ts";

/** A config.json as it stands in a model's folder: names in snake_case, as diffusers and transformers write them. */
export type RawConfig = Readonly<Record<string, unknown>>;

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param schema the fields that are known; their types allow only what is implemented here
 * @param raw what the file or the caller says
 * @param where file or class, for errors
 * @param strict refuses fields that the schema does not know, unless they are null or false (switched off); fields
 *   that begin with "_" are diffusers' own notes
 * @throws ModelError naming the place and every field that is wrong
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  raw: RawConfig,
  where: string,
  { strict = true, known = [] as readonly string[] } = {},
): z.output<Schema> {
  const problems: string[] = [];
  const result = schema.safeParse(withoutForeignNulls(schema, raw));
  for (const issue of result.error?.issues ?? []) {
    const field = issue.path.join(".") || "(the whole file)";
    problems.push(`field "${field}" is ${describe(valueAt(raw, issue.path))}: ${issue.message}`);
  }
  if (strict) {
    const unknown = Object.entries(raw).filter(
      ([key, value]) => !key.startsWith("_") && !known.includes(key) && value !== null && value !== false,
    );
    for (const [key, value] of unknown)
      problems.push(`field "${key}" is ${describe(value)}: it is not known here`);
  }
  if (problems.length > 0 || !result.success) {
    throw new ModelError(
      `${where}: ${problems.join("; ")}. Correct the field, or use a model of the supported kind (Stable Diffusion 1.x or 2.x).`,
    );
  }
  return result.data;
}

/** Converters write null for fields that they know nothing of, also where diffusers has no null: they are left out. */
function withoutForeignNulls(schema: z.ZodType, raw: RawConfig): RawConfig {
  const { error } = schema.safeParse(raw);
  const refused = new Set(error?.issues.flatMap(({ path }) => (path.length === 1 ? [path[0]] : [])));
  return Object.fromEntries(
    Object.entries(raw).filter(([key, value]) => value !== null || !refused.has(key)),
  );
}

/** A field of which only some values are implemented; the first one is the default. */
export function only<const Values extends readonly [Literal, ...Literal[]]>(...values: Values) {
  const [first] = values;
  const names = values.map((value) => JSON.stringify(value)).join(" or ");
  return z.literal([...values], { error: `only ${names} is supported` }).default(first as never);
}

type Literal = string | number | boolean | null;

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    raw,
  );
}

function describe(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
