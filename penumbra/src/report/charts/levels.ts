import { type Html, html } from "../html.ts";
import { extent, linearScale, px } from "./scale.ts";
import { valueAxis } from "./value-axis.ts";

/** A figure at a place of the x axis, with its interval where there is one. */
export interface Level {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly title: string;
  /** CSS class that colours it: "arm-1". */
  readonly className: string;
  readonly points: readonly Level[];
}

export interface LevelsOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly width?: number;
  readonly height?: number;
}

/** Pixels between the intervals of neighbouring series at one place. */
const DODGE = 5;

/** Figures over a few counts, such as objects to learn from, on a scale of doublings, with intervals as whiskers. */
export function levelsChart(
  series: readonly Series[],
  { title, xLabel, yLabel, width = 320, height = 214 }: LevelsOptions,
): Html {
  const half = ((series.length - 1) * DODGE) / 2;
  const inner = { left: 40, right: width - 14, top: 20, bottom: height - 34 };
  const points = series.flatMap((one) => one.points);
  const counts = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const log = linearScale(extent(counts.map(Math.log2)), [inner.left + half + 8, inner.right - half - 4]);
  const x = (count: number, place: number) => log(Math.log2(count)) - half + place * DODGE;
  const { y, grid } = valueAxis(
    points.flatMap(({ y, low = y, high = y }) => [y, low, high]),
    inner,
    5,
  );
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
${grid}
${counts.map(
  (count) =>
    html`<text class="tick" x="${px(log(Math.log2(count)))}" y="${inner.bottom + 14}" text-anchor="middle">${count}</text>`,
)}
<text class="axis" x="${inner.left}" y="${inner.top - 8}">${yLabel}</text>
<text class="axis" x="${px((inner.left + inner.right) / 2)}" y="${height - 6}" text-anchor="middle">${xLabel}</text>
${series.map(
  (
    one,
    place,
  ) => html`<polyline class="line ${one.className}" points="${one.points.map((point) => `${px(x(point.x, place))},${px(y(point.y))}`).join(" ")}"><title>${one.title}</title></polyline>
${one.points.map(
  (point) =>
    html`${
      point.low !== undefined &&
      point.high !== undefined &&
      html`<line class="spread ${one.className}" x1="${px(x(point.x, place))}" x2="${px(x(point.x, place))}" y1="${px(y(point.low))}" y2="${px(y(point.high))}"/>`
    }<circle class="dot ${one.className}" cx="${px(x(point.x, place))}" cy="${px(y(point.y))}" r="3"/>`,
)}`,
)}
</svg>`;
}
