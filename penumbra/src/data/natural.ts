/**
 * Orders names as people do, numbers by their value ("view 2" before "view 10"), the same on every machine whatever
 * its language. In a path, "bolt/9" comes before "bolt-long/1": folders stay together. Names that differ only in leading zeros fall back to plain comparison.
 */
export function compareNatural(a: string, b: string): number {
  const left = a.match(RUNS) ?? [];
  const right = b.match(RUNS) ?? [];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = compareRuns(left[i]!, right[i]!);
    if (order !== 0) return order;
  }
  return left.length - right.length || comparePlain(a, b);
}

/** Runs of digits, separators of folders, runs of other characters. */
const RUNS = /\d+|\/|[^\d/]+/g;

function compareRuns(a: string, b: string): number {
  if (/^\d/.test(a) && /^\d/.test(b)) {
    const x = BigInt(a);
    const y = BigInt(b);
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (a === "/" || b === "/") return Number(b === "/") - Number(a === "/");
  return comparePlain(a, b);
}

function comparePlain(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
