import { linesChart } from "../charts/index.ts";
import { html } from "../html.ts";
import { armClass } from "./arms.ts";
import type { Section } from "./section.ts";

/** Training loss of every arm and seed. */
export const curves: Section = {
  name: "curves",
  navigation: "Training",
  title: () => "Training",
  isShown: (outcome) => outcome.curves.length > 0,
  render: (
    outcome,
  ) => html`<p>Loss of each encoder, a line per seed. The losses of different arms are different functions: compare their course, not their height.</p>
<div class="grid">${outcome.arms.flatMap((arm) => {
    const own = outcome.curves.filter((curve) => curve.arm === arm.name);
    if (own.length === 0) return []; // nothing was trained
    const collapse = own.find((curve) => curve.collapse)?.collapse;
    const lines = own.map((curve) => ({
      title: `seed ${curve.seed}`,
      points: curve.points.map(({ step, loss }) => ({ x: step, y: loss })),
    }));
    return html`<figure><figcaption>${arm.title}</figcaption>${linesChart(lines, {
      title: `Training loss, ${arm.title}`,
      className: armClass(outcome, arm.name),
      xLabel: "training step",
      yLabel: "loss",
      ...(collapse && {
        level: { y: collapse.plateau, title: "what an encoder gives that has learned nothing" },
      }),
    })}</figure>`;
  })}</div>`,
};
