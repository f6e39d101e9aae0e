import { readFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, relative, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { DataError } from "../errors.ts";
import { compareNatural } from "../natural.ts";
import { type Problem, ROLES, type Role } from "../types.ts";
import { matcher } from "./glob.ts";
import { objectNameOf } from "./object-name.ts";
import { type Candidate, type ClassFolder, type ObjectRule, type Source, splitNamed } from "./source.ts";

/** Endings of lists. */
export const LIST_ENDINGS = [".csv", ".tsv", ".jsonl", ".ndjson"] as const;

const COLUMNS = ["path", "class", "object", "role", "split"] as const;
type Row = Readonly<Partial<Record<(typeof COLUMNS)[number], string>>>;

/**
 * Reads a list of photos: CSV or TSV with a head line, or an object a line of JSON, with `path` and `class`, and as far
 * as known `object`, `role` (known, near, far) and `split` (train, val, test). Paths are relative to the list.
 *
 * @throws DataError naming the line for what cannot be understood
 */
export async function scanList(
  file: string,
  { ignore = [], objects = "auto" }: { ignore?: readonly string[]; objects?: ObjectRule } = {},
): Promise<Source> {
  const root = dirname(resolve(file));
  const ignored = ignore.map(matcher);
  const candidates: Candidate[] = [];
  const classFolders = new Map<string, ClassFolder>();
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const { row, line } of rowsOf(file, await readText(file))) {
    const id = idOf(root, row, `${basename(file)}:${line}`);
    if (ignored.some((matches) => matches(id))) continue;
    if (seen.has(id)) {
      const message = `"${id}" is listed twice, again in line ${line}: the first line counts. Remove one.`;
      problems.push({ kind: "duplicate", file: id, message, isLeftOut: false });
      continue;
    }
    seen.add(id);
    const candidate = candidateOf(id, row, `${basename(file)}:${line}`, objects);
    const { className, role } = candidate;
    const known = classFolders.get(className);
    if (known && known.role !== role) {
      throw new DataError(
        `${basename(file)}:${line}: class "${className}" has the role ${role ?? "(none)"} here and ${known.role ?? "(none)"} before. Give a class one role.`,
      );
    }
    classFolders.set(className, { path: className, className, ...(role && { role }) });
    candidates.push(candidate);
  }
  candidates.sort((a, b) => compareNatural(a.id, b.id));
  return { root, candidates, classFolders: [...classFolders.values()], problems, notes: [] };
}

function candidateOf(id: string, row: Row, where: string, objects: ObjectRule): Candidate {
  const { class: className = "", object, role, split } = row;
  if (className === "") throw new DataError(`${where}: there is no class. Fill in the column "class".`);
  const stem = basename(id, extname(id));
  return {
    id,
    className,
    objectName: object || (objects === "auto" ? id : (objectNameOf(objects, [], stem, id) ?? id)),
    view: stem,
    ...(role && { role: roleOf(role, where) }),
    ...(split && { split: splitOf(split, where) }),
  };
}

function idOf(root: string, { path = "" }: Row, where: string): string {
  if (path === "") throw new DataError(`${where}: there is no path. Fill in the column "path".`);
  const inside = relative(root, resolve(root, path)).replaceAll("\\", "/");
  if (isAbsolute(inside))
    throw new DataError(`${where}: "${path}" lies on another drive than the list. Move one.`);
  return inside;
}

function roleOf(text: string, where: string): Role {
  const role = ROLES.find((each) => each === text.toLowerCase());
  if (role) return role;
  throw new DataError(`${where}: the role "${text}" is none of ${ROLES.join(", ")}. Correct it.`);
}

function splitOf(text: string, where: string) {
  const split = splitNamed(text);
  if (split) return split;
  throw new DataError(`${where}: the split "${text}" is none of train, val, test. Correct it.`);
}

function rowsOf(file: string, text: string): { row: Row; line: number }[] {
  const isJson = /\.(jsonl|ndjson)$/i.test(file);
  const rows = isJson ? jsonRows(file, text) : csvRows(file, text);
  if (rows.length === 0) throw new DataError(`The list "${file}" names no photo. Add a line for each.`);
  return rows;
}

function jsonRows(file: string, text: string): { row: Row; line: number }[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    if (content.trim() === "") return [];
    const where = `${basename(file)}:${index + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(content);
    } catch (cause) {
      throw new DataError(
        `${where}: this is no JSON (${(cause as Error).message}). Write one object a line.`,
        {
          cause,
        },
      );
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new DataError(`${where}: this is no object. Write {"path": …, "class": …}.`);
    }
    const entries = Object.entries(value).map(([key, item]) => [
      key.toLowerCase(),
      item == null ? "" : String(item),
    ]);
    return [{ row: Object.fromEntries(entries) as Row, line: index + 1 }];
  });
}

function csvRows(file: string, text: string): { row: Row; line: number }[] {
  try {
    const records = parse(text, {
      bom: true,
      columns: (head: string[]) => head.map((name) => name.trim().toLowerCase()),
      delimiter: /\.tsv$/i.test(file) ? "\t" : [",", ";"],
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { record: Row; info: { lines: number } }[];
    const names = Object.keys(records[0]?.record ?? {});
    const missing = ["path", "class"].filter((name) => records.length > 0 && !names.includes(name));
    if (missing.length > 0) {
      throw new DataError(
        `The list "${file}" has no column "${missing[0]}"; its first line names ${names.join(", ")}. The columns are ${COLUMNS.join(", ")}; the first two are needed.`,
      );
    }
    return records.map(({ record, info }) => ({ row: record, line: info.lines }));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(
      `The list "${file}" is no proper CSV: ${(cause as Error).message}. Correct the line.`,
      {
        cause,
      },
    );
  }
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`The list "${file}" cannot be read (${cause.code}). Check the path.`, { cause });
  });
}
