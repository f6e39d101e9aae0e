import { decideDepth, ImageError } from "../images/index.ts";
import { leaveOutDuplicates } from "./duplicates.ts";
import { DataError } from "./errors.ts";
import { inspectFiles } from "./inspect.ts";
import { joinLike } from "./join-like.ts";
import { compareNatural } from "./natural.ts";
import { type RoleSetting, resolveRoles } from "./roles.ts";
import { type Layout, type ObjectRule, openSource, type Source } from "./sources/index.ts";
import type { Manifest, Photo, Problem } from "./types.ts";

export interface ScanOptions {
  /** Roles by class names; without it, by the top folders known (or id), near and far; else all are known. */
  readonly roles?: RoleSetting;
  /** Patterns of names (`*.tif`) or of paths from the root (`known/bolt/*`) to pass over. */
  readonly ignore?: readonly string[];
  /** How top folders are read. Default "auto": by their names. */
  readonly layout?: Layout;
  /**
   * Which photos show one object. Default "auto": those of a folder below the class folder; "near-duplicates" also puts
   * together photos of a class that look almost the same.
   */
  readonly objects?: ObjectRule | "near-duplicates";
  /** Bits that are used of 16 in deep photos. Default "auto": by tags, or by the largest value of all. */
  readonly depth?: number | "auto";
  /** Where to remember what was learned of each file, so that the next scan opens only what changed. */
  readonly cacheFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Finds the photos of a folder, a list or an archive, opens each of them, and reports what cannot be used.
 *
 * Layouts: `class/photo.jpg`, where each photo is an object of its own, and `class/object/view.jpg`; below role or
 * split folders or not; or a list (.csv, .jsonl), or IDX archives. A file that is empty, cut off, damaged or no image
 * is left out and reported in `problems`; so are the copies of a picture that lies there more than once. Neither the
 * order in which files come nor the number of threads changes anything.
 *
 * @param place a folder, or the file of a list
 * @throws DataError when there is no such place, or no readable photo of any class, or a contradiction in the roles
 *
 * @example
 * const manifest = await scanPhotos("photos", { roles: { near: ["*-lookalike"] } });
 */
export async function scanPhotos(place: string, options: ScanOptions = {}): Promise<Manifest> {
  const { objects = "auto", depth, ...rest } = options;
  const isJoined = objects === "near-duplicates";
  const source = await openSource(place, { ...rest, objects: isJoined ? "auto" : objects });
  const roles = resolveRoles(source.classFolders, options.roles);
  const { readable, problems } = await openAll(source, roles, options);

  const { white, reasons } = depthOf(readable, depth);
  const { kept, problems: duplicates } = await leaveOutDuplicates(source.root, readable, white);
  problems.push(...duplicates);
  if (kept.length === 0) throw noPhotos(place, problems);
  problems.push(...emptyClasses(source, roles, kept));
  const photos = isJoined ? joinLike(kept) : kept;
  const classes = [
    ...new Set(photos.filter(({ role }) => role === "known").map(({ className }) => className)),
  ].sort(compareNatural);
  return { root: source.root, photos, classes, problems, white, notes: [...source.notes, ...reasons] };
}

/** Opens every photo of a class that has a role; photos in natural order of their ids. */
async function openAll(source: Source, roles: ReturnType<typeof resolveRoles>, options: ScanOptions) {
  const candidates = source.candidates.filter(({ className }) => roles.get(className));
  const ids = candidates.map(({ id }) => id);
  const inspections = await inspectFiles(source.root, ids, options);
  const readable: Photo[] = [];
  const problems: Problem[] = [...source.problems, ...unwantedClasses(source, roles)];
  candidates.forEach(({ id, className, objectName, view, split }, i) => {
    const inspection = inspections[i]!;
    const role = roles.get(className)!;
    if ("reason" in inspection) {
      problems.push({
        kind: "unreadable",
        file: id,
        message: `"${id}" cannot be read: ${inspection.reason}.`,
        isLeftOut: true,
      });
      return;
    }
    const { warning, format: _, ...facts } = inspection;
    const object = `${className}/${objectName}`;
    readable.push({ id, className, object, view, role, ...(split && { split }), ...facts });
    if (warning !== undefined) {
      const message = `"${id}" is read, but ${warning}. Copy it again if you can.`;
      problems.push({ kind: "repaired", file: id, message, isLeftOut: false });
    }
  });
  return { readable: readable.sort((a, b) => compareNatural(a.id, b.id)), problems };
}

function depthOf(photos: readonly Photo[], setting: number | "auto" | undefined) {
  try {
    return decideDepth(
      photos.flatMap(({ levels }) => levels ?? []),
      setting,
    );
  } catch (error) {
    throw error instanceof ImageError ? new DataError(error.message, { cause: error }) : error;
  }
}

function unwantedClasses({ classFolders }: Source, roles: ReadonlyMap<string, unknown>): Problem[] {
  return classFolders
    .filter(({ className }) => !roles.get(className))
    .map(({ path, className }) => ({
      kind: "no-role",
      file: path,
      message: `Class "${className}" has no role. Name it under roles.known, roles.near or roles.far, or list it under "ignore".`,
      isLeftOut: true,
    }));
}

function emptyClasses(
  { classFolders }: Source,
  roles: ReadonlyMap<string, unknown>,
  photos: readonly Photo[],
): Problem[] {
  const filled = new Set(photos.map(({ className }) => className));
  return classFolders
    .filter(({ className }) => roles.get(className) && !filled.has(className))
    .map(({ path, className }) => ({
      kind: "empty-class",
      file: path,
      message: `Class "${className}" has no readable photo. Add photos or remove the folder.`,
      isLeftOut: true,
    }));
}

function noPhotos(place: string, problems: readonly Problem[]): DataError {
  const reason = problems[0]
    ? ` ${problems.length} problem(s) were found, the first: ${problems[0].message}`
    : "";
  return new DataError(
    `"${place}" holds no readable photo of any class.${reason} Put photos there as class/photo.jpg or class/object/view.jpg.`,
  );
}
