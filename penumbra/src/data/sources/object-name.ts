import type { ObjectRule } from "./source.ts";

/**
 * The object that a photo shows.
 *
 * @param folders between the class folder and the photo
 * @param stem the photo's name without its ending
 * @param ownName what an object of its own is called
 * @returns undefined where the rule has no place for the photo (`auto`, and two folders or more)
 */
export function objectNameOf(
  rule: ObjectRule,
  folders: readonly string[],
  stem: string,
  ownName: string,
): string | undefined {
  if (rule instanceof RegExp) {
    const match = rule.exec([...folders, stem].join("/"));
    return match ? (match[1] ?? match[0]) : ownName;
  }
  if (rule === "auto") return folders.length > 1 ? undefined : (folders[0] ?? ownName);
  return folders.length === 0 ? ownName : folders.slice(0, rule).join("/");
}
