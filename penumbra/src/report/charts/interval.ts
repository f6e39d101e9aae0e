import { type Html, html } from "../html.ts";
import { points } from "../numbers.ts";
import { linearScale, px, ticks } from "./scale.ts";

export interface IntervalMark {
  readonly title: string;
  readonly mean: number;
  readonly perSeed: readonly number[];
  /** Over seeds and test objects. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Over test objects alone. */
  readonly overObjects: { readonly low: number; readonly high: number } | null;
}

export interface IntervalOptions {
  /** Largest difference shown to either side; what reaches further ends in an arrow. */
  readonly limit: number;
  /** Half-width of the band around zero inside which a difference does not matter. */
  readonly margin: number;
  readonly width?: number;
  readonly height?: number;
}

/** The scale that `intervalChart` draws differences on, in points, to stand once below them. */
export function intervalAxis({
  limit,
  title,
  width = 220,
  height = 22,
}: Omit<IntervalOptions, "margin"> & { readonly title: string }): Html {
  const x = linearScale([-limit, limit], [8, width - 8]);
  // Six, so that no step is longer than a side: an axis that says 0 alone has no unit.
  const values = ticks([-limit, limit], 6);
  const digits = Math.max(
    0,
    ...values.map((value) => (String(Number((100 * value).toFixed(6))).split(".")[1] ?? "").length),
  );
  return html`<svg class="interval" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<line class="base" x1="8" x2="${width - 8}" y1="1" y2="1"/>
${values.map(
  (value) => html`<line class="base" x1="${px(x(value))}" x2="${px(x(value))}" y1="1" y2="5"/>
<text class="tick" x="${px(x(value))}" y="17" text-anchor="middle">${points(value, digits)}</text>`,
)}
</svg>`;
}

/**
 * A difference on a line with zero in the middle: thin line = interval over seeds and test objects, thick bar = over objects alone,
 * dot = mean, small ticks = the single seeds, grey band = too small to matter.
 */
export function intervalChart(
  mark: IntervalMark,
  { limit, margin, width = 220, height = 30 }: IntervalOptions,
): Html {
  const middle = height / 2;
  const x = linearScale([-limit, limit], [8, width - 8]);
  const at = (value: number) => px(x(Math.max(-limit, Math.min(limit, value))));
  const arrow = (value: number) =>
    Math.abs(value) > limit &&
    html`<path class="whisker-end" d="M${at(value)} ${middle} l${value < 0 ? 6 : -6} -4 v8 z"/>`;
  return html`<svg class="interval" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${mark.title}"><title>${mark.title}</title>
<rect class="margin" x="${at(-margin)}" y="2" width="${px(x(Math.min(margin, limit)) - x(-Math.min(margin, limit)))}" height="${height - 4}"/>
<line class="zero" x1="${at(0)}" x2="${at(0)}" y1="0" y2="${height}"/>
${
  mark.interval &&
  html`<line class="whisker" x1="${at(mark.interval.low)}" x2="${at(mark.interval.high)}" y1="${middle}" y2="${middle}"/>${arrow(mark.interval.low)}${arrow(mark.interval.high)}`
}
${
  mark.overObjects &&
  html`<line class="objects" x1="${at(mark.overObjects.low)}" x2="${at(mark.overObjects.high)}" y1="${middle}" y2="${middle}"/>`
}
${mark.perSeed.map(
  (value) =>
    html`<line class="seed" x1="${at(value)}" x2="${at(value)}" y1="${middle - 8}" y2="${middle + 8}"/>`,
)}
<circle class="mean" cx="${at(mark.mean)}" cy="${middle}" r="4.5"/>
</svg>`;
}
