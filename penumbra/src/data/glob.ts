/**
 * A test for names by a simple pattern: `*` is any text without "/", `?` one such character, everything else itself.
 * A pattern without "/" is held against the last part of a path, one with "/" against all of it.
 */
export function matcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  const expression = new RegExp(`^${source}$`);
  return pattern.includes("/")
    ? (path) => expression.test(path)
    : (path) => expression.test(path.slice(path.lastIndexOf("/") + 1));
}
