/** A linear map from data to pixels. */
export interface Scale {
  readonly domain: readonly [number, number];
  (value: number): number;
}

export function linearScale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [d0, d1] = domain;
  const span = d1 - d0 || 1;
  const scale = (value: number) => range[0] + ((value - d0) / span) * (range[1] - range[0]);
  return Object.assign(scale, { domain });
}

/** Round values inside a domain, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks([low, high]: readonly [number, number], count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    values.push(Number((k * step).toFixed(decimals)));
  }
  return values;
}

/** Smallest and largest of all finite values, or `fallback` where there are none. */
export function extent(
  values: Iterable<number>,
  fallback: readonly [number, number] = [0, 1],
): readonly [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : fallback;
}

/** Pixels with one decimal: charts of a hundredth of a pixel only make the page larger. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
