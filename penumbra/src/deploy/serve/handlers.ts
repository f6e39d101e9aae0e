import { HTTPException } from "hono/http-exception";
import type { ServedModel } from "./served-model.ts";

/** What a handler knows of its request. */
export interface ServiceEnv {
  Variables: { id: string; error: string };
}

/** A refusal with its status. */
export function refuse(
  status: 400 | 401 | 404 | 413 | 415 | 422 | 429 | 503,
  message: string,
): HTTPException {
  return new HTTPException(status, { message });
}

/** @throws HTTPException 404 for a model that is not served */
export function modelOf(models: ReadonlyMap<string, ServedModel>, name: string): ServedModel {
  const model = models.get(name);
  if (model) return model;
  throw refuse(404, `There is no model "${name}". Served are ${[...models.keys()].join(", ")}.`);
}
