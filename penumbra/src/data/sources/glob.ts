/**
 * A test for names by a simple pattern: `*` is any text without "/", `?` one such character, everything else itself.
 * The same letters in other Unicode forms are the same (macOS writes names decomposed). A pattern without "/" is held against the last part of a path, one with "/" against all of it.
 */
export function matcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .normalize("NFC")
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  const expression = new RegExp(`^${source}$`);
  return pattern.includes("/")
    ? (path) => expression.test(path.normalize("NFC"))
    : (path) => expression.test(path.slice(path.lastIndexOf("/") + 1).normalize("NFC"));
}
