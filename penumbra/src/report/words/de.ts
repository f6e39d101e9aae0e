import { templates } from "./de-templates.ts";
import { texts } from "./de-texts.ts";
import type { Dictionary } from "./dictionary.ts";

/** German. */
export const de: Dictionary = { decimal: ",", templates, texts };
