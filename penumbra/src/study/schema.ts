import type { z } from "zod";
import { studySchema } from "./config.ts";

/** Walking the schema of the configuration by the path of a setting. */

/** Names of the settings that a section of the schema has. */
export function settingsAt(path: readonly PropertyKey[]): string[] {
  const schema = schemaAt(path);
  return schema && "shape" in schema ? Object.keys(schema.shape as object) : [];
}

/** The schema of one setting, without its default. */
export function schemaAt(path: readonly PropertyKey[]): z.ZodType | undefined {
  let schema: z.ZodType | undefined = studySchema;
  for (const part of path) {
    if (schema && typeof part === "number" && "element" in schema)
      schema = withoutDefault(schema.element as z.ZodType);
    else if (schema && "shape" in schema) {
      const next: z.ZodType | undefined = (schema.shape as Record<PropertyKey, z.ZodType>)[part];
      schema = next && withoutDefault(next);
    } else return undefined;
  }
  return schema;
}

/** The schema inside a default or prefault. */
function withoutDefault(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner.def.type === "default" || inner.def.type === "prefault") {
    inner = (inner as z.ZodDefault<z.ZodType>).unwrap();
  }
  return inner;
}
