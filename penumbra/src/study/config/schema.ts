import type { z } from "zod";
import { studySchema } from "./config.ts";

/** Walking the schema of the configuration by the path of a setting. */

/** Names of the settings that a section of the schema has. */
export function settingsAt(path: readonly PropertyKey[], root: z.ZodType = studySchema): string[] {
  const schema = schemaAt(path, root);
  return schema && "shape" in schema ? Object.keys(schema.shape as object) : [];
}

/** The schema of one setting, without its default. */
export function schemaAt(path: readonly PropertyKey[], root: z.ZodType = studySchema): z.ZodType | undefined {
  return layersAt(path, root).at(-1);
}

/** What a setting means, in words. */
export function descriptionAt(
  path: readonly PropertyKey[],
  root: z.ZodType = studySchema,
): string | undefined {
  return layersAt(path, root)
    .map((layer) => layer.meta()?.description)
    .find((description) => description !== undefined);
}

/** A setting's schema with its wrappers (default, optional), outermost first. */
function layersAt(path: readonly PropertyKey[], root: z.ZodType): z.ZodType[] {
  let layers = layersOf(root);
  for (const part of path) {
    const schema = layers.at(-1);
    if (schema && typeof part === "number" && "element" in schema) {
      layers = layersOf(schema.element as z.ZodType);
    } else if (schema && "shape" in schema) {
      const next = (schema.shape as Record<PropertyKey, z.ZodType>)[part];
      layers = next ? layersOf(next) : [];
    } else return [];
  }
  return layers;
}

function layersOf(schema: z.ZodType): z.ZodType[] {
  // Of a name or a section, the section: it is what has settings.
  const section =
    schema.def.type === "union" &&
    (schema as z.ZodUnion<z.ZodType[]>).options.find((option) => "shape" in option);
  const layers = section ? [schema, section] : [schema];
  for (let inner = schema; ["default", "prefault", "optional", "nullable"].includes(inner.def.type); ) {
    inner = (inner as z.ZodDefault<z.ZodType>).unwrap();
    layers.push(inner);
  }
  return layers;
}
