/** Seconds between lines. */
const EACH = 10;

/** Tells how far something has come, in a line each ten seconds. @param unit what is counted, in the plural */
export function progressLines(
  onLine: (line: string) => void,
  name: string,
  unit: string,
): (done: number, total: number) => void {
  const begin = performance.now();
  let told = begin;
  let first: number | null = null;
  return (done, total) => {
    first ??= done;
    const now = performance.now();
    if (now - told < 1000 * EACH || done === first || done === total) return;
    told = now;
    const left = (((now - begin) / (done - first)) * (total - done)) / 1000;
    onLine(`${name}: ${Math.floor(done)} of ${total} ${unit}, ETA ${duration(left)}`);
  };
}

/** A time in a few characters. */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
