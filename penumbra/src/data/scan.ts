import { leaveOutDuplicates } from "./duplicates.ts";
import { DataError } from "./errors.ts";
import { inspectFiles } from "./inspect.ts";
import { compareNatural } from "./natural.ts";
import { type RoleSetting, resolveRoles } from "./roles.ts";
import type { Manifest, Photo, Problem } from "./types.ts";
import { type Walk, walkPhotos } from "./walk.ts";

export interface ScanOptions {
  /** Roles by class names; without it, by the top folders known (or id), near and far; else all are known. */
  readonly roles?: RoleSetting;
  /** Patterns of names (`*.tif`) or of paths from the root (`known/bolt/*`) to pass over. */
  readonly ignore?: readonly string[];
  /** Where to remember what was learned of each file, so that the next scan opens only what changed. */
  readonly cacheFolder?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Finds the photos of a folder, opens each of them, and reports what cannot be used.
 *
 * Layouts: `class/photo.jpg`, where each photo is an object of its own, and `class/object/view.jpg`; below role
 * folders or not. A file that is empty, cut off, damaged or no image is left out and reported in `problems`; so are
 * the copies of a picture that lies there more than once.
 *
 * @throws DataError when there is no such folder, or no readable photo of any class, or a contradiction in the roles
 *
 * @example
 * const manifest = await scanPhotos("photos", { roles: { near: ["*-lookalike"] } });
 */
export async function scanPhotos(root: string, options: ScanOptions = {}): Promise<Manifest> {
  const walk = await walkPhotos(root, options.ignore);
  const roles = resolveRoles(walk.classFolders, options.roles);
  const candidates = walk.candidates.filter(({ className }) => roles.get(className));
  const ids = candidates.map(({ id }) => id);
  const inspections = await inspectFiles(root, ids, options);

  const readable: Photo[] = [];
  const problems: Problem[] = [...walk.problems, ...unwantedClasses(walk, roles)];
  candidates.forEach(({ id, className, objectName, view }, i) => {
    const inspection = inspections[i]!;
    const role = roles.get(className)!;
    if ("reason" in inspection) problems.push(unreadable(id, inspection.reason));
    else readable.push({ id, className, object: `${className}/${objectName}`, view, role, ...inspection });
  });
  const { kept: photos, problems: duplicates } = leaveOutDuplicates(
    readable.sort((a, b) => compareNatural(a.id, b.id)),
  );
  problems.push(...duplicates);
  if (photos.length === 0) throw noPhotos(root, problems);
  problems.push(...emptyClasses(walk, roles, photos));
  const classes = [
    ...new Set(photos.filter(({ role }) => role === "known").map(({ className }) => className)),
  ];
  return { root, photos, classes: classes.sort(compareNatural), problems };
}

function unreadable(id: string, reason: string): Problem {
  const message = `"${id}" cannot be read: ${reason}.`;
  return { kind: "unreadable", file: id, message, isLeftOut: true };
}

function unwantedClasses({ classFolders }: Walk, roles: ReadonlyMap<string, unknown>): Problem[] {
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
  { classFolders }: Walk,
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

function noPhotos(root: string, problems: readonly Problem[]): DataError {
  const reason = problems[0]
    ? ` ${problems.length} problem(s) were found, the first: ${problems[0].message}`
    : "";
  return new DataError(
    `Folder "${root}" holds no readable photo of any class.${reason} Put photos there as class/photo.jpg or class/object/view.jpg.`,
  );
}
