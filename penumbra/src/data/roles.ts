import { DataError } from "./errors.ts";
import { type ClassFolder, matcher } from "./sources/index.ts";
import { ROLES, type Role } from "./types.ts";

/**
 * Which classes play which role, as patterns of class names (`bolt-*`) or of class folders from the root
 * (`extra/bolt-*`). What is named here overrides the top folders. A class that nothing names is known, unless
 * `known` is given: then it is left out.
 */
export type RoleSetting = Readonly<Partial<Record<Role, readonly string[]>>>;

/**
 * The role of each class.
 *
 * @returns class name -> role; `undefined` for classes that no role wants
 * @throws DataError when a pattern fits no class, or a class has two roles
 */
export function resolveRoles(
  folders: readonly ClassFolder[],
  setting: RoleSetting = {},
): Map<string, Role | undefined> {
  const patterns = ROLES.flatMap((role) =>
    (setting[role] ?? []).map((pattern) => ({ role, pattern, matches: matcher(pattern) })),
  );
  for (const { role, pattern, matches } of patterns) {
    if (!folders.some(({ path }) => matches(path))) {
      const names = [...new Set(folders.map(({ className }) => className))].join(", ");
      throw new DataError(
        `roles.${role}: "${pattern}" fits no class. Correct it; the classes are: ${names || "none"}.`,
      );
    }
  }
  const roles = new Map<string, Role | undefined>();
  for (const folder of folders) {
    const named = [
      ...new Set(patterns.filter(({ matches }) => matches(folder.path)).map(({ role }) => role)),
    ];
    if (named.length > 1) {
      throw new DataError(
        `Class "${folder.className}" is named under roles.${named.join(" and roles.")}. Name it under one.`,
      );
    }
    const role = named[0] ?? folder.role ?? (setting.known ? undefined : "known");
    if (roles.has(folder.className) && !folder.split) {
      throw new DataError(
        `Class "${folder.className}" has two folders; the second is "${folder.path}". A class has one folder and one role: rename or remove one.`,
      );
    }
    roles.set(folder.className, role);
  }
  return roles;
}
