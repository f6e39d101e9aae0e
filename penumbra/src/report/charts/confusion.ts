import { type Html, html } from "../html.ts";
import { translated } from "../words/index.ts";
import { px } from "./scale.ts";

export interface ConfusionOptions {
  readonly title: string;
  readonly classes: readonly string[];
  /** counts[truth][answer]; with `hasUnknown` a row has one more, of those that were called unknown. */
  readonly counts: readonly (readonly number[])[];
  /** Default false. */
  readonly hasUnknown?: boolean;
}

/** Confusion matrix: rows are the truth, columns the answer, darkness the share of the row. Right answers are outlined. */
export function confusionChart({ title, classes, counts, hasUnknown = false }: ConfusionOptions): Html {
  const answers = hasUnknown ? [...classes, translated("unknown")] : classes;
  const cell = Math.max(16, Math.min(34, Math.floor(440 / Math.max(1, answers.length))));
  const left = 36;
  const size = left + cell * answers.length + 2;
  return html`<svg class="chart confusion" style="max-width:${Math.round(size * 1.15)}px" viewBox="0 0 ${size} ${size}" role="img" aria-label="${title}">
<text class="axis" x="${size - 2}" y="11" text-anchor="end">answer</text>
<text class="axis" x="${-size + 2}" y="11" transform="rotate(-90)">true class</text>
${classes.map(
  (_, index) =>
    html`<text class="tick" x="${left - 5}" y="${px(left + cell * (index + 0.5) + 3.5)}" text-anchor="end">${index + 1}</text>`,
)}${answers.map(
  (_, index) =>
    html`<text class="tick" x="${px(left + cell * (index + 0.5))}" y="${left - 7}" text-anchor="middle">${index < classes.length ? index + 1 : "?"}</text>`,
)}
${counts.map((row, truth) => {
  const total = row.reduce((sum, count) => sum + count, 0) || 1;
  return row.map((count, answer) => {
    const share = count / total;
    const name = `${classes[truth]} → ${answers[answer]}: ${count} of ${total}`;
    const label =
      count > 0 &&
      cell >= 18 &&
      html`<text class="count${share > 0.55 ? " light" : ""}" x="${px(left + cell * (answer + 0.5))}" y="${px(left + cell * (truth + 0.5) + 3.5)}" text-anchor="middle">${count}</text>`;
    return html`<g><title>${name}</title><rect class="cell${truth === answer ? " right" : ""}" x="${left + cell * answer + 1}" y="${left + cell * truth + 1}" width="${cell - 2}" height="${cell - 2}" style="--share:${share.toFixed(3)}"/>${label}</g>`;
  });
})}
</svg>`;
}
