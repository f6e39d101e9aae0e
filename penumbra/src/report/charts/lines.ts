import { type Html, html } from "../html.ts";
import { extent, linearScale, px, ticks } from "./scale.ts";
import { valueAxis } from "./value-axis.ts";

export interface Line {
  readonly title: string;
  /** CSS class that colours it; default that of the chart. */
  readonly className?: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LinesOptions {
  readonly title: string;
  /** CSS class that colours lines without one of their own: "arm-1". */
  readonly className?: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** A level to mark, such as the loss of a collapsed encoder. */
  readonly level?: { readonly y: number; readonly title: string };
  readonly width?: number;
  readonly height?: number;
}

/** Lines over a common x, one per seed, in one colour. */
export function linesChart(
  lines: readonly Line[],
  { title, className = "", xLabel, yLabel, level, width = 300, height = 180 }: LinesOptions,
): Html {
  const inner = { left: 40, right: width - 14, top: 20, bottom: height - 30 };
  const all = lines.flatMap((line) => line.points);
  const x = linearScale(extent(all.map((point) => point.x)), [inner.left, inner.right]);
  const { y, grid } = valueAxis([...all.map(({ y }) => y), ...(level ? [level.y] : [])], inner, 4);
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
${grid}
${ticks(x.domain, 4).map(
  (value) =>
    html`<text class="tick" x="${px(x(value))}" y="${inner.bottom + 14}" text-anchor="middle">${value}</text>`,
)}
<text class="axis" x="${inner.left}" y="${inner.top - 8}">${yLabel}</text>
<text class="axis" x="${px((inner.left + inner.right) / 2)}" y="${height - 3}" text-anchor="middle">${xLabel}</text>
${
  level &&
  html`<line class="level" x1="${inner.left}" x2="${inner.right}" y1="${px(y(level.y))}" y2="${px(y(level.y))}"><title>${level.title}</title></line>`
}
${lines.map(
  (line) =>
    html`<polyline class="line ${line.className ?? className}" points="${line.points.map((point) => `${px(x(point.x))},${px(y(point.y))}`).join(" ")}"><title>${line.title}</title></polyline>`,
)}
</svg>`;
}
