import { availableParallelism } from "node:os";

/** sharp decodes on libuv's four threads; as many files more in flight hide the reading. */
const IN_FLIGHT = Math.max(8, 2 * availableParallelism());

/** Runs `task` over `items`, a few at a time, and returns the results in the items' order. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  task: (item: T, index: number) => Promise<R>,
  onProgress?: (done: number, total: number) => void,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let done = 0;
  let isFailed = false;
  const work = async () => {
    while (next < items.length && !isFailed) {
      const index = next++;
      try {
        results[index] = await task(items[index]!, index);
      } catch (error) {
        isFailed = true;
        throw error;
      }
      onProgress?.(++done, items.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, items.length) }, work));
  return results;
}
