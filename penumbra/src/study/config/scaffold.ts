import { Document, isSeq } from "yaml";
import { z } from "zod";
import { studySchema } from "./config.ts";
import { descriptionAt, schemaAt, settingsAt } from "./schema.ts";

/** Settings that differ from the defaults, by their dotted name: `{ photos: "photos", "split.shots": 2 }`. */
export type Overrides = Readonly<Record<string, unknown>>;

/**
 * A study.yaml that shows every setting with its default and says what it means, made from the schema, so that it
 * cannot go out of date.
 */
export function writeScaffold(overrides: Overrides, head: readonly string[] = []): string {
  const defaults: unknown = studySchema.parse({ photos: "photos" });
  const lines = head.map((line) => `# ${line}`.trimEnd());
  if (head.length > 0) lines.push("");
  section([], defaults, overrides, lines);
  return `${lines
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

function section(path: readonly string[], defaults: unknown, overrides: Overrides, lines: string[]): void {
  const indent = "  ".repeat(path.length);
  for (const key of settingsAt(path)) {
    const here = [...path, key];
    const schema = schemaAt(here);
    const value = (defaults as Record<string, unknown>)[key];
    const description = descriptionAt(here);
    if (value === undefined && overrides[here.join(".")] === undefined) continue;
    const isSection = settingsAt(here).length > 0;
    if (isSection && path.length === 0) lines.push("");
    if (description)
      lines.push(...wrap(description, 100 - indent.length).map((line) => `${indent}# ${line}`));
    if (isSection) {
      lines.push(`${indent}${key}:`);
      section(here, value, overrides, lines);
      if (path.length === 0) lines.push("");
    } else {
      const shown = overrides[here.join(".")] ?? value;
      lines.push(`${indent}${key}: ${scalar(shown)}${choices(schema)}`);
    }
  }
}

function scalar(value: unknown): string {
  const document = new Document(value);
  if (isSeq(document.contents)) document.contents.flow = true;
  // Only the line break goes: a name may begin or end with a space of another kind.
  return document
    .toString({ lineWidth: 0, blockQuote: false, flowCollectionPadding: false })
    .replace(/\n$/, "");
}

/** The names that a setting chooses from; a list of names shows them too. */
function choices(schema: z.ZodType | undefined): string {
  if (schema instanceof z.ZodArray) return choices(schema.element as z.ZodType);
  return schema instanceof z.ZodEnum ? ` # ${schema.options.join(" | ")}` : "";
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
