import { type Html, html } from "../html.ts";
import { linearScale, px } from "./scale.ts";

export interface DotsOptions {
  readonly title: string;
  /** CSS class that colours the dots. */
  readonly className: string;
  readonly domain: readonly [number, number];
  readonly width?: number;
  readonly height?: number;
}

/** The values of one arm, a dot per seed and a bar at their mean, on a scale shared with the other arms. */
export function dotsChart(
  values: readonly number[],
  { title, className, domain, width = 120, height = 18 }: DotsOptions,
): Html {
  const x = linearScale(domain, [6, width - 6]);
  const finite = values.filter(Number.isFinite);
  const middle = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  return html`<svg class="dots" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}"><title>${title}</title>
<line class="base" x1="2" x2="${width - 2}" y1="${height / 2}" y2="${height / 2}"/>
${finite.map((value) => html`<circle class="dot ${className}" cx="${px(x(value))}" cy="${height / 2}" r="3.5"/>`)}
${finite.length > 1 && html`<line class="middle ${className}" x1="${px(x(middle))}" x2="${px(x(middle))}" y1="1" y2="${height - 1}"/>`}
</svg>`;
}
