import { fileURLToPath, pathToFileURL } from "node:url";

/** The files between an operator's user and the addon: how their paths begin, as paths and as URLs. */
const ownFiles = (): string[] =>
  ["tensor/", "autograd.", "call-site.", "anomaly."].flatMap((name) => {
    const path = fileURLToPath(new URL(name, import.meta.url));
    return [path, pathToFileURL(path).href];
  });

/** Deeper callers are seldom looked at, and are kept for every node. */
const MOST_LINES = 12;

/** The lines of the code that runs now as JavaScript's stacks write them, without those of operators and of Node.js. */
export function whereCalled(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = before;
  const own = ownFiles();
  const lines = stack
    .split("\n")
    .slice(1)
    .filter((line) => !line.includes("node:") && !own.some((path) => line.includes(path)));
  return lines.slice(0, MOST_LINES).join("\n");
}
