/**
 * The q-quantile of numbers, linear between their order statistics (type 7 of Hyndman and Fan 1996, NumPy's default).
 * @throws RangeError for no numbers, or q outside 0..1
 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0 || !(q >= 0 && q <= 1)) {
    throw new RangeError(
      `There is no ${q}-quantile of ${sorted.length} numbers. Give some, and q from 0 to 1.`,
    );
  }
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below] as number, sorted[Math.min(below + 1, sorted.length - 1)] as number];
  return low + (place - below) * (high - low);
}
