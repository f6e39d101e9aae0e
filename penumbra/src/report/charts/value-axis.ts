import { type Html, html } from "../html.ts";
import { fixed } from "../numbers.ts";
import { extent, linearScale, px, type Scale, ticks } from "./scale.ts";

/** Sides of a chart's plot in pixels. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A vertical scale that has room for all values, with about `count` gridlines and their numbers. */
export function valueAxis(
  values: Iterable<number>,
  { left, right, top, bottom }: Plot,
  count: number,
): { readonly y: Scale; readonly grid: readonly Html[] } {
  const [low, high] = extent(values);
  const pad = (high - low || 1) * 0.06;
  const y = linearScale([low - pad, high + pad], [bottom, top]);
  const marks = ticks(y.domain, count);
  const digits = Math.max(0, ...marks.map((value) => (String(value).split(".")[1] ?? "").length));
  const grid = marks.map(
    (
      value,
    ) => html`<line class="gridline" x1="${left}" x2="${right}" y1="${px(y(value))}" y2="${px(y(value))}"/>
<text class="tick" x="${left - 6}" y="${px(y(value) + 3.5)}" text-anchor="end">${fixed(value, digits)}</text>`,
  );
  return { y, grid };
}
