import { type Html, html } from "../html.ts";
import { percent } from "../numbers.ts";
import { linearScale, px } from "./scale.ts";

export interface HistogramSeries {
  readonly title: string;
  /** CSS class that colours it: "known", "near", "far". */
  readonly className: string;
  /** Share in each bin. */
  readonly shares: readonly number[];
}

export interface HistogramOptions {
  readonly title: string;
  readonly edges: readonly number[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly width?: number;
  readonly height?: number;
}

/** The first edge and the last. @throws RangeError unless there is one bin at least */
function ends(edges: readonly number[], title: string): [low: number, high: number] {
  const [low] = edges;
  const high = edges.at(-1);
  if (low !== undefined && high !== undefined && edges.length > 1) return [low, high];
  throw new RangeError(`The histogram "${title}" has ${edges.length} edges. Give one more than it has bins.`);
}

/**
 * Histograms over the same bins, drawn as outlined steps so that overlaps stay readable. The first and the last bin
 * hold all that lies beyond and may be cut off at the top.
 */
export function histogramChart(
  series: readonly HistogramSeries[],
  { title, edges, xLabel, yLabel, width = 300, height = 160 }: HistogramOptions,
): Html {
  const inner = { left: 8, right: width - 8, top: 22, bottom: height - 24 };
  const range = ends(edges, title);
  const inside = series.flatMap(({ shares }) => shares.slice(1, -1));
  const top = Math.max(...inside) > 0 ? Math.max(...inside) : 1;
  const x = linearScale(range, [inner.left, inner.right]);
  const y = linearScale([0, top], [inner.bottom, inner.top]);
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
${series.map(({ title: name, className, shares }) => {
  const steps = shares.flatMap((share, bin) => [
    `${px(x(edges[bin]!))},${px(y(Math.min(share, top)))}`,
    `${px(x(edges[bin + 1]!))},${px(y(Math.min(share, top)))}`,
  ]);
  const outline = [`${inner.left},${inner.bottom}`, ...steps, `${inner.right},${inner.bottom}`].join(" ");
  return html`<polygon class="area ${className}" points="${outline}"><title>${name}</title></polygon>`;
})}
<line class="base" x1="${inner.left}" x2="${inner.right}" y1="${inner.bottom}" y2="${inner.bottom}"/>
<line class="gridline" x1="${inner.left}" x2="${inner.right}" y1="${inner.top}" y2="${inner.top}"/>
<text class="tick" x="${inner.left}" y="${inner.top - 6}">${percent(top, 0)} % ${yLabel}</text>
<text class="tick" x="${inner.left}" y="${height - 8}">unknown</text>
<text class="axis" x="${px(width / 2)}" y="${height - 8}" text-anchor="middle">${xLabel}</text>
<text class="tick" x="${inner.right}" y="${height - 8}" text-anchor="end">known</text>
</svg>`;
}
