import type { Outcome } from "../../results/index.ts";
import { linesChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { armClass } from "./arms.ts";

/** Training loss of every arm and seed. */
export function curvesSection(outcome: Outcome): Html | null {
  if (outcome.curves.length === 0) return null;
  return html`<section id="curves"><h2>Training</h2>
<p>Loss of each encoder, a line per seed. The losses of different arms are different functions: compare their course, not their height.</p>
<div class="grid">${outcome.arms.map((arm) => {
    const curves = outcome.curves.filter((curve) => curve.arm === arm.name);
    const collapse = curves.find((curve) => curve.collapse)?.collapse;
    const lines = curves.map((curve) => ({
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
  })}</div></section>`;
}
