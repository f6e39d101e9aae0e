import { type Html, html } from "../html.ts";
import { extent, linearScale, px } from "./scale.ts";

export interface ScatterSeries {
  readonly title: string;
  /** CSS class that colours it: "known", "near", "far". */
  readonly className: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface ScatterOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly width?: number;
  readonly height?: number;
}

/** Dots of several series in one plane, the last series on top; both axes have the same unit. */
export function scatterChart(
  series: readonly ScatterSeries[],
  { title, xLabel, yLabel, width = 300, height = 260 }: ScatterOptions,
): Html {
  const inner = { left: 8, right: width - 8, top: 20, bottom: height - 22 };
  const all = series.flatMap(({ points }) => points);
  const [xs, ys] = [extent(all.map(([x]) => x)), extent(all.map(([, y]) => y))];
  const unit = Math.max(
    (xs[1] - xs[0] || 1) / (inner.right - inner.left),
    (ys[1] - ys[0] || 1) / (inner.bottom - inner.top),
  );
  const around = ([low, high]: readonly [number, number], pixels: number): [number, number] => {
    const [middle, half] = [(low + high) / 2, (unit * pixels) / 2];
    return [middle - half, middle + half];
  };
  const x = linearScale(around(xs, inner.right - inner.left), [inner.left, inner.right]);
  const y = linearScale(around(ys, inner.bottom - inner.top), [inner.bottom, inner.top]);
  return html`<svg class="chart scatter" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<rect class="ground" x="${inner.left}" y="${inner.top}" width="${inner.right - inner.left}" height="${inner.bottom - inner.top}"/>
${series.map(
  // A line of no length with round ends is a dot: a tenth of the bytes of a circle.
  ({ title: name, className, points }) =>
    html`<path class="dots ${className}" d="${points.map(([a, b]) => `M${px(x(a))} ${px(y(b))}h0`).join("")}"><title>${name}</title></path>`,
)}
<text class="axis" x="${inner.left}" y="${inner.top - 7}">${yLabel}</text>
<text class="axis" x="${px(width / 2)}" y="${height - 6}" text-anchor="middle">${xLabel}</text>
</svg>`;
}
